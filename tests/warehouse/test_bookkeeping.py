"""What a warehouse keeps about its data: committed with it, and read back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import TABLE

from seil.events.envelope import Event
from seil.settings import WarehouseSettings
from seil.state.outcome_rows import SCHEMA
from seil.state.outcomes import OPEN
from seil.warehouse import MergeOutcome, Warehouse, open_warehouse
from seil.warehouse.bookkeeping import (
    OPEN_OUTCOMES,
    BuildRow,
    BuiltVersion,
    FileLoad,
    FlowRunRow,
    LoadTotals,
    Position,
    SchemaChange,
)
from seil.warehouse.bookkeeping_tables import OUTCOMES, table_schema

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def load(key: str = "k1", run: str = "r1", rows: int = 3) -> FileLoad:
    outcome = MergeOutcome(inserted=rows)
    return FileLoad(
        key, NOON, "Account", TABLE, run, "delta", NOON - HOUR, NOON, "in/x", 3, rows, 0, outcome
    )


def flow_run(run: str = "r1", reported: int = 3) -> FlowRunRow:
    times = (NOON - HOUR, NOON)
    return FlowRunRow("Account", run, "delta", *times, "750", reported, 3, 1, None, *times)


def record(warehouse: Warehouse, *loads: FileLoad, runs: tuple[FlowRunRow, ...] = ()) -> None:
    with warehouse.commit("load") as commit:
        commit.recorder.record_loads(loads)
        commit.recorder.record_runs(runs)


def test_nothing_is_kept_of_a_new_warehouse(engine: WarehouseSettings) -> None:
    with open_warehouse(engine) as warehouse:
        for _ in range(2):
            books = warehouse.bookkeeping
            assert books.ledger() == []
            assert books.load_totals() == LoadTotals()
            assert books.unbalanced_runs() == books.last_runs() == frozenset()
            assert (books.files_by_object(), books.positions(), books.waiting()) == ({}, {}, {})
            assert books.pending_events() == []
            assert books.loaded_files(["k"], objects=["Account"]) == {}
            warehouse.prepare()
            warehouse.prepare()


def test_a_run_balances_once_its_files_are_loaded(warehouse: Warehouse) -> None:
    record(warehouse, runs=(flow_run(),))
    books = warehouse.bookkeeping
    assert books.unbalanced_runs() == {"r1"}
    record(warehouse, load())
    (row,) = books.ledger()
    assert (row.reported, row.landed, row.curated, row.merged) == (3, 3, 3, 3)
    assert row.balanced
    assert books.unbalanced_runs() == frozenset()
    assert books.last_runs() == {"r1"}


def test_what_is_recorded_twice_is_there_once(warehouse: Warehouse) -> None:
    change = SchemaChange(str(TABLE), "size", "new-column", "", "bigint", "k1")
    decision = replace(change, curated_key="", changed_at=NOON)
    built = BuildRow("b1", "orders", "built", 3, "", LoadTotals(1, NOON), NOON, NOON)
    for _ in range(2):
        record(warehouse, load(), runs=(flow_run(),))
        with warehouse.commit("more") as commit:
            commit.recorder.record_schema_changes([change, decision])
            commit.recorder.record_builds([built])
    books = warehouse.bookkeeping
    assert [(row.flow_run_id, row.merged) for row in books.ledger()] == [("r1", 3)]
    assert books.load_totals().files == 1
    assert sorted(c.curated_key for c in books.schema_changes(TABLE)) == ["", "k1"]
    rows = warehouse.query("SELECT build_id FROM seil.builds")
    assert rows.num_rows == 1


def test_a_file_that_is_loaded_again_takes_the_place_of_its_row(warehouse: Warehouse) -> None:
    record(warehouse, load(), load("k2"))
    record(warehouse, load("k2", rows=1))
    assert sum(row.merged for row in warehouse.bookkeeping.ledger()) == 4
    assert warehouse.bookkeeping.files_by_object() == {"Account": {"k1", "k2"}}


def test_files_and_runs_are_looked_up_by_name(warehouse: Warehouse) -> None:
    record(warehouse, load(), runs=(flow_run("r'2"),))
    books = warehouse.bookkeeping
    assert books.loaded_files(["k1", "it's"], objects=["Account"]) == {"k1": NOON}
    assert books.recorded_runs(["r'2", "r3"], objects=["Account"]) == {"r'2"}
    assert books.loaded_tables() == {TABLE}
    many = [f"k{n}" for n in range(5_000)]
    assert books.loaded_files(many, objects=["Account"]) == {"k1": NOON}


def test_provisional_columns_are_those_not_described_since(warehouse: Warehouse) -> None:
    came = SchemaChange(
        str(TABLE), "size", "new-column", "", "text", "k1", provisional=True, changed_at=NOON
    )
    with warehouse.commit("one") as commit:
        commit.recorder.record_schema_changes([came])
    assert warehouse.bookkeeping.provisional_columns() == {str(TABLE): {"size"}}
    described = replace(came, change="new-type", provisional=False, changed_at=NOON + HOUR)
    with warehouse.commit("two") as commit:
        commit.recorder.record_schema_changes([described])
    assert warehouse.bookkeeping.provisional_columns() == {}


def test_positions_and_waiting_files_are_kept_by_object(warehouse: Warehouse) -> None:
    with warehouse.commit("one") as commit:
        commit.recorder.record_positions({"A": Position(NOON, NOON), "B": Position(NOON, NOON)})
        commit.recorder.record_waiting({"A": [("curated", "k")], "B": [("staging", "m")]})
    with warehouse.commit("two") as commit:
        commit.recorder.record_positions({"A": Position(NOON + HOUR, NOON)})
        commit.recorder.record_waiting({"A": []})
    books = warehouse.bookkeeping
    assert books.positions() == {"A": Position(NOON + HOUR, NOON), "B": Position(NOON, NOON)}
    assert books.waiting() == {"B": {("staging", "m")}}


def test_built_versions_are_kept_of_the_models_there_are(warehouse: Warehouse) -> None:
    one = BuiltVersion("one", "f", 4, "b1", {"unique(id)": "", "to(two)": "b0"})
    with warehouse.commit("build") as commit:
        commit.recorder.record_built([one], {"one": {TABLE: ["id"]}}, models=["one", "two"])
    assert warehouse.bookkeeping.built_versions() == {"one": one}
    assert warehouse.bookkeeping.last_change() == 4
    with warehouse.commit("build again") as commit:
        commit.recorder.record_built([BuiltVersion("two", "f", 4, "b2")], {}, models=["two"])
    assert set(warehouse.bookkeeping.built_versions()) == {"two"}


def test_events_wait_until_they_are_removed(warehouse: Warehouse) -> None:
    first, second = (Event("seil", "load", {"n": n}, id=f"e{n}") for n in range(2))
    with warehouse.commit("one") as commit:
        commit.recorder.replace_events([first, second])
    later = Event("seil", "load", {"n": 9}, id="e1")
    with warehouse.commit("two") as commit:
        commit.recorder.replace_events([later])
        commit.recorder.remove_events(["e0", "none"])
    (pending,) = warehouse.bookkeeping.pending_events()
    assert (pending.id, pending.detail) == ("e1", {"n": 9})


def outcome(key: str, run: str, state: str, minutes: int) -> dict[str, Any]:
    names = {"flow": "push:a", "object": "Account", "operation": "update", "attempts": 1}
    times = {"changed_at": NOON + timedelta(minutes=minutes)}
    return names | {"key": key, "run_id": run, "state": state} | times


def record_outcomes(warehouse: Warehouse, *rows: dict[str, Any]) -> None:
    typed = pa.Table.from_pylist(list(rows), schema=table_schema(OUTCOMES))
    with warehouse.commit("outcomes") as commit:
        commit.recorder.record_outcomes(typed.to_reader(max_chunksize=1))


def outcomes(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    rows = warehouse.query("SELECT key, run_id, state FROM seil.outcomes ORDER BY 1, 2").to_pylist()
    return [tuple(row.values()) for row in rows]


def test_outcome_is_stored_once_in_its_last_version(warehouse: Warehouse) -> None:
    assert warehouse.bookkeeping.last_outcome() is None
    record_outcomes(warehouse, outcome("1", "r1", "in_doubt", 1), outcome("1", "r1", "written", 2))
    record_outcomes(warehouse, outcome("2", "r1", "written", 3), outcome("1", "r1", "undone", 4))
    assert outcomes(warehouse) == [("1", "r1", "undone"), ("2", "r1", "written")]
    assert warehouse.bookkeeping.last_outcome() == NOON + timedelta(minutes=4)


@pytest.mark.parametrize("at_once", [False, True])
def test_open_outcome_goes_once_a_later_run_sent_the_row(
    warehouse: Warehouse, *, at_once: bool
) -> None:
    first = [outcome("1", "r1", "rejected", 1), outcome("2", "r1", "written", 1)]
    second = [outcome("1", "r2", "written", 2), outcome("2", "r2", "rejected", 2)]
    for rows in [[*first, *second]] if at_once else [first, second]:
        record_outcomes(warehouse, *rows)
    assert outcomes(warehouse) == [
        ("1", "r2", "written"),
        ("2", "r1", "written"),
        ("2", "r2", "rejected"),
    ]


def test_outcomes_of_the_state_fit_the_warehouse() -> None:
    assert table_schema(OUTCOMES) == SCHEMA
    assert OPEN_OUTCOMES == OPEN
