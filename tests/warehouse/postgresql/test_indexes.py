"""Primary keys, indexes and statistics of the tables that builds read and write."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pytest
from tests.warehouse.postgresql.conftest import SELECT, SIZES, build, reader
from tests.warehouse.records import TABLE, Accounts

from seil.warehouse import TableName, Warehouse
from seil.warehouse.builds import TableAccess

KEYS = {SIZES: TableAccess(("id",)), TABLE: TableAccess(("id",))}
LOOKUPS = {SIZES: TableAccess(("id",), frozenset({"size"})), TABLE: TableAccess(("id",))}
BOTH_KEYS = ["account (id)", "sizes (id)"]
_INDEXES = """
SELECT tablename || regexp_replace(indexdef, '.*USING( btree)?', '') FROM pg_indexes
WHERE schemaname IN ('analytics', 'salesforce') ORDER BY 1"""


def indexes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(_INDEXES)]


def arrange(warehouse: Warehouse, tables: Mapping[TableName, TableAccess]) -> None:
    with warehouse.commit("arrange") as commit:
        commit.builder.arrange(tables)


def test_keys_and_lookups_are_made_kept_and_dropped(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    with reader(url):
        arrange(warehouse, LOOKUPS)
        assert indexes(url) == ["account (id)", "sizes (size)"]
    arrange(warehouse, LOOKUPS)
    build(warehouse, f"{SELECT} WHERE size > 0")
    assert indexes(url) == [*BOTH_KEYS, "sizes (size)"]
    with reader(url):
        arrange(warehouse, KEYS)
        assert indexes(url) == [*BOTH_KEYS, "sizes (size)"]
    arrange(warehouse, KEYS)
    assert indexes(url) == BOTH_KEYS


def test_another_key_replaces_the_key(warehouse: Warehouse, accounts: Accounts, url: str) -> None:
    arrange(warehouse, KEYS)
    arrange(warehouse, {SIZES: TableAccess(("size", "id"))})
    assert indexes(url) == ["account (id)", "sizes (size, id)"]


def test_a_key_that_repeats_stops_no_build(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    build(warehouse, "SELECT 'x' AS id, 1 AS size FROM generate_series(1, 2)")
    arrange(warehouse, {SIZES: TableAccess(("size",), frozenset({"id", "no_such_column"}))})
    assert indexes(url) == ["account (id)", "sizes hash (id)"]
    assert warehouse.query("SELECT 1 FROM analytics.sizes").num_rows == 2


_LONG = "(SELECT string_agg(md5(CAST(n AS text)), '') FROM generate_series(1, {n}) AS n)"


@pytest.mark.parametrize("texts", [100, 300, 100_000], ids=["a third", "a page", "3 MB"])
def test_a_later_value_too_long_for_an_index_stops_neither_load_nor_build(
    warehouse: Warehouse, accounts: Accounts, url: str, texts: int
) -> None:
    access = TableAccess(("id",), frozenset({"name"}))
    build(warehouse, "SELECT id, name FROM salesforce.account")
    arrange(warehouse, {TABLE: access, SIZES: access})
    assert indexes(url) == [
        *("account (id)", "account hash (name)", "sizes (id)", "sizes hash (name)")
    ]
    name = warehouse.query(f"SELECT {_LONG.format(n=texts)} AS name")["name"][0].as_py()
    accounts.merge(accounts.file(2, [{"id": "B", "name": name, "stamp": 2}]))
    build(warehouse, "SELECT id, name FROM salesforce.account")
    arrange(warehouse, {TABLE: access, SIZES: access})
    plan = warehouse.query(f"SELECT id FROM analytics.sizes WHERE name = {_LONG.format(n=texts)}")
    assert plan.to_pylist() == [{"id": "B"}]


@pytest.mark.parametrize("texts", [100, 300], ids=["a third", "a page"])
def test_a_value_too_long_for_the_primary_key_is_built_without_it(
    warehouse: Warehouse,
    accounts: Accounts,
    url: str,
    caplog: pytest.LogCaptureFixture,
    texts: int,
) -> None:
    arrange(warehouse, KEYS)
    build(warehouse, f"SELECT {_LONG.format(n=texts)} AS id, size FROM salesforce.account")
    assert "has no primary key any more: index row" in caplog.text
    arrange(warehouse, KEYS)
    assert indexes(url) == ["account (id)"]
    build(warehouse)
    arrange(warehouse, KEYS)
    assert indexes(url) == BOTH_KEYS


def test_indexes_of_users_stay(warehouse: Warehouse, accounts: Accounts, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE INDEX mine ON analytics.sizes (size, id)")
    arrange(warehouse, KEYS)
    assert indexes(url) == [*BOTH_KEYS, "sizes (size, id)"]


def test_rows_of_the_bookkeeping_have_keys(warehouse: Warehouse, url: str) -> None:
    select = """SELECT count(*) FROM pg_constraint
        WHERE contype = 'p' AND connamespace = CAST('seil' AS regnamespace)"""
    with psycopg.connect(url) as connection:
        assert connection.execute(select).fetchone() == (7,)


def test_a_load_that_fills_a_table_leaves_its_statistics(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    rows = [{"id": f"{number:03d}", "size": 1, "stamp": 1} for number in range(99)]
    accounts.merge(accounts.file(2, rows))
    assert estimate(url) == 100
    accounts.merge(accounts.file(3, [{"id": "B", "size": 1, "stamp": 1}]))
    assert estimate(url) == 100


def estimate(url: str) -> float:
    """The rows of the table, as the planner sees them."""
    select = "SELECT reltuples FROM pg_class WHERE oid = CAST('salesforce.account' AS regclass)"
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(select).fetchall()
    return float(row[0])
