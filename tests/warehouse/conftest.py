"""A warehouse of each engine. What every engine has to pass asks for `engine` or `warehouse`; to
put another engine through all of it, add it to ENGINES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


def duckdb_file(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="512MB", threads=2)


ENGINES: dict[str, Callable[[Path], WarehouseSettings]] = {"duckdb": duckdb_file}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """Where a new warehouse of that engine can be."""
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def warehouse(engine: WarehouseSettings) -> Iterator[Warehouse]:
    """Open, and ready for commits."""
    with open_warehouse(engine) as opened:
        opened.prepare()
        yield opened
