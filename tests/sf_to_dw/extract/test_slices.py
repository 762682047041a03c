"""Jobs that run for too long: every record comes once, at the seams as well, whatever it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sf_to_dw.small_site import BEGIN, SmallSite, record_id
from tests.small_org import SmallOrg

from seil.sf_to_dw.extract.flows import FlowStates, Pace

TOO_LONG = "QUERY_TIMEOUT: Your query request was running for too long."
DAY = timedelta(days=1)
_MOMENT = r"SystemModstamp {} ([\d:T.Z-]+)"


def bounds(soql: str) -> tuple[datetime, datetime]:
    """A side that is open is far away."""
    matches = [re.search(_MOMENT.format(sign), soql) for sign in (">=", "<")]
    start, end = (datetime.fromisoformat(match[1]) if match else None for match in matches)
    return start or BEGIN - 9999 * DAY, end or BEGIN + 9999 * DAY


def longer_than(span: timedelta) -> Any:
    def fails(soql: str) -> str:
        start, end = bounds(soql)
        return TOO_LONG if end - start > span else ""

    return fails


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    site = SmallSite(tmp_path)
    with site.org.serve():
        yield site


def spread(site: SmallSite, count: int, days: float) -> None:
    """Records at even distances before now: some of them lie on the seams."""
    for n in range(count):
        site.add(record_id(n), at=site.now - timedelta(days=days * n / count))


def landed(report: Any) -> tuple[int, int]:
    assert report.problems == []
    (row,) = report.ledger
    assert row.balanced
    return row.reported, row.merged


def pace(site: SmallSite) -> Pace:
    with site.open() as context:
        return FlowStates(context.lake).get(context.catalog[site.org.name]).pace


def events(site: SmallSite, state: str) -> list[Any]:
    with site.open() as context:
        details = [event.detail for _, event in context.journal.read()]
    return [detail for detail in details if detail.get("state") == state]


@pytest.mark.parametrize("message", [TOO_LONG, "Retried more than 15 times"])
def test_a_first_load_that_takes_too_long_is_read_in_parts(site: SmallSite, message: str) -> None:
    spread(site, 64, days=16)

    def fails(soql: str) -> str:
        return message if ">=" not in soql and bounds(soql)[1] > BEGIN - 9 * DAY else ""

    site.org.fails = fails
    site.org.fails = longer_than(DAY) if message == TOO_LONG else fails
    assert landed(site.run()) == (64, 64)
    assert set(site.records()) == {record_id(n) for n in range(64)}


def test_what_passed_is_remembered_and_grows_again(site: SmallSite) -> None:
    spread(site, 10, days=4)
    assert landed(site.run()) == (10, 10)
    site.pass_time(days=4)
    spread(site, 40, days=3)
    site.org.fails = longer_than(DAY)
    site.org.queries.clear()
    assert landed(site.run())[1] >= 40
    failed = [soql for soql in site.org.queries if site.org.fails(soql)]
    remembered = pace(site)
    assert failed
    assert remembered.seconds
    assert timedelta(seconds=remembered.seconds) <= 2 * DAY
    site.pass_time(days=4)
    spread(site, 30, days=3)
    site.org.queries.clear()
    assert landed(site.run())[1] >= 30
    # It begins at the size that passed.
    assert not site.org.fails(site.org.queries[0])
    site.org.fails = lambda _: ""
    site.pass_time(days=9)
    assert site.run().problems == []
    assert (pace(site).seconds or 1e9) > remembered.seconds


def test_one_moment_with_too_many_records_is_cut_by_id(site: SmallSite) -> None:
    """As after a bulk load: no cut by time separates them."""
    for n in range(50):
        site.add(record_id(n * n), at=BEGIN - DAY)
    site.add(record_id(7000), at=BEGIN - 2 * DAY)

    def fails(soql: str) -> str:
        return TOO_LONG if len(site.org.select(soql)) > 8 else ""

    site.org.fails = fails
    assert landed(site.run()) == (51, 51)
    assert len(site.records()) == 51


def test_an_object_without_a_cursor_is_cut_by_id(site: SmallSite) -> None:
    site.org.fields["SystemModstamp"]["filterable"] = False
    spread(site, 30, days=3)
    site.org.fails = lambda soql: TOO_LONG if len(site.org.select(soql)) > 4 else ""
    for _ in range(2):
        assert landed(site.run()) == (30, 30)
    assert len(site.records()) == 30


def test_a_job_that_fails_for_anything_else_is_not_halved(site: SmallSite) -> None:
    spread(site, 4, days=3)
    site.org.fails = lambda _: "INVALID_FIELD: No such column"
    (problem,) = site.run().problems
    assert "No such column" in problem
    assert len(site.org.queries) == 1


def test_what_cannot_be_halved_any_more_fails(site: SmallSite) -> None:
    spread(site, 1, days=3)
    site.org.fails = lambda _: TOO_LONG
    (problem,) = site.run().problems
    assert "running for too long" in problem
    site.org.fails = lambda _: ""
    assert landed(site.run()) == (1, 1)


@pytest.mark.parametrize(
    "killed_at",
    [1, 3, *(pytest.param(job, marks=pytest.mark.matrix) for job in (2, 5, 8))],
)
def test_a_run_that_is_killed_between_parts_goes_on(site: SmallSite, killed_at: int) -> None:
    spread(site, 64, days=16)
    jobs = [0]

    def fails(soql: str) -> str:
        jobs[0] += 1
        if jobs[0] == killed_at:
            raise ConnectionAbortedError
        return str(longer_than(DAY)(soql))

    site.org.fails = fails
    first = site.run()
    assert first.problems
    query_count = len(site.org.queries)
    assert site.run().problems == []
    assert set(site.records()) == {record_id(n) for n in range(64)}
    with site.open() as context, context.warehouse() as warehouse:
        rows = warehouse.query("SELECT balanced, merged FROM seil.ledger WHERE reported > 0")
    assert rows.to_pylist() == [{"balanced": True, "merged": 64}]
    assert query_count


@given(passes=st.integers(0, 40), seconds=st.floats(1, 1e9))
def test_a_pace_only_grows_while_jobs_pass(passes: int, seconds: float) -> None:
    current = Pace(seconds)
    for _ in range(passes):
        following = current.after_pass()
        assert following.seconds is None or following.seconds >= (current.seconds or 0)
        current = following


def test_a_nullable_cursor_loses_no_record(tmp_path: Path) -> None:
    org = SmallOrg()
    org.fields["Touched__c"] = {"type": "datetime", "nillable": True}
    site = SmallSite(tmp_path, org, catalog='flow = { cursor = "Touched__c" }')
    with org.serve():
        spread(site, 40, days=3)
        for row in org.rows[::3]:
            row["Touched__c"] = row["SystemModstamp"]
        assert landed(site.run()) == (40, 40)
        site.pass_time(hours=1)
        site.add(*(record_id(n) for n in range(20, 60)))
        assert landed(site.run())[1] >= 40
        assert landed(site.run(full=True)) == (60, 60)
        assert len(site.records()) == 60
        (first, *_) = events(site, "started")
    assert first["cursor"] == "SystemModstamp"
    assert first["note"] == "Touched__c may be null: windows are on SystemModstamp"


def test_without_any_cursor_every_run_reads_all(site: SmallSite) -> None:
    site.org.fields["SystemModstamp"]["filterable"] = False
    spread(site, 5, days=3)
    for _ in range(2):
        site.pass_time(hours=1)
        report = site.run()
        assert landed(report) == (5, 5)
        assert report.ledger[0].mode == "full"
