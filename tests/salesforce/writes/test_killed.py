"""A writer that dies at any of its steps, and the next one that finishes its work."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from tests.bookings import NAME, bookings, by_job
from tests.mortal import Died, Life, MortalLog, MortalTransport

from seil.salesforce.org import Org
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import SalesforceSettings
from seil.state.outcomes import OutcomeFilter
from seil.state.store import State, state_in_memory

ROWS = 5
UPSERT = WriteTarget(NAME, "upsert", "Key__c")
INSERT = WriteTarget(NAME, "insert", "Number__c")
WAYS = {"collections": WriterOptions(pause=0), "job": by_job()}


@pytest.mark.parametrize(
    ("target", "way"),
    [
        pytest.param(UPSERT, "collections", id="upsert-collections"),
        pytest.param(INSERT, "collections", id="insert-collections"),
        pytest.param(UPSERT, "job", id="upsert-job"),
        pytest.param(INSERT, "job", id="insert-job", marks=pytest.mark.matrix),
    ],
)
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
        remaining = rows.filter(pa.array([key not in done for key in rows[target.key].to_pylist()]))
        writer.write(target, [remaining], rows=len(remaining))


def _no_sleep(_seconds: float) -> None: ...
