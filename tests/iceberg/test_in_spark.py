"""Spark reads what was published, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.iceberg.tables import MemorySource, folder_catalog, ordered, publish
from tests.iceberg.test_publisher import ODD
from tests.iceberg.test_schema_changes import CHANGES

from seil.settings import WarehouseSettings

pytestmark = [pytest.mark.matrix, pytest.mark.spark]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from seil.warehouse.spark.session import open_session

    session = open_session(WarehouseSettings(url=f"spark://{tmp_path_factory.mktemp('spark')}"))
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def read(spark: Any, folder: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """By the metadata that the folder names as current. Instants as microseconds: Python's local
    time has none before the year 1.
    """
    metadata = folder / "seil/orders/metadata"
    name = (metadata / "version-hint.text").read_text()
    rows = spark.read.format("iceberg").load(f"file:{metadata}/{name}.metadata.json")
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    rows = rows.selectExpr(
        *[
            f"unix_micros(`{field.name}`) AS `{field.name}`"
            if field.name in times
            else f"`{field.name}`"
            for field in schema
        ]
    )
    return ordered(pa.Table.from_pylist([row.asDict() for row in rows.collect()], _plain(schema)))


def _plain(schema: pa.Schema) -> pa.Schema:
    kinds = [pa.int64() if pa.types.is_timestamp(f.type) else f.type for f in schema]
    return pa.schema(list(zip(schema.names, kinds, strict=True)))


def test_odd_values(spark: Any, tmp_path: Path) -> None:
    publish(folder_catalog(tmp_path), MemorySource(ODD))
    assert read(spark, tmp_path, ODD.schema) == ordered(ODD.cast(_plain(ODD.schema)))


@pytest.mark.parametrize(("before", "after", "_"), CHANGES.values(), ids=CHANGES)
def test_changed_columns(
    spark: Any, tmp_path: Path, before: pa.Table, after: pa.Table, _: int
) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(before, "1"))
    publish(catalog, MemorySource(after, "2"))
    assert read(spark, tmp_path, after.schema) == ordered(after)
