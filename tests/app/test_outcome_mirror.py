from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.app.outcome_mirror import mirror_outcomes
from seil.salesforce.writes.batch import RowOutcome, RowState, WriteBatch, WriteTarget
from seil.settings import WarehouseSettings
from seil.state.outcomes import OutcomeFilter
from seil.state.store import State, state_in_memory
from seil.warehouse import Warehouse, open_warehouse


@pytest.fixture
def state() -> Iterator[State]:
    with state_in_memory() as opened:
        yield opened


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with open_warehouse(WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}")) as opened:
        yield opened


def send(state: State, run_id: str, states: dict[str, RowState]) -> None:
    log = state.outcomes.log("push:a", run_id)
    keys = list(states)
    batch = WriteBatch(WriteTarget("Account", "update"), pa.table({"Id": keys, "Name": keys}))
    log.send(batch)
    log.settle(batch.id, [RowOutcome(key, state, key) for key, state in states.items()])


def rows(state: State) -> list[tuple[Any, ...]]:
    page = state.outcomes.find(OutcomeFilter())
    return sorted((o.run_id, o.key, o.state, o.attempts, o.changed_at) for o in page)


def mirrored(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    sql = "SELECT run_id, key, state, attempts, changed_at FROM seil.outcomes ORDER BY ALL"
    return [tuple(row.values()) for row in warehouse.query(sql).to_pylist()]


def test_copy_follows_the_state_change_by_change(state: State, warehouse: Warehouse) -> None:
    assert mirror_outcomes(state.outcomes, warehouse) == 0
    send(state, "r1", {"1": "written", "2": "rejected", "3": "retrying"})
    assert mirror_outcomes(state.outcomes, warehouse) == 3
    assert mirror_outcomes(state.outcomes, warehouse) == 0
    send(state, "r2", {"2": "written", "3": "rejected"})
    state.outcomes.mark_undone("r1", "Account", ["1"])
    assert mirror_outcomes(state.outcomes, warehouse) == 3
    assert mirrored(warehouse) == rows(state)
    assert [row[:3] for row in mirrored(warehouse)] == [
        ("r1", "1", "undone"), ("r2", "2", "written"), ("r2", "3", "rejected"),
    ]  # fmt: skip
