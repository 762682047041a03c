from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.app import outcome_mirror
from seil.salesforce.writes.batch import RowOutcome, RowState, WriteBatch, WriteTarget
from seil.settings import WarehouseSettings
from seil.state.outcomes import OutcomeFilter, Outcomes
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


def mirror_outcomes(
    outcomes: Outcomes, warehouse: Warehouse, *, keep: timedelta = timedelta(days=400)
) -> int:
    return outcome_mirror.mirror_outcomes(outcomes, warehouse, keep=keep)


def send(state: State, run_id: str, states: dict[str, RowState], *, flow: str = "push:a") -> None:
    log = state.outcomes.log(flow, run_id)
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


def test_settled_outcomes_go_from_state_and_copy_and_no_others(
    state: State, warehouse: Warehouse
) -> None:
    every: dict[str, RowState] = {
        "1": "written", "2": "unchanged", "3": "rejected", "4": "missing", "5": "retrying",
    }  # fmt: skip
    for flow in ("gam_to_sf", "push:a"):
        send(state, "r1", every, flow=flow)
    mirror_outcomes(state.outcomes, warehouse)
    send(state, "r2", {"9": "written"}, flow="gam_to_sf")
    moment = datetime.now(UTC) + timedelta(days=400)
    outcome_mirror.mirror_outcomes(state.outcomes, warehouse, keep=timedelta(days=400), now=moment)
    remaining = [(o.flow, o.key) for o in state.outcomes.find(OutcomeFilter(run_id="r1"))]
    assert sorted(remaining) == [
        *(("gam_to_sf", key) for key in "345"), *(("push:a", key) for key in "1345"),
    ]  # fmt: skip
    assert mirrored(warehouse) == rows(state)
