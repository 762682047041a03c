"""What `seil doctor` checks of Spark and its catalog. What it writes is dropped again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.checks import SiteCheck
from seil.errors import WarehouseError
from seil.sizes import size
from seil.warehouse.spark.jvm import java
from seil.warehouse.spark.session import catalog_name
from seil.warehouse.spark.warehouse import connect

if TYPE_CHECKING:
    from seil.settings import SparkSettings, WarehouseSettings
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
    folder = _folder(settings.spark)
    with connect(settings) as warehouse:
        database = warehouse.database
        current = len(warehouse.tables("salesforce"))
        yield SiteCheck("warehouse", "ok", f"{database.url}, {current:,} objects loaded")
        context = database.session.sparkContext
        iceberg = java(database.session).org.apache.iceberg.IcebergBuild.version()
        detail = f"Spark {context.version}, Iceberg {iceberg}, {context.master}"
        yield SiteCheck("warehouse version", "ok", detail)
        # A session without them is refused.
        yield SiteCheck("warehouse extensions", "ok", "Iceberg's; no other is needed")
        zone = database.session.conf.get("spark.sql.session.timeZone")
        yield SiteCheck("warehouse text order", "ok", f"binary, UTF-8, time zone {zone}")
        yield _rights(database, settings) if folder is None or folder.exists() else _maker(folder)
    yield _space(folder)


def _folder(spark: SparkSettings) -> Path | None:
    """Of a warehouse on this machine."""
    location = urlsplit(spark.location)
    if spark.catalog != "hadoop" or location.scheme not in ("", "file"):
        return None
    return Path(unquote(location.path)).absolute()


def _maker(folder: Path) -> SiteCheck:
    """Whether the first run can make the folder."""
    parent = _existing(folder)
    if os.access(parent, os.W_OK | os.X_OK):
        return SiteCheck("warehouse rights", "ok", f"{folder}, to be made by the first run")
    detail = f"{folder} cannot be made by this user"
    return SiteCheck("warehouse rights", "fail", detail, f"chmod u+rwX {parent}, as its owner")


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _space(folder: Path | None) -> SiteCheck:
    if folder is None:
        return SiteCheck("warehouse space", "ok", "the storage does not say what is free")
    free = shutil.disk_usage(_existing(folder)).free
    return SiteCheck("warehouse space", "ok", f"{size(free)} free in {folder}")


def _rights(database: SparkConnection, settings: WarehouseSettings) -> SiteCheck:
    catalog = catalog_name(settings)
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
