from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


@pytest.fixture
def settings(tmp_path: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}", memory="512MB", threads=2)


@pytest.fixture
def warehouse(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings) as opened:
        yield opened
