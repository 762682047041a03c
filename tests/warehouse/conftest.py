"""A warehouse of each engine. What every engine has to pass asks for `engine` or `warehouse`; to
put another engine through all of it, add it to ENGINES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from tests.postgresql import VERSIONS, Server, Version, running

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


def duckdb_file(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="512MB", threads=2)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[Version], Server]]:
    """Starts each version once, when it is first asked for."""
    with ExitStack() as started:
        yield cache(lambda version: started.enter_context(running(version)))


@pytest.fixture(scope="session")
def server(servers: Callable[[Version], Server]) -> Server:
    return servers(18)


POSTGRESQL = [
    pytest.param(version, id=f"postgresql {version}", marks=pytest.mark.matrix)
    for version in VERSIONS
]


@pytest.fixture(params=["duckdb", *POSTGRESQL])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """Where a new warehouse of that engine can be."""
    if request.param == "duckdb":
        return duckdb_file(tmp_path)
    servers: Callable[[Version], Server] = request.getfixturevalue("servers")
    server = servers(request.param)
    return WarehouseSettings(url=server.url(server.new_database()))


@pytest.fixture
def warehouse(engine: WarehouseSettings) -> Iterator[Warehouse]:
    """Open, and ready for commits."""
    with open_warehouse(engine) as opened:
        opened.prepare()
        yield opened
