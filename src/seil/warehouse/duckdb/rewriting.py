"""Writes a DuckDB file anew, without the space of deleted rows.

SEIL's checkpoints do not vacuum (`DuckDBConnection`), and DuckDB gives no space back to the disk:
the rows go into a file beside it, which takes its place by a rename.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import WarehouseError
from seil.warehouse.duckdb.replacement import FileReplacement
from seil.warehouse.sql import SqlName, compose
from seil.warehouse.tables import TableName
from seil.warehouse.upkeep import UpkeepResult

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.duckdb.connection import DuckDBConnection
    from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
    from seil.warehouse.fencing import Fence

_OLD = "seil_old_file"
_COUNTED = """
    SELECT schema_name, table_name FROM duckdb_tables()
    WHERE database_name = {database} AND NOT temporary ORDER BY ALL"""


def rewrite(settings: WarehouseSettings, *, fence: Fence, wait: timedelta) -> list[UpkeepResult]:
    """Leaves the old file as it is on any error, and when it is killed. Nothing to do without one.

    Raises WarehouseError where the file is in use or broken, or the disk has no room for another.
    """
    replacement = FileReplacement(settings, fence, None, wait)
    file = replacement.file
    try:
        state, _ = replacement.read_old(lambda _: None)
        if state == "missing":
            return []
        if state == "broken":
            hint = "Run `seil rebuild`, which makes a new one from curated"
            raise WarehouseError(f"duckdb:{file}", "it cannot be read", hint=hint)
        before = file.stat().st_size
        _check_space(file, before)
        with replacement.new() as warehouse:
            _copy(file, warehouse)
        replacement.replace()
    finally:
        replacement.discard()
    return [UpkeepResult(file.name, "rewritten", before, file.stat().st_size)]


def _check_space(file: Path, needed: int) -> None:
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        reason = f"to rewrite it takes {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free"
        hint = f"Free some space beside {file}, then `seil warehouse upkeep`"
        raise WarehouseError(f"duckdb:{file}", reason, hint=hint)


def _copy(file: Path, warehouse: EmbeddedWarehouse) -> None:
    """Tables with keys, comments and indexes, views, macros, sequences, types."""
    database = warehouse.database
    database.execute(compose("ATTACH {file} AS {old} (READ_ONLY)", file=str(file), old=_old()))
    try:
        new = SqlName(database.name)
        database.execute(compose("COPY FROM DATABASE {old} TO {new}", old=_old(), new=new))
        old_rows, new_rows = _rows(database, _OLD), _rows(database, database.name)
    finally:
        database.execute(compose("DETACH {old}", old=_old()))
    if old_rows != new_rows:
        reason = "its copy has other rows than it: the old file stays"
        raise WarehouseError(f"duckdb:{file}", reason)


def _rows(database: DuckDBConnection, name: str) -> dict[TableName, int]:
    """The number of rows of each table, from DuckDB's metadata."""
    rows = database.query(compose(_COUNTED, database=name)).to_pylist()
    tables = [TableName(row["schema_name"], row["table_name"]) for row in rows]
    count = "SELECT count(*) AS n FROM {database}.{table}"
    return {
        table: int(
            database.query(compose(count, database=SqlName(name), table=table))["n"][0].as_py()
        )
        for table in tables
    }


def _old() -> SqlName:
    return SqlName(_OLD)
