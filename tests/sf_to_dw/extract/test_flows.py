from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.catalog import FlowSettings, SyncedObject
from seil.lake import Lake
from seil.observe.run_context import new_run_id
from seil.sf_to_dw.extract.flows import (
    FlowRun,
    FlowState,
    FlowStates,
    LandedPage,
    Pace,
    Slice,
    Window,
    next_window,
)

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ACCOUNT = SyncedObject(api_name="Account")
RUN = FlowRun(
    flow_run_id="20260309T120000Z-0a1b2c3d",
    window=Window(NOW - timedelta(hours=1), NOW),
    job_id="750xx0000000001AAA",
    fingerprint="abc",
    page_rows=1000,
    started_at=NOW,
    pages=(LandedPage(0, "", "MTAw", "in/k", 1000),),
)


def test_first_window_reads_everything_before_the_lag() -> None:
    assert next_window(FlowSettings(), FlowState(), now=NOW) == Window(
        None, NOW - timedelta(minutes=1)
    )


def test_next_window_overlaps_by_the_lookback() -> None:
    committed = NOW - timedelta(hours=1)
    window = next_window(FlowSettings(), FlowState(committed), now=NOW)
    assert window == Window(committed - timedelta(minutes=10), NOW - timedelta(minutes=1))
    assert window.mode == "delta"


@pytest.mark.parametrize(
    "flow", [FlowSettings(mode="full"), FlowSettings()], ids=["full flow", "full asked for"]
)
def test_full_window_has_no_start(flow: FlowSettings) -> None:
    window = next_window(flow, FlowState(NOW), now=NOW, full=True)
    assert window.start is None
    assert window.mode == "full"


@given(st.integers(0, 7200), st.integers(0, 7200), st.integers(-3600, 7200))
def test_windows_leave_no_gap_whatever_the_clock_does(lookback: int, lag: int, passed: int) -> None:
    flow = FlowSettings(lookback=timedelta(seconds=lookback), lag=timedelta(seconds=lag))
    window = next_window(flow, FlowState(NOW), now=NOW + timedelta(seconds=passed))
    assert window.start is not None
    assert window.start <= NOW <= window.end


def test_state_survives_a_restart(tmp_path: Path) -> None:
    states = FlowStates(Lake.at(tmp_path.as_uri(), env="dev", project="seil"))
    assert states.get(ACCOUNT) == FlowState()
    cut = Slice(NOW - timedelta(hours=1), NOW, first_id="a00", last_id="b00")
    run = replace(RUN, cursor="SystemModstamp", cut=cut, pace=Pace(3600.0, 5, 1), first_page=1)
    for state in (FlowState(NOW, "run-0", NOW, RUN), FlowState(NOW, running=run, pace=run.pace)):
        states.change(ACCOUNT, **vars(state))
        assert states.get(ACCOUNT) == state
    states.change(ACCOUNT, committed=NOW, last_run_id="run-0", finished_at=NOW, running=None)
    assert states.get(ACCOUNT).running is None


def test_run_with_page_keeps_page_order_and_counts_once() -> None:
    later = LandedPage(2, "b", None, "in/k2", 5)
    run = RUN.with_page(later).with_page(LandedPage(1, "a", "b", "in/k1", 10)).with_page(later)
    assert [page.number for page in run.pages] == [0, 1, 2]
    assert run.landed == 1015


def test_run_ids_sort_by_time_and_differ() -> None:
    assert new_run_id(NOW).startswith("20260309T120000Z-")
    assert new_run_id(NOW) != new_run_id(NOW)
