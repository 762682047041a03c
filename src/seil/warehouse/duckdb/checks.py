"""What `seil doctor` checks of a DuckDB file. Changes nothing, and creates no file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from seil.checks import SiteCheck
from seil.sizes import size
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.duckdb.opening import open_file

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse

# Long enough for another process's query.
_PATIENCE = timedelta(seconds=5)
# Parquet files are read, zones computed and JSON unpacked by these, which the wheel holds.
_EXTENSIONS = frozenset({"core_functions", "icu", "json", "parquet"})
_LOADED = "SELECT extension_name FROM duckdb_extensions() WHERE loaded"
_FORMAT = """
    SELECT tags['storage_version'] AS version FROM duckdb_databases()
    WHERE database_name = current_database()"""
_SETTINGS = "SELECT current_setting('default_collation') AS collation"


def checks(settings: WarehouseSettings) -> Iterator[SiteCheck]:
    """Raises WarehouseError where it cannot be opened: another process may hold it."""
    file = local_file(settings)
    if not file.exists():
        detail = f"{settings.url}, to be made by the first run"
        yield SiteCheck("warehouse", "ok", detail)
        yield SiteCheck("warehouse version", "ok", f"DuckDB {duckdb.__version__}")
        return
    with open_file(settings, read_only=True, wait=_PATIENCE) as warehouse:
        current = len(warehouse.tables("salesforce"))
        yield SiteCheck("warehouse", "ok", f"{settings.url}, {current:,} objects loaded")
        yield _version(warehouse)
        yield _extensions()
        yield _text_order(warehouse)
    yield _rights(file)
    yield _free_space(file)


def _version(warehouse: EmbeddedWarehouse) -> SiteCheck:
    stored = warehouse.query(_FORMAT)["version"][0].as_py()
    detail = f"DuckDB {duckdb.__version__}, file of format {stored}"
    return SiteCheck("warehouse version", "ok", detail)


def _extensions() -> SiteCheck:
    # A read-only warehouse cannot list them: it reaches nothing outside itself.
    with duckdb.connect(":memory:") as embedded:
        available = {str(name) for (name,) in embedded.execute(_LOADED).fetchall()}
    if missing := _EXTENSIONS - available:
        cure = f"pip install --force-reinstall duckdb=={duckdb.__version__}"
        detail = f"DuckDB lacks {', '.join(sorted(missing))}"
        return SiteCheck("warehouse extensions", "fail", detail, cure)
    return SiteCheck("warehouse extensions", "ok", ", ".join(sorted(_EXTENSIONS)))


def _text_order(warehouse: EmbeddedWarehouse) -> SiteCheck:
    collation = warehouse.query(_SETTINGS)["collation"][0].as_py() or "binary"
    return SiteCheck("warehouse text order", "ok", f"{collation}, UTF-8, time zone UTC")


def _rights(file: Path) -> SiteCheck:
    for path, mode in ((file, os.R_OK | os.W_OK), (file.parent, os.W_OK | os.X_OK)):
        if not os.access(path, mode):
            cure = f"chmod u+rwX {path}, as its owner"
            detail = f"{path} cannot be written by this user"
            return SiteCheck("warehouse rights", "fail", detail, cure)
    return SiteCheck("warehouse rights", "ok", f"{file} can be written")


def _free_space(file: Path) -> SiteCheck:
    free, used = shutil.disk_usage(file.parent).free, file.stat().st_size
    detail = f"{size(free)} free, the file has {size(used)}"
    if free < used:
        cure = f"free some space in {file.parent}: a rebuild and the readers' copy need as much"
        return SiteCheck("warehouse space", "warn", detail, cure)
    return SiteCheck("warehouse space", "ok", detail)
