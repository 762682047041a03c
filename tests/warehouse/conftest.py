"""A warehouse of each engine. What every engine has to pass asks for `engine` or `warehouse`; to
put another engine through all of it, add it to ENGINES.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgresql import Server, running

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


def duckdb_file(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="512MB", threads=2)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.matrix)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """Where a new warehouse of that engine can be."""
    if request.param == "duckdb":
        return duckdb_file(tmp_path)
    server: Server = request.getfixturevalue("server")
    return WarehouseSettings(url=server.url(server.new_database()))


@pytest.fixture
def warehouse(engine: WarehouseSettings) -> Iterator[Warehouse]:
    """Open, and ready for commits."""
    with open_warehouse(engine) as opened:
        opened.prepare()
        yield opened
