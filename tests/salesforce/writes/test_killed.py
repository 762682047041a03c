"""A writer that dies at any of its steps, and the next one that finishes its work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pytest
from tests.bookings import NAME, bookings, by_job
from typing_extensions import override

from seil.salesforce.org import Org
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import SalesforceSettings
from seil.state.outcomes import OutcomeFilter, OutcomeLog
from seil.state.store import State, state_in_memory

ROWS = 5
UPSERT = WriteTarget(NAME, "upsert", "Key__c")
INSERT = WriteTarget(NAME, "insert", "Number__c")
WAYS = {"collections": WriterOptions(pause=0), "job": by_job()}


class Died(BaseException):
    """Stands for SIGKILL: no handler of the writer's may act on it."""


class Life:
    """Ends before its n-th step: a request, or a change of the log, carried out or not."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, act: Callable[[], Any]) -> Any:
        self.spend()
        done = act()
        self.spend()
        return done

    def spend(self) -> None:
        if self.left <= 0:
            raise Died
        self.left -= 1


class MortalTransport(httpx.HTTPTransport):
    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = self._life.step(
            lambda: super(MortalTransport, self).handle_request(request)
        )
        return answer


class MortalLog:
    def __init__(self, log: OutcomeLog, life: Life) -> None:
        self._log = log
        self._life = life

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._log, name)
        return lambda *args: self._life.step(lambda: method(*args))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", [UPSERT, INSERT], ids=["upsert", "insert"])
def test_every_row_is_written_once_wherever_it_dies(
    server: OrgServer, target: WriteTarget, way: str
) -> None:
    lives = 0
    for steps in itertools.count():
        rows = bookings(ROWS, prefix=f"{steps}-")
        with state_in_memory() as state:
            died = _live(server.url, state, target, WAYS[way], rows, Life(steps))
            _finish(server.url, state, target, WAYS[way], rows)
            assert state.outcomes.counts(OutcomeFilter()) == {"written": ROWS}
        if not died:
            break
        lives += 1
    assert lives > 8
    with Org(SalesforceSettings(login_url=server.url)) as org:
        assert org.count(NAME) == (lives + 1) * ROWS


def _live(
    url: str,
    state: State,
    target: WriteTarget,
    options: WriterOptions,
    rows: pa.Table,
    life: Life,
) -> bool:
    """Whether it died."""
    log: Any = MortalLog(state.outcomes.log("test", "run-1"), life)
    settings = SalesforceSettings(login_url=url)
    with Org(settings, transport=MortalTransport(life), sleep=_no_sleep) as org:
        try:
            Writer(org, log, options).write(target, [rows], rows=ROWS)
        except Died:
            return True
    return False


def _finish(
    url: str, state: State, target: WriteTarget, options: WriterOptions, rows: pa.Table
) -> None:
    """As a flow does: settles what is in doubt, then sends what has not been written."""
    with Org(SalesforceSettings(login_url=url), sleep=_no_sleep) as org:
        writer = Writer(org, state.outcomes.log("test", "run-1"), options)
        writer.recover()
        written = state.outcomes.find(OutcomeFilter(state="written"), limit=ROWS)
        done = {outcome.key for outcome in written}
        left = rows.filter(pa.array([key not in done for key in rows[target.key].to_pylist()]))
        writer.write(target, [left], rows=len(left))


def _no_sleep(_seconds: float) -> None: ...
