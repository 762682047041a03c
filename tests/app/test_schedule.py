"""Runs at an interval: what is due, what ends them, and what they survive."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seil.app.schedule import DueObjects, Repetition, due_objects
from seil.app.site import Site
from seil.errors import (
    ConfigurationError,
    LakeError,
    LoginError,
    MissingExtraError,
    MissingStateError,
    NewerSiteError,
    OtherOrgError,
    OtherStateError,
    Problem,
    SeilError,
    UnavailableError,
    error_type,
)
from seil.settings import load_settings
from seil.sf_to_dw.extract.flows import FlowStates

NAMES = ["Account", "Contact", "Order"]
HOUR = timedelta(hours=1)


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


@pytest.fixture
def daily_account(home: Path) -> None:
    (home / "objects.toml").write_text('[objects.Account.flow]\nschedule = "1d"\n')


def finish(site: Site, *names: str) -> None:
    """As an extract notes it."""
    now = datetime.now(UTC)
    for obj in site.catalog.select(names):
        FlowStates(site.lake).change(obj, committed=now, last_run_id="r", finished_at=now)


@pytest.mark.parametrize("within", [timedelta(hours=20), timedelta(seconds=0.001)], ids=str)
def test_interval_is_the_schedule_of_objects_without_one(site: Site, within: timedelta) -> None:
    finish(site, "Account", "Contact")
    due = due_objects(site, NAMES[:2], within=within)
    assert due == site.catalog.select(NAMES[:2])


@pytest.mark.usefixtures("daily_account")
def test_an_object_waits_for_its_own_schedule(site: Site) -> None:
    finish(site, "Account", "Contact")
    due = due_objects(site, NAMES, within=timedelta(hours=2))
    assert [obj.api_name for obj in due] == ["Contact", "Order"]


class _Stop(threading.Event):
    """Set by the third wait; none takes any time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        if len(self.waits) == 3:
            self.set()
        return self.is_set()


class _Runs:
    """Runs that fail with `failures` in turn, then go well."""

    def __init__(self, site: Site, *failures: SeilError, full: bool = False) -> None:
        self.calls: list[tuple[Sequence[str], bool]] = []
        self.announced: list[timedelta] = []
        self._failures = list(failures)
        self.stop = _Stop()
        self.due = DueObjects(self.run, HOUR, NAMES, full)
        self.repetition = Repetition(
            HOUR, lambda: nullcontext(site), self.due, self.announced.append, self.stop
        )

    def run(self, site: Site, names: Sequence[str], *, full: bool) -> None:
        self.calls.append((names, full))
        if self._failures:
            raise self._failures.pop(0)


def test_runs_are_repeated_until_the_stop(site: Site) -> None:
    runs = _Runs(site, full=True)
    runs.repetition.repeat()
    assert runs.calls == [(NAMES, True), (NAMES, False), (NAMES, False)]
    assert [wait.total_seconds() for wait in runs.announced] == runs.stop.waits
    assert all(3_000 < seconds <= 3_600 for seconds in runs.stop.waits)


def test_a_run_that_failed_is_tried_again(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    runs = _Runs(site, UnavailableError("Salesforce", "slow"), LakeError("file:///l", "write", "x"))
    runs.repetition.repeat()
    assert len(runs.calls) == 3
    failures = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert failures[0].startswith("this run failed, the next one tries again: Salesforce: slow")
    assert len(failures) == 2


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError([Problem("x", "wrong")]),
        LoginError("https://acme.example", "x", "y"),
        OtherOrgError("https://acme.example", site_org="00D1", login_org="00D2"),
        NewerSiteError("file:///lake/site.json", 9, 4, "2.0"),
        MissingExtraError("sync", "duckdb"),
        MissingStateError("state.sqlite", "open", "there is none"),
        OtherStateError("state.sqlite", "open", "another site's"),
    ],
    ids=error_type,
)
def test_what_a_person_has_to_mend_ends_the_repetition(site: Site, error: SeilError) -> None:
    runs = _Runs(site, error)
    with pytest.raises(type(error)):
        runs.repetition.repeat()
    assert runs.stop.waits == []


@pytest.mark.usefixtures("daily_account")
def test_nothing_is_run_where_nothing_is_due(site: Site) -> None:
    finish(site, "Account")
    runs = _Runs(site)
    runs.due.names = ["Account"]
    runs.repetition.repeat()
    assert (runs.calls, len(runs.stop.waits)) == ([], 3)


def test_a_stop_that_is_set_runs_nothing(site: Site) -> None:
    runs = _Runs(site)
    runs.stop.set()
    runs.repetition.repeat()
    assert runs.calls == []
