"""The engines that warehouse tests run on: an entry each, the only place that names them.

A new engine is one entry here. What it has to pass is every test that asks for `engine`,
`warehouse` or `whole_engine`: all of tests/conformance, and of tests/warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest
from tests.postgresql import Server, Version, running
from tests.spark import spark_settings

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


@dataclass(frozen=True)
class EngineUnderTest:
    """`new` gives the settings of a new, empty warehouse, from a folder for its files. Loads and
    whole sites run on one version of an engine, its `is_main`.
    """

    name: str
    new: Callable[[pytest.FixtureRequest, Path], WarehouseSettings]
    marks: tuple[pytest.MarkDecorator, ...] = (pytest.mark.matrix,)
    is_main: bool = True


def duckdb_file(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="512MB", threads=2)


def _postgresql(
    version: Version, request: pytest.FixtureRequest, _folder: Path
) -> WarehouseSettings:
    servers: Callable[[Version], Server] = request.getfixturevalue("servers")
    server = servers(version)
    return WarehouseSettings(url=server.url(server.new_database()))


def _spark(request: pytest.FixtureRequest, folder: Path) -> WarehouseSettings:
    request.getfixturevalue("spark")
    return spark_settings(folder / "iceberg")


ENGINES = (
    EngineUnderTest("duckdb", lambda _, folder: duckdb_file(folder), marks=()),
    EngineUnderTest("postgresql-18", partial(_postgresql, 18)),
    EngineUnderTest("postgresql-17", partial(_postgresql, 17), is_main=False),
    EngineUnderTest("postgresql-16", partial(_postgresql, 16), is_main=False),
    # Whole sites and loads need settings beside its URL, and `name` for "name" in the tests' SQL.
    EngineUnderTest("spark", _spark, marks=(pytest.mark.matrix, pytest.mark.spark), is_main=False),
)


def _params(engines: Iterator[EngineUnderTest]) -> list[object]:
    return [pytest.param(entry, marks=entry.marks, id=entry.name) for entry in engines]


# For a test of something that only an embedded file has.
DUCKDB_ONLY = pytest.mark.parametrize(
    "whole_engine", [pytest.param(ENGINES[0], id="duckdb")], indirect=True
)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[Version], Server]]:
    """Starts each version once, when it is first asked for."""
    with ExitStack() as started:
        yield cache(lambda version: started.enter_context(running(version)))


@pytest.fixture(scope="session")
def server(servers: Callable[[Version], Server]) -> Server:
    return servers(18)


@pytest.fixture(params=_params(iter(ENGINES)))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """Where a new warehouse of that engine can be."""
    entry: EngineUnderTest = request.param
    return entry.new(request, tmp_path)


@pytest.fixture(params=_params(entry for entry in ENGINES if entry.is_main))
def whole_engine(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """As `engine`, of one version each: for whole sites."""
    entry: EngineUnderTest = request.param
    return entry.new(request, tmp_path)


@pytest.fixture
def warehouse(engine: WarehouseSettings) -> Iterator[Warehouse]:
    """Open, and ready for commits."""
    with open_warehouse(engine) as opened:
        opened.prepare()
        yield opened
