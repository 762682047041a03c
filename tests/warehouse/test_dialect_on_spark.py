"""A real Spark takes what `render` writes for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from tests.spark import spark_settings
from tests.warehouse.test_dialect import constructs

from seil.warehouse.dialect import render
from seil.warehouse.spark.rows import collect
from seil.warehouse.spark.session import open_session

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

# Types that the columns a, b, c and d of dialects.txt's tables can have.
TYPES = (
    *((kind,) * 4 for kind in ("string", "bigint", "double", "boolean", "timestamp", "date")),
    ("boolean", "bigint", "bigint", "bigint"),
    ("bigint", "boolean", "bigint", "bigint"),
    ("bigint", "bigint", "boolean", "bigint"),
    ("boolean", "bigint", "boolean", "bigint"),
    ("bigint", "date", "bigint", "bigint"),
)


@pytest.fixture
def session(spark: None, tmp_path: Path) -> Iterator[SparkSession]:
    opened = open_session(spark_settings(tmp_path))
    yield opened
    for name in "tuv":
        opened.catalog.dropTempView(name)


def test_every_rendered_construct_runs(session: SparkSession) -> None:
    statements = {there for _, name, there in constructs() if name == "spark"} - {"refused"}
    reasons: dict[str, list[str]] = {sql: [] for sql in statements}
    for kinds in TYPES:
        columns = ", ".join(
            f"CAST(NULL AS {kind}) AS {name}" for name, kind in zip("abcd", kinds, strict=True)
        )
        empty = session.sql(f"SELECT '' AS id, '' AS name, {columns} LIMIT 0")
        for name in "tuv":
            empty.createOrReplaceTempView(name)
        for sql, refusals in reasons.items():
            try:
                _ = session.sql(sql).schema
            except PySparkException as error:
                refusals.append(f"{kinds}: {str(error).splitlines()[0]}")
    assert {sql: why for sql, why in reasons.items() if len(why) == len(TYPES)} == {}


@pytest.mark.parametrize("value", ["'2.5'", "2.5", "-2.5", "2.4", "'-7'", "true"])
def test_a_fraction_is_rounded_as_the_embedded_engine_does(
    session: SparkSession, value: str
) -> None:
    select = f"SELECT CAST({value} AS BIGINT) AS n, TRY_CAST({value} AS INT) AS m"
    with duckdb.connect() as connection:
        expected = connection.execute(select).fetchall()
    rows = collect(session.sql(render(select, "spark"))).to_pylist()
    assert [(row["n"], row["m"]) for row in rows] == expected
