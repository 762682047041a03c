"""A site on PostgreSQL has the tables that one on DuckDB has, value by value."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.postgresql import Server, running
from tests.sites import Site

from seil.warehouse import TableName, Warehouse
from seil.warehouse.sql import quote

SCHEMAS = ("", "salesforce", "salesforce_history", "seil_versions", "seil_deletions")
# Of two sites, each file has its own name, and was read at its own time.
_OWN = frozenset({"_file", "_extracted_at", "file"})


@dataclass
class PostgresSite(Site):
    warehouse_url: str = ""

    def configure(self, catalog: str = "") -> None:
        super().configure(catalog)
        config = self.folder / "seil.toml"
        text = config.read_text().replace("duckdb:warehouse.duckdb", self.warehouse_url)
        config.write_text(text)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(16) as started:
        yield started


def contents(warehouse: Warehouse) -> dict[str, Any]:
    """Column types and sorted rows, by table."""
    return {
        f"{schema}.{name}": _content(warehouse, TableName(schema, name))
        for schema in SCHEMAS
        for name in warehouse.tables(schema)
    }


def _content(warehouse: Warehouse, table: TableName) -> Any:
    columns = [field for field in warehouse.columns(table) or [] if field.name not in _OWN]
    names = ", ".join(quote(field.name) for field in columns)
    rows = warehouse.query(f"SELECT {names} FROM {quote(table)}")
    types = [(field.name, str(field.type)) for field in columns]
    return types, sorted(repr(list(row.values())) for row in rows.to_pylist())


@pytest.mark.parametrize(
    ("objects", "tables"),
    [
        (("Account", "Contact", "Order", "User"), ("sales_orders", "sales_order_contacts")),
        pytest.param((), (), marks=pytest.mark.matrix),
    ],
    ids=["some objects", "all objects"],
)
def test_full_and_incremental_runs_and_a_rebuild_give_the_same_tables(
    generated: Path,
    tmp_path: Path,
    server: Server,
    objects: tuple[str, ...],
    tables: tuple[str, ...],
) -> None:
    shutil.copytree(generated, tmp_path / "org")
    (tmp_path / "other").mkdir()
    embedded = Site(tmp_path, objects, tables)
    other = PostgresSite(tmp_path / "other", objects, tables)
    other.warehouse_url = server.url(server.new_database())
    with embedded.serve():
        other.url = embedded.url
        other.configure()
        for change in (None, {"share": 0.05, "seed": 1}):
            if change:
                embedded.tick(**change)
            assert embedded.run().ok
            assert other.run().ok
        with embedded.warehouse() as expected, other.warehouse() as actual:
            rows = contents(expected)
            assert contents(actual) == rows
        assert other.rebuild().ok
    with other.warehouse() as actual:
        assert contents(actual) == rows
