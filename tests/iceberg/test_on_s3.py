"""Published to object storage, over the catalogs of AWS as ministack plays them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.iceberg.tables import MemorySource, ordered, publish, read_by_pyiceberg
from tests.ministack import REGION, Ministack

from seil.iceberg.catalog import IcebergCatalog, open_catalog
from seil.settings import PublishSettings

pytestmark = pytest.mark.matrix


def rows(count: int) -> pa.Table:
    return pa.table({"id": pa.array([str(n) for n in range(count)]), "n": pa.array(range(count))})


@pytest.fixture
def settings(s3: Ministack, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    options = {"s3.endpoint": s3.url, "s3.region": REGION, "glue.endpoint": s3.url}
    access = {"s3.access-key-id": s3.environment["AWS_ACCESS_KEY_ID"]}
    secrets = {"s3.secret-access-key": "env:AWS_SECRET_ACCESS_KEY"}
    return {"options": {**options, **access}, "secrets": secrets}


def check(catalog: IcebergCatalog) -> None:
    for number, count in enumerate((20, 21, 15)):
        source = MemorySource(rows(count), str(number))
        (outcome,) = publish(catalog, source)
        assert (outcome.state, outcome.message) == ("published", "")
        assert read_by_pyiceberg(catalog) == ordered(rows(count))
    (again,) = publish(catalog, MemorySource(rows(15), "2"))
    assert again.state == "unchanged"


def test_glue(s3: Ministack, settings: dict[str, Any]) -> None:
    s3.bucket("published-glue")
    check(
        open_catalog(
            PublishSettings(warehouse="s3://published-glue/tables", **settings), f"glue:{REGION}"
        )
    )


def test_a_database_as_catalog(s3: Ministack, settings: dict[str, Any], tmp_path: Path) -> None:
    s3.bucket("published-sql")
    place = f"sql:sqlite:///{tmp_path}/catalog.sqlite"
    check(open_catalog(PublishSettings(warehouse="s3://published-sql/tables", **settings), place))


def test_s3_tables(s3: Ministack, settings: dict[str, Any]) -> None:
    arn = s3.client("s3tables").create_table_bucket(name="published-tables")["arn"]
    own = PublishSettings(warehouse=arn, signing="s3tables", region=REGION, **settings)
    check(open_catalog(own, f"{s3.url}/iceberg"))
