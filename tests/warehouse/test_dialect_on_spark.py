"""A real Spark takes what `render` writes for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from tests.spark import spark_settings
from tests.warehouse.test_dialect import constructs

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
