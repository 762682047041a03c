"""Spark reads what was published, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.iceberg.tables import MemorySource, folder_catalog, ordered, publish
from tests.iceberg.test_publisher import ODD
from tests.iceberg.test_schema_changes import CHANGES
from tests.spark import spark_settings

pytestmark = [pytest.mark.matrix, pytest.mark.spark, pytest.mark.usefixtures("spark")]


@pytest.fixture(scope="module")
def session(spark: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from seil.warehouse.spark.session import open_session

    return open_session(spark_settings(tmp_path_factory.mktemp("spark")))


def read(session: Any, folder: Path) -> list[dict[str, Any]]:
    """By the metadata that the folder names as current."""
    from seil.warehouse.spark.rows import collect

    metadata = folder / "seil/orders/metadata"
    name = (metadata / "version-hint.text").read_text()
    rows = session.read.format("iceberg").load(f"file:{metadata}/{name}.metadata.json")
    return ordered(collect(rows))


def test_odd_values(session: Any, tmp_path: Path) -> None:
    publish(folder_catalog(tmp_path), MemorySource(ODD))
    assert read(session, tmp_path) == ordered(ODD)


@pytest.mark.parametrize(("before", "after", "_"), CHANGES.values(), ids=CHANGES)
def test_changed_columns(
    session: Any, tmp_path: Path, before: pa.Table, after: pa.Table, _: int
) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(before, "1"))
    publish(catalog, MemorySource(after, "2"))
    assert read(session, tmp_path) == ordered(after)
