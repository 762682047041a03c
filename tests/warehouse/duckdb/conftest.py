from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.duckdb_file import database as connection
from tests.engines import duckdb_file

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.duckdb.connection import DuckDBConnection


@pytest.fixture
def settings(tmp_path: Path) -> WarehouseSettings:
    return duckdb_file(tmp_path)


@pytest.fixture
def database(warehouse: Warehouse) -> DuckDBConnection:
    return connection(warehouse)


@pytest.fixture
def warehouse(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings) as opened:
        yield opened
