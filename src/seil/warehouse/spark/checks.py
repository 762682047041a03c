"""What `seil doctor` checks of Spark and its catalog. What it writes is dropped again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seil.checks import SiteCheck
from seil.errors import WarehouseError
from seil.warehouse.spark.jvm import java
from seil.warehouse.spark.warehouse import connect

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.spark.connection import SparkConnection

_PROBE = (
    "CREATE NAMESPACE IF NOT EXISTS {catalog}.seil_doctor",
    "CREATE TABLE {catalog}.seil_doctor.probe (id BIGINT) USING iceberg",
    "INSERT INTO {catalog}.seil_doctor.probe VALUES (1)",
)
_CLEAN_UP = (
    "DROP TABLE IF EXISTS {catalog}.seil_doctor.probe PURGE",
    "DROP NAMESPACE IF EXISTS {catalog}.seil_doctor",
)


def checks(settings: WarehouseSettings) -> Iterator[SiteCheck]:
    """Raises ConfigurationError or WarehouseError where Spark or its catalog cannot be used."""
    with connect(settings) as warehouse:
        database = warehouse.database
        current = len(warehouse.tables("salesforce"))
        yield SiteCheck("warehouse", "ok", f"{database.url}, {current:,} objects loaded")
        context = database.session.sparkContext
        iceberg = java(database.session).org.apache.iceberg.IcebergBuild.version()
        detail = f"Spark {context.version}, Iceberg {iceberg}, {context.master}"
        yield SiteCheck("warehouse version", "ok", detail)
        yield _rights(database, settings)


def _rights(database: SparkConnection, settings: WarehouseSettings) -> SiteCheck:
    catalog = settings.url.removeprefix("spark://")
    place = settings.spark.uri or settings.spark.location
    try:
        for statement in _PROBE:
            database.run(statement.format(catalog=catalog))
    except WarehouseError as error:
        cure = error.hint or "let this user create and drop tables there"
        return SiteCheck("warehouse rights", "fail", f"{place}: {error.reason}", cure)
    finally:
        for statement in _CLEAN_UP:
            database.run(statement.format(catalog=catalog))
    detail = f"tables can be created, written and dropped in {place}"
    return SiteCheck("warehouse rights", "ok", detail)
