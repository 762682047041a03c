"""Outcomes of writes: a row that a later run sends again is open in one run only."""

from __future__ import annotations

import pyarrow as pa
import pytest

from seil.salesforce.writes.batch import (
    ANSWER_LOST,
    BEFORE,
    RowOutcome,
    RowState,
    WriteBatch,
    WriteTarget,
)
from seil.state.outcomes import OutcomeFilter, OutcomeLog
from seil.state.store import State

UPDATE = WriteTarget("Account", "update")


def batch(*keys: str, note: str = "new") -> WriteBatch:
    images = ['{"Note__c": "old"}'] * len(keys)
    return WriteBatch(UPDATE, pa.table({"Id": keys, "Note__c": [note] * len(keys), BEFORE: images}))


def send(log: OutcomeLog, key: str, state: RowState, code: str = "") -> None:
    sent = batch(key)
    log.send(sent)
    log.settle(sent.id, [RowOutcome(key, state, key, code=code)])


def rows(state: State) -> list[tuple[str, str, str, int]]:
    outcomes = state.outcomes.find(OutcomeFilter())
    return sorted((o.run_id, o.key, o.state, o.attempts) for o in outcomes)


@pytest.mark.parametrize("before", ["rejected", "missing", "retrying"])
def test_open_row_moves_to_the_run_that_sends_it_again(state: State, before: RowState) -> None:
    first, second = (state.outcomes.log("push:a", run) for run in ("run-1", "run-2"))
    send(first, "1", before)
    send(first, "2", before)
    send(second, "1", "written")
    assert rows(state) == [("run-1", "2", before, 1), ("run-2", "1", "written", 2)]


def test_row_that_is_in_doubt_is_of_the_run_that_sent_it_last(state: State) -> None:
    send(state.outcomes.log("push:a", "run-1"), "1", "retrying")
    state.outcomes.log("push:a", "run-2").send(batch("1"))
    assert rows(state) == [("run-2", "1", "in_doubt", 2)]


@pytest.mark.parametrize("other", ["flow", "written"])
def test_other_rows_stay(state: State, other: str) -> None:
    flow = "push:b" if other == "flow" else "push:a"
    send(state.outcomes.log(flow, "run-1"), "1", "retrying" if other == "flow" else "written")
    send(state.outcomes.log("push:a", "run-2"), "1", "written")
    assert [row[0] for row in rows(state)] == ["run-1", "run-2"]


def test_lost_answer_of_a_row_that_has_its_values_was_a_write(state: State) -> None:
    send(state.outcomes.log("push:a", "run-1"), "1", "retrying", ANSWER_LOST)
    repeat = state.outcomes.log("push:a", "run-2")
    repeat.record(batch("1"), [RowOutcome("1", "unchanged", "1")])
    assert rows(state) == [("run-1", "1", "written", 1), ("run-2", "1", "unchanged", 1)]


def test_lock_after_a_lost_answer_leaves_the_row_in_question(state: State) -> None:
    log = state.outcomes.log("push:a", "run-1")
    send(log, "1", "retrying", ANSWER_LOST)
    send(log, "1", "retrying", "UNABLE_TO_LOCK_ROW")
    (outcome,) = state.outcomes.find(OutcomeFilter())
    assert (outcome.code, outcome.attempts) == (ANSWER_LOST, 2)


def test_written_values_stream_in_pages(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seil.state.outcomes._VALUES_AT_ONCE", 2)
    for run, keys in (("run-1", "123"), ("run-2", "24")):
        for key in keys:
            send(state.outcomes.log("push:a", run), key, "written")
    send(state.outcomes.log("push:b", "run-3"), "1", "written")
    rows_ = state.outcomes.written_values("push:a", "Account").read_all().to_pylist()
    assert [row["key"] for row in rows_] == ["1", "2", "2", "3", "4"]
    assert {(row["field"], row["value"]) for row in rows_} == {("Note__c", "new")}
    assert rows_[1]["changed_at"] < rows_[2]["changed_at"]


@pytest.mark.parametrize("flow", ["gam_to_sf", "push:a"])
def test_only_settled_rows_are_pruned_and_of_a_push_none_that_it_wrote(
    state: State, flow: str
) -> None:
    log = state.outcomes.log(flow, "run-1")
    settled: tuple[RowState, ...] = ("written", "unchanged", "rejected", "missing", "retrying")
    for row_state in settled:
        send(log, row_state, row_state)
    log.send(batch("in_doubt"))
    before = state.outcomes.find(OutcomeFilter(key="retrying"))[0].changed_at
    state.outcomes.prune(before)
    kinds = ["in_doubt", "missing", "rejected", "retrying"]
    assert [row[1] for row in rows(state)] == kinds + ["written"] * (flow == "push:a")
