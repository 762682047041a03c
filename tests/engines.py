"""The engines that warehouse tests run on: an entry each, the only place that names them.

A new engine is one entry here. What it has to pass is every test that asks for `engine`,
`warehouse` or `whole_engine`: all of tests/conformance, and of tests/warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pytest
from tests.postgresql import OF_THE_MACHINE, Server, Version, running
from tests.spark import spark_settings

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.dialect import render

# As the team writes it, in the dialect of whichever warehouse it has.
FACTS_QUERY = """
    SELECT o.order_id, o.account_name, o.order_date, COUNT(*) AS line_item_count
    FROM sales_orders o JOIN sales_order_line_items li ON o.id = li.order_id
    WHERE o.created_at >= CURRENT_DATE - INTERVAL '7 days'
    GROUP BY o.id, o.order_id, o.account_name, o.order_date
    ORDER BY o.order_date DESC"""


def select(warehouse: Warehouse, sql: str) -> pa.Table:
    """The rows of a SELECT that is written as DuckDB reads it."""
    return warehouse.query(render(sql, warehouse.dialect))


@dataclass(frozen=True)
class EngineUnderTest:
    """`new` gives the settings of a new, empty warehouse, from a folder for its files. Loads and
    whole sites run on one version of an engine, its `is_main`; where a statement takes a second,
    `is_slow`, some objects stand for all. `warnings` are the checks that `seil doctor` warns of.
    """

    name: str
    new: Callable[[pytest.FixtureRequest, Path], WarehouseSettings]
    marks: tuple[pytest.MarkDecorator, ...] = (pytest.mark.matrix,)
    is_main: bool = True
    is_slow: bool = False
    warnings: tuple[str, ...] = ()


def duckdb_file(folder: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="512MB", threads=2)


def _postgresql(
    version: Version, request: pytest.FixtureRequest, _folder: Path
) -> WarehouseSettings:
    if version == 15 and not OF_THE_MACHINE.exists():
        pytest.skip(f"there is no {OF_THE_MACHINE}")
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
    EngineUnderTest(
        "postgresql-15-icu",
        partial(_postgresql, 15),
        is_main=False,
        warnings=("warehouse text order",),
    ),
    EngineUnderTest("spark", _spark, marks=(pytest.mark.matrix, pytest.mark.spark), is_slow=True),
)


def _params(engines: Iterator[EngineUnderTest]) -> list[object]:
    return [pytest.param(entry, marks=entry.marks, id=entry.name) for entry in engines]


# For a test of something that only an embedded file has.
DUCKDB_ONLY = pytest.mark.parametrize(
    "whole_engine", [pytest.param(ENGINES[0], id="duckdb")], indirect=True
)


def spare_spark(items: Iterable[pytest.Item], folder: Path, on_spark: tuple[str, ...]) -> None:
    """Leaves to Spark those tests of a folder whose names begin so."""
    for item in items:
        if item.path.is_relative_to(folder) and not item.name.startswith(on_spark):
            item.add_marker(pytest.mark.many)


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


@pytest.fixture
def engine_warnings(request: pytest.FixtureRequest, engine: WarehouseSettings) -> list[str]:
    """Of the `engine`."""
    entry: EngineUnderTest = request.node.callspec.params["engine"]
    return list(entry.warnings)


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
