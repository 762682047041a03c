"""What `seil doctor` says of a warehouse, of any engine."""

from __future__ import annotations

from pathlib import Path

from tests.warehouse.records import Accounts

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, checks

TOPICS = ("version", "rights", "extensions", "text order", "space")


def test_a_usable_warehouse_passes_every_check(
    engine: WarehouseSettings, engine_warnings: list[str], warehouse: Warehouse, tmp_path: Path
) -> None:
    Accounts(warehouse, tmp_path)
    warehouse.close()
    results = list(checks(engine))
    assert {check.state for check in results} <= {"ok", "warn"}
    assert [check.name for check in results if check.state == "warn"] == engine_warnings
    assert {f"warehouse {topic}" for topic in TOPICS} <= {check.name for check in results}
    assert results[0].detail.endswith(", 1 objects loaded")


def test_a_warehouse_that_no_run_has_made_yet_is_left_alone(
    engine: WarehouseSettings, engine_warnings: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        results = list(checks(engine))
        assert [check.name for check in results if check.state != "ok"] == engine_warnings
    assert list(tmp_path.iterdir()) == []
