"""SEIL's SQL in other dialects: the same meaning, or a refusal by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from sqlglot.errors import SqlglotError

from seil.catalog import load_catalog
from seil.errors import ConfigurationError
from seil.modeling.business_date import BusinessZone
from seil.modeling.select import runnable_select
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName
from seil.warehouse.dialect import parse_select, render

DIALECTS = ("postgres", "spark")
MODELS = site_models(load_catalog())


def constructs() -> list[tuple[str, str, str]]:
    """(SQL, dialect, what it is there) of dialects.txt."""
    text = Path(__file__).with_name("dialects.txt").read_text("utf-8")
    cases = []
    for block in text.strip().split("\n\n")[1:]:
        sql, *lines = block.splitlines()
        reasons = [line.strip().partition(":") for line in lines]
        cases += [(sql, dialect, there.strip()) for dialect, _, there in reasons]
    return cases


@pytest.mark.parametrize(("sql", "dialect", "there"), constructs())
def test_a_construct_means_the_same_or_is_refused(sql: str, dialect: str, there: str) -> None:
    assert render(sql, "duckdb") == sql
    if there != "refused":
        assert render(sql, dialect) == there
        return
    with pytest.raises(ConfigurationError, match=f"has no equal in {dialect}"):
        render(sql, dialect)


NO_SELECTS = (
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE OR REPLACE TABLE x AS SELECT 1",
    "INSERT INTO x BY NAME SELECT 1 AS a",
    "DELETE FROM x USING y WHERE x.a = y.a",
    "PIVOT t ON a USING sum(b)",
    "SUMMARIZE t",
    "SELECT (",
)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", NO_SELECTS)
def test_what_is_no_select_is_refused(sql: str, dialect: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SELECT \(|is not a SELECT"):
        render(sql, dialect)


def packaged_select(name: str, dialect: str) -> str:
    """Of a model, where every source has the columns that are described."""

    def columns(table: TableName) -> pa.Schema:
        described = MODELS.sources[table].columns
        return pa.schema([pa.field(name, column.type) for name, column in described.items()])

    return runnable_select(
        MODELS[name],
        dialect,
        sources=MODELS.sources,
        columns=columns,
        relations={},
        zone=BusinessZone("Australia/Sydney"),
    ).sql


@pytest.mark.parametrize("dialect", ["duckdb", *DIALECTS])
@pytest.mark.parametrize("name", MODELS)
def test_every_packaged_model_renders(name: str, dialect: str) -> None:
    assert packaged_select(name, dialect).startswith("WITH ")


def test_a_refusal_names_each_construct_and_where_it_stands() -> None:
    sql = "SELECT TRY_CAST(a AS INT), a % 2 FROM t WHERE regexp_matches(a, 'x')"
    with pytest.raises(ConfigurationError) as caught:
        render(sql, "postgres", place="models/mine.sql")
    assert [(p.place, p.reason) for p in caught.value.problems] == [
        ("models/mine.sql", "TRY_CAST(a AS INT) has no equal in postgres"),
        ("models/mine.sql", "a % 2 has no equal in postgres"),
        ("models/mine.sql", "REGEXP_MATCHES(a, 'x') has no equal in postgres"),
    ]


def test_a_parsed_query_is_rendered_and_left_as_it_was() -> None:
    query = parse_select("SELECT A FROM T")
    assert render(query, "postgres") == "SELECT a FROM t"
    assert render(query, "duckdb") == "SELECT A FROM T"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1; SELECT 2", "is not one SELECT"),
        ("", "is not a SELECT"),
        ("DROP TABLE t", "is not a SELECT"),
        ("SELECT 0x1F", "0x1F is not understood"),
    ],
)
def test_what_is_not_one_select_is_not_parsed(sql: str, message: str) -> None:
    with pytest.raises(SqlglotError, match=message):
        parse_select(sql)


def test_what_looks_like_a_hexadecimal_number_in_a_text_is_text() -> None:
    assert (
        render("SELECT '0x1F' AS \"0x1f\" -- 0x1F", "spark") == "SELECT '0x1F' AS `0x1f` /* 0x1F */"
    )
