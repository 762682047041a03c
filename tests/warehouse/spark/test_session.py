"""Sessions of a warehouse: options, catalogs, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.errors import NumberFormatException
from tests.spark import spark_settings
from tests.warehouse.records import select

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import TableName
from seil.warehouse.spark.checks import checks
from seil.warehouse.spark.jvm import hadoop_configuration
from seil.warehouse.spark.rows import collect
from seil.warehouse.spark.session import open_session
from seil.warehouse.spark.warehouse import connect
from seil.warehouse.sql import compose

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]


def test_each_warehouse_has_a_session_of_its_own(tmp_path: Path) -> None:
    one = open_session(spark_settings(tmp_path / "one"))
    one.sql("CREATE NAMESPACE a")
    one.sql("CREATE TABLE a.t USING iceberg AS SELECT 1 AS n")
    other = open_session(spark_settings(tmp_path / "other"))
    other.sql("CREATE NAMESPACE b")
    assert (tmp_path / "one/a/t/metadata").is_dir()
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["b"]


def test_what_values_depend_on_is_fixed(tmp_path: Path) -> None:
    options = {
        "spark.sql.session.timeZone": "Australia/Sydney",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.ansi.doubleQuotedIdentifiers": "true",
        "spark.sql.parser.escapedStringLiterals": "true",
        "spark.sql.shuffle.partitions": "3",
    }
    session = open_session(spark_settings(tmp_path, options=options))
    assert session.conf.get("spark.sql.shuffle.partitions") == "3"
    select = "SELECT CAST(TIMESTAMP '1600-01-01 00:00:00' AS STRING) AS t, current_timezone() AS z"
    rows = collect(session.sql(select)).to_pylist()
    assert rows == [{"t": "1600-01-01 00:00:00", "z": "UTC"}]
    with pytest.raises(NumberFormatException, match="CAST_INVALID_INPUT"):
        collect(session.sql("SELECT CAST('x' AS INT)"))
    text = "it's ${env:HOME} ${spark.app.name} \\n"
    with connect(spark_settings(tmp_path, options=options)) as warehouse:
        query = compose("SELECT {text} AS text", text=text)
        assert warehouse.database.query(query)["text"].to_pylist() == [text]


def test_a_secret_is_set_after_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0p")
    names = ["spark.sql.catalog.lakehouse.token", "spark.hadoop.fs.s3a.secret.key"]
    session = open_session(spark_settings(tmp_path, secrets=dict.fromkeys(names, "env:TOKEN")))
    assert session.conf.get(names[0]) == "t0p"
    hadoop = hadoop_configuration(session)
    assert hadoop.get("fs.s3a.secret.key") == "t0p"
    hadoop.unset("fs.s3a.secret.key")


@pytest.fixture
def theirs(tmp_path: Path) -> WarehouseSettings:
    """A catalog that Spark was started with, with Iceberg's cache, which is on unless told."""
    options = {
        "spark.sql.catalog.lakehouse": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lakehouse.type": "hadoop",
        "spark.sql.catalog.lakehouse.warehouse": str(tmp_path / "theirs"),
    }
    return spark_settings(tmp_path / "not used", options=options)


def test_a_catalog_that_spark_was_started_with_stays(
    tmp_path: Path, theirs: WarehouseSettings
) -> None:
    open_session(theirs).sql("CREATE NAMESPACE a")
    assert (tmp_path / "theirs/a").is_dir()


def test_a_table_that_another_program_dropped_is_created_again(theirs: WarehouseSettings) -> None:
    """From the cache it would be there, and its metadata missing."""
    table, columns = TableName("", "t"), pa.schema([pa.field("n", pa.int64())])
    with connect(theirs) as one, connect(theirs) as other:
        one.database.create_bare(table, columns)
        assert one.database.load(table)
        other.database.drop_bare(table)
        assert one.database.load(table) is None
        one.database.create_table(table, columns)
        one.database.append(table, pa.table({"n": [1]}))
        assert select(one, "SELECT n FROM t") == [(1,)]


def test_a_table_whose_old_metadata_another_program_removed_is_read(
    theirs: WarehouseSettings,
) -> None:
    """From the cache it would be as it was, and "Metadata file for version 1 is missing"."""
    table, columns = TableName("salesforce", "t"), pa.schema([pa.field("n", pa.int64())])
    with connect(theirs) as one, connect(theirs) as other:
        other.database.create_bare(table, columns)
        assert select(one, "SELECT n FROM salesforce.t") == []
        place = other.database.place(table)
        limit = "'write.metadata.previous-versions-max'='1'"
        other.database.run(f"ALTER TABLE {place} SET TBLPROPERTIES ({limit})")
        for n in range(2):
            other.database.append(table, pa.table({"n": [n]}))
        folder = Path(str(theirs.spark.options["spark.sql.catalog.lakehouse.warehouse"]))
        assert not list(folder.glob("*/t/metadata/v1.metadata.json"))
        one.database.append(table, pa.table({"n": [2]}))
        assert select(one, "SELECT n FROM salesforce.t ORDER BY n") == [(0,), (1,), (2,)]


@pytest.mark.parametrize("location", ["", "s3://lake/tables"])
def test_a_catalog_that_does_not_answer_is_named(
    tmp_path: Path, unused_port: int, location: str
) -> None:
    uri = f"http://127.0.0.1:{unused_port}"
    settings = spark_settings(tmp_path, catalog="rest", uri=uri, location=location)
    with pytest.raises(WarehouseError) as caught:
        open_session(settings)
    assert f"spark://lakehouse: the catalog at {uri} does not answer: " in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "[warehouse.spark]" in caught.value.hint


def test_doctor_proves_that_tables_can_be_written(tmp_path: Path) -> None:
    settings = spark_settings(tmp_path)
    assert [(check.name, check.state) for check in checks(settings)] == [
        ("warehouse", "ok"),
        ("warehouse version", "ok"),
        ("warehouse extensions", "ok"),
        ("warehouse text order", "ok"),
        ("warehouse rights", "ok"),
        ("warehouse space", "ok"),
    ]
    assert not (tmp_path / "seil_doctor").exists()
