"""Loads and builds on an engine of another scheme, which has the protocol's members and no more."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import pytest
from tests.engines import DUCKDB_ONLY
from tests.sf_to_dw.tables.conftest import Curator

from seil.catalog import Catalog
from seil.lake import Lake
from seil.modeling.build import build
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.bookkeeping import Bookkeeping, Recorder
from seil.warehouse.builds import Builder
from seil.warehouse.commits import Commit
from seil.warehouse.engines import ENGINES, EngineEntry
from seil.warehouse.merges import Merger
from seil.warehouse.protocol import EngineTraits
from seil.warehouse.tables import TableEditor

TRAITS = EngineTraits(atomic_across_tables=False, follows_changes=False)
PARTS: Mapping[str, type] = {
    "bookkeeping": Bookkeeping,
    "builder": Builder,
    "merger": Merger,
    "recorder": Recorder,
    "tables": TableEditor,
}


class OnlyMembers:
    """An object's members as far as the protocol names them."""

    def __init__(self, value: Any, protocol: type) -> None:
        self._value, self._protocol = value, protocol
        self.commits: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self._protocol, name):
            raise AttributeError(f"{self._protocol.__name__} has no {name}")
        if name == "traits":
            return TRAITS
        value = getattr(self._value, name)
        is_part = name in PARTS and not (name == "tables" and self._protocol is not Commit)
        return OnlyMembers(value, PARTS[name]) if is_part else value

    @contextmanager
    def commit(self, commit_id: str) -> Iterator[OnlyMembers]:
        self.commits.append(commit_id)
        with self._value.commit(commit_id) as commit:
            yield OnlyMembers(commit, Commit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._value.close()


@pytest.fixture
def planted(settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """Chosen by its scheme, behind the same factory."""

    def open_planted(chosen: WarehouseSettings, **options: Any) -> OnlyMembers:
        url = chosen.url.replace("planted:", "duckdb:")
        inner = open_warehouse(chosen.model_copy(update={"url": url}), **options)
        return OnlyMembers(inner, Warehouse)

    engine = SimpleNamespace(open_warehouse=open_planted)
    monkeypatch.setitem(sys.modules, "planted_engine", engine)
    monkeypatch.setitem(ENGINES, "planted", EngineEntry("planted_engine", "planted:<file>"))
    url = settings.url.replace("w.duckdb", "planted").replace("duckdb:", "planted:")
    with open_warehouse(settings.model_copy(update={"url": url})) as opened:
        yield opened


def run(warehouse: Warehouse, lake: Lake, catalog: Catalog) -> str:
    """Loads what is there and builds a table; how it was built."""
    report = load(warehouse, lake, catalog, objects=["Order", "Account"], everything=True)
    assert report.ok
    built = build(warehouse, site_models(catalog), tables=["sales_orders"])
    assert built.ok
    return built.tables[0].mode


def content(warehouse: Warehouse) -> list[list[dict[str, Any]]]:
    names = ("salesforce.account", 'salesforce."order"', "sales_orders")
    return [warehouse.query(f"SELECT * FROM {name} ORDER BY 1").to_pylist() for name in names]


@DUCKDB_ONLY
def test_loads_and_builds_come_out_the_same(
    planted: Warehouse, warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    accounts = Curator(lake, "Account", "Account")
    curator.file([{"Id": "o1", "AccountId": "a1", "Name": "one"}])
    accounts.file([{"Id": "a1", "Name": "first"}], run="run-a")
    assert run(planted, lake, catalog) == "full"
    run(warehouse, lake, catalog)
    accounts.file([{"Id": "a1", "Name": "second"}], run="run-b", end="2024-01-03T00:00:00+00:00")
    assert run(planted, lake, catalog) == "full"
    assert run(warehouse, lake, catalog) == "incremental"
    assert content(planted) == content(warehouse)
    assert content(planted)[2][0]["account_name"] == "second"
    assert run(planted, lake, catalog) == "unchanged"
    assert planted.bookkeeping.ledger() == warehouse.bookkeeping.ledger()
