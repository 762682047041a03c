"""Upkeep of Iceberg tables: rewrites small files, removes old snapshots and lost files.

Each table by itself, under the run lock: a rewrite is refused where a commit came in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seil.warehouse.spark.commit_log import COMMIT_ID, COMMITS
from seil.warehouse.spark.layout import quoted
from seil.warehouse.spark.properties import FILE_BYTES, escaped
from seil.warehouse.spark.rows import collect
from seil.warehouse.spark.warehouse import SparkWarehouse, connect
from seil.warehouse.sql import Sql, compose
from seil.warehouse.tables import SCHEMAS, TableName
from seil.warehouse.upkeep import UpkeepMark, UpkeepResult

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.spark.connection import SparkConnection
    from seil.warehouse.spark.iceberg import IcebergTable

_REWRITE = """CALL {catalog}.system.rewrite_data_files(table => '{table}',
    strategy => '{strategy}', options => map({options}))"""
# Rewritten data files leave deletes behind that apply to nothing.
_DELETES = """CALL {catalog}.system.rewrite_position_delete_files(table => '{table}',
    options => map('rewrite-all', 'true'))"""
_EXPIRE = """CALL {catalog}.system.expire_snapshots(table => '{table}',
    older_than => TIMESTAMP '{older}', retain_last => 1)"""
# Listed as Iceberg reads them: Spark may lack the storage's jars.
_ORPHANS = """CALL {catalog}.system.remove_orphan_files(table => '{table}',
    older_than => TIMESTAMP '{older}', dry_run => {dry}, prefix_listing => true)"""


def upkeep_due(settings: WarehouseSettings, mark: UpkeepMark) -> str:
    every = settings.spark.upkeep_every
    return "it is time" if datetime.now(UTC) - mark.at >= every else ""


def upkeep(settings: WarehouseSettings, *, fence: Fence, wait: timedelta) -> list[UpkeepResult]:
    with connect(settings, fence=fence) as warehouse:
        results = []
        warehouse.database.recover()
        for table in tables_of(warehouse):
            fence.check()
            results.append(_keep_up(warehouse.database, table, settings))
    return [result for result in results if result is not None]


def tables_of(warehouse: SparkWarehouse) -> Iterator[TableName]:
    """Those that upkeep is for."""
    for schema in sorted({*SCHEMAS, ""}):
        for name in warehouse.tables(schema):
            yield TableName(schema, name)


def rewrite_options(database: SparkConnection, *, is_whole: bool) -> Mapping[str, str]:
    """Of Iceberg's rewrite of data files."""
    return {
        # A file with so many deletes is written anew, and files when there are so many small ones.
        "delete-file-threshold": "5",
        "min-input-files": "5",
        "rewrite-all": str(is_whole).lower(),
        "target-file-size-bytes": database.file_bytes,
    }


def _keep_up(
    database: SparkConnection, table: TableName, settings: WarehouseSettings
) -> UpkeepResult | None:
    loaded = database.load(table)
    if loaded is None or loaded.head() is None:
        return None
    before = _bytes(database, table)
    acts: list[str] = []
    if dead := database.remove_dead_branches(table):
        acts.append(f"{dead} of killed commits' branches removed")
    if table != COMMITS:
        # Its last snapshot holds the fencing token; it has no rows to rewrite.
        if is_changed := _lay_out(database, table, loaded):
            acts.append("laid out anew")
        options = rewrite_options(database, is_whole=is_changed)
        with _same_commit(database, loaded.summary()):
            done = _call(
                database,
                table,
                _REWRITE,
                strategy="sort" if database.layout(table).order else "binpack",
                options=", ".join(f"'{name}', '{value}'" for name, value in options.items()),
            )
            if done[0]["rewritten_data_files_count"]:
                acts.append("rewritten")
                _call(database, table, _DELETES)
    acts += _remove_old(database, table, settings)
    if not acts:
        return None
    return UpkeepResult(str(table), ", ".join(acts), before, _bytes(database, table))


def _lay_out(database: SparkConnection, table: TableName, loaded: IcebergTable) -> bool:
    """Gives the table the partitions and the sort order of the settings, where they changed."""
    place = database.place(table)
    size = database.file_bytes
    if loaded.properties().get(FILE_BYTES) != size:
        database.run(f"ALTER TABLE {place} SET TBLPROPERTIES ('{FILE_BYTES}'='{size}')")
    changes = layout_changes(database, table, loaded)
    for change in changes:
        database.run(f"ALTER TABLE {place} {change}")
    return bool(changes)


def layout_changes(database: SparkConnection, table: TableName, loaded: IcebergTable) -> list[str]:
    """The clauses of ALTER TABLE that give it the layout of the settings."""
    old, new = loaded.layout(), database.layout(table)
    changes = [
        f"DROP PARTITION FIELD {quoted(f)}" for f in old.partitions if f not in new.partitions
    ]
    changes += [
        f"ADD PARTITION FIELD {quoted(f)}" for f in new.partitions if f not in old.partitions
    ]
    if list(old.order) != list(new.order):
        changes.append(new.order_clause())
    return changes


def _bytes(database: SparkConnection, table: TableName) -> int:
    """Of the files that the current snapshot reads."""
    select = "SELECT coalesce(sum(file_size_in_bytes), 0) AS n FROM {place}.files"
    with database.errors():
        rows = database.session.sql(compose(select, place=Sql(database.place(table))))
        return int(collect(rows)["n"][0].as_py())


def _remove_old(
    database: SparkConnection, table: TableName, settings: WarehouseSettings
) -> Iterator[str]:
    older = _before(settings.spark.keep_snapshots)
    (expired,) = _call(database, table, _EXPIRE, older=older)
    if files := sum(count or 0 for name, count in expired.items() if name.endswith("_count")):
        yield f"{files:,} files of expired snapshots removed"
    if lost := lost_files(database, table, settings, is_dry_run=False):
        yield f"{lost:,} lost files removed"


def lost_files(
    database: SparkConnection, table: TableName, settings: WarehouseSettings, *, is_dry_run: bool
) -> int:
    """Removes those that no snapshot has, or counts them only."""
    older, dry = _before(settings.spark.keep_orphans), str(is_dry_run).lower()
    return len(_call(database, table, _ORPHANS, older=older, dry=dry))


def _before(age: timedelta) -> str:
    return f"{datetime.now(UTC) - age:%Y-%m-%d %H:%M:%S.%f}"


def _same_commit(
    database: SparkConnection, summary: Mapping[str, str]
) -> AbstractContextManager[None]:
    """The snapshots written in the block have the last commit's id: else it would expire."""
    commit_id = summary.get(COMMIT_ID)
    return database.stamped(commit_id) if commit_id else nullcontext()


def _call(
    database: SparkConnection, table: TableName, procedure: str, **values: str
) -> list[dict[str, Any]]:
    """The rows that a procedure answers: counts, or files."""
    place = database.place(table)
    catalog, *_ = place.split(".")
    with database.errors():
        text = procedure.format(catalog=catalog, table=escaped(place), **values)
        return list(collect(database.session.sql(text)).to_pylist())
