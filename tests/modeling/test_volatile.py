"""A model has the same rows whenever it is built: what differs by itself is refused by name."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import sqlglot

from seil.catalog import Catalog
from seil.errors import ConfigurationError
from seil.modeling.outside import outside_reads
from seil.modeling.volatile import volatile_parts
from seil.sf_to_dw.site_models import site_models
from seil.warehouse.dialect import WRITTEN_IN, parse_select

CLOCK, CHANCE, SESSION = "reads the clock", "differs in every build", "depends on who builds"
REFUSED = {
    "now()": CLOCK,
    "current_date": CLOCK,
    "CURRENT_TIMESTAMP": CLOCK,
    "localtimestamp": CLOCK,
    "today()": CLOCK,
    "age(CAST('2026-01-31' AS TIMESTAMP))": CLOCK,
    "CAST('now' AS TIMESTAMP)": CLOCK,
    "random()": CHANCE,
    "uuid()": CHANCE,
    "uuidv7()": CHANCE,
    "current_user": SESSION,
    "version()": SESSION,
}
ALLOWED = [
    "age(order_date, created_at) FROM sales_orders",
    "CAST('now' AS VARCHAR) AS word",
    "md5(id) FROM sales_orders",
    "BUSINESS_DATE(created_at) FROM sales_orders",
]


@pytest.mark.parametrize(("sql", "reason"), REFUSED.items(), ids=REFUSED)
def test_what_differs_between_builds_is_refused_by_name(
    catalog: Catalog, tmp_path: Path, sql: str, reason: str
) -> None:
    (tmp_path / "mine.sql").write_text(f"WITH a AS (SELECT {sql} AS x) SELECT x FROM a", "utf-8")
    with pytest.raises(ConfigurationError, match=rf"mine\.sql: .+ {reason}.*: "):
        site_models(catalog, tmp_path)


def test_a_test_that_reads_the_clock_is_refused_by_name(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("SELECT 1 AS x", "utf-8")
    (tmp_path / "mine.yml").write_text("tests: [{expression: 'x < current_date'}]", "utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.yml: CURRENT_DATE reads the clock"):
        site_models(catalog, tmp_path)


def test_a_sample_is_refused() -> None:
    query = parse_select("SELECT id FROM sales_orders TABLESAMPLE 10 PERCENT")
    assert [CHANCE in reason for reason in volatile_parts(query)] == [True]


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_follows_from_the_rows_is_allowed(sql: str) -> None:
    assert list(volatile_parts(parse_select(f"SELECT {sql}"))) == []


def test_every_function_that_the_engine_calls_unstable_is_refused() -> None:
    """Its own list, of functions that differ within a query or from query to query."""
    select = """
        SELECT DISTINCT function_name, len(parameters) FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'macro') AND stability <> 'CONSISTENT'"""
    unstable = duckdb.connect().execute(select).fetchall()
    calls = [f"{name}({', '.join('a' * count)})" for name, count in unstable if name != "error"]
    parsed = {call: sqlglot.parse_one(f"SELECT {call}", read=WRITTEN_IN) for call in calls}
    accepted = {
        call
        for call, query in parsed.items()
        if isinstance(query, sqlglot.exp.Query)
        and not [*outside_reads(query), *volatile_parts(query)]
    }
    assert len(calls) > 20
    assert accepted == set()
