"""Tracks what changed in the current records since each table was built.

A build stores in `seil.watched` the columns that its tables read. From then on each merge logs
those columns of the records it changes, before and after, in schema `seil_changes`, and adds a row
to `seil.changes`, in its own transaction. `seil.built` holds the last change that each table has;
changes that all of them have are removed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.warehouse.bookkeeping import IS_OLD, SEQUENCE, BuiltVersion, Change, images
from seil.warehouse.bookkeeping_tables import BUILT, CHANGES, WATCHED, table_schema
from seil.warehouse.relational.change_log import ChangeLog
from seil.warehouse.sql import Sql, compose, join, literal
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

_OWN: list[Any] = [pa.field(SEQUENCE, pa.int64()), pa.field(IS_OLD, pa.bool_())]

# With more changed records than this, a full build is cheaper.
_WHOLE_SHARE = 0.3
_WHOLE_ROWS = 20_000


def change_log(
    database: RelationalDatabase, table: TableName, key: str, *, watched: Collection[str]
) -> ChangeLog | None:
    """For the next merge into a table; None if no built table reads it."""
    columns = database.columns(table) if watched else None
    if columns is None:
        return None
    logged_columns = pa.schema([c for c in columns if c.name in {*watched, key}])
    sequence = last_change(database) + 1
    if not _prepare(database, images(table), logged_columns):
        _record_whole_change(database, table)
        sequence += 1
    return ChangeLog(images(table), tuple(logged_columns.names), sequence)


def watched_columns(database: RelationalDatabase) -> Mapping[str, frozenset[str]]:
    """By source table, the columns that built tables read."""
    columns: dict[str, set[str]] = {}
    if database.columns(WATCHED) is None:
        return {}
    for row in database.query(
        Sql("SELECT DISTINCT source_table, column_name FROM seil.watched")
    ).to_pylist():
        columns.setdefault(row["source_table"], set()).add(row["column_name"])
    return {source: frozenset(names) for source, names in columns.items()}


def _prepare(database: RelationalDatabase, table: TableName, columns: pa.Schema) -> bool:
    """Creates the log, or adds columns that it lacks. Returns False if a column has another type
    now: then the log starts empty.
    """
    existing = database.columns(table)
    is_compatible = existing is None or all(
        existing.field(c.name).type == c.type for c in columns if c.name in existing.names
    )
    if not is_compatible:
        database.drop(table)
        existing = None
    if existing is None:
        database.create_table(table, pa.schema([*_OWN, *columns]))
        return is_compatible
    for column in columns:
        if column.name not in existing.names:
            database.add_column(table, column)
    return True


def record_change(database: RelationalDatabase, table: TableName, log: ChangeLog) -> None:
    """Call it after the merge, in its transaction.

    Limits the log: a table whose builds keep failing gets one change of the whole source instead.
    """
    select = compose(
        "SELECT (SELECT count(*) FROM {table}) AS all_rows, "
        "coalesce(max(changed) FILTER (WHERE _sequence = {sequence}), 0) AS changed, "
        "coalesce(sum(changed), 0) AS logged FROM (SELECT _sequence, greatest("
        "sum(CAST(_is_old AS INTEGER)), sum(CAST(NOT _is_old AS INTEGER))) AS changed "
        "FROM {log} GROUP BY _sequence) AS logged",
        table=table,
        log=log.table,
        sequence=log.sequence,
    )
    row = database.query(select).to_pylist()[0]
    if row["logged"] > max(_WHOLE_ROWS, _WHOLE_SHARE * int(row["all_rows"])):
        _record_whole_change(database, table)
    elif row["changed"]:
        _record(database, Change(log.sequence, table, is_whole=False, rows=int(row["changed"])))


def _record_whole_change(database: RelationalDatabase, table: TableName) -> None:
    """Any record may have changed: every table that reads them gets a full build."""
    if database.columns(images(table)) is not None:
        database.execute(compose("DELETE FROM {images}", images=images(table)))
    count = database.query(compose("SELECT count(*) AS n FROM {table}", table=table))
    rows = int(count["n"][0].as_py())
    sequence = last_change(database) + 1
    delete = "DELETE FROM seil.changes WHERE source_table = {name}"
    database.execute(compose(delete, name=str(table)))
    _record(database, Change(sequence, table, is_whole=True, rows=rows))


def last_change(database: RelationalDatabase) -> int:
    select = """
        SELECT greatest((SELECT coalesce(max(sequence), 0) FROM seil.changes),
                        (SELECT coalesce(max(sequence), 0) FROM seil.built)) AS n"""
    return int(database.query(select)["n"][0].as_py())


def changes(database: RelationalDatabase) -> list[Change]:
    select = "SELECT sequence, source_table, is_whole, row_count FROM seil.changes ORDER BY 1"
    return [
        Change(
            row["sequence"], source_table(row["source_table"]), row["is_whole"], row["row_count"]
        )
        for row in database.query(select).to_pylist()
    ]


def built_versions(database: RelationalDatabase) -> dict[str, BuiltVersion]:
    select = "SELECT table_name, fingerprint, sequence, version, checked FROM seil.built"
    return {
        row["table_name"]: BuiltVersion(
            row["table_name"],
            row["fingerprint"],
            row["sequence"],
            row["version"],
            json.loads(row["checked"]),
        )
        for row in database.query(select).to_pylist()
    }


def record_built(
    database: RelationalDatabase,
    built: Iterable[BuiltVersion],
    watched: Mapping[str, Mapping[TableName, Collection[str]]],
    *,
    models: Collection[str],
) -> None:
    """See `seil.warehouse.bookkeeping.Recorder.record_built`."""
    rows = [
        {
            "table_name": entry.table,
            "fingerprint": entry.fingerprint,
            "sequence": entry.sequence,
            "version": entry.version,
            "checked": json.dumps(entry.checked),
            "built_at": datetime.now(UTC),
        }
        for entry in built
    ]
    _replace(database, BUILT, rows, models=models)
    read = [
        {"table_name": table, "source_table": str(source), "column_name": column}
        for table, sources in watched.items()
        for source, columns in sources.items()
        for column in sorted(columns)
    ]
    _replace(database, WATCHED, read, models=models)
    _prune_consumed(database)


def _replace(
    database: RelationalDatabase,
    table: TableName,
    rows: list[dict[str, Any]],
    *,
    models: Collection[str],
) -> None:
    names = {row["table_name"] for row in rows}
    keep = sorted(set(models) - names)
    names_sql = join(", ", map(literal, keep)) if keep else Sql("''")
    delete = "DELETE FROM {table} WHERE table_name NOT IN ({keep})"
    database.execute(compose(delete, table=table, keep=names_sql))
    if rows:
        database.append(table, pa.Table.from_pylist(rows, schema=table_schema(table)))


def _prune_consumed(database: RelationalDatabase) -> None:
    oldest = database.query(Sql("SELECT coalesce(min(sequence), 0) AS n FROM seil.built"))
    consumed = int(oldest["n"][0].as_py())
    pending = changes(database)
    needed = {change.source for change in pending if change.sequence > consumed}
    for source in {change.source for change in pending if change.sequence <= consumed}:
        columns = database.columns(images(source))
        if columns is not None and source in needed:
            delete = "DELETE FROM {images} WHERE _sequence <= {consumed}"
            database.execute(compose(delete, images=images(source), consumed=consumed))
        elif columns is not None:
            # Deleting every row would cost more than the rest of the build's commit.
            database.drop(images(source))
            database.create_table(images(source), columns)
    database.execute(compose("DELETE FROM seil.changes WHERE sequence <= {n}", n=consumed))


def _record(database: RelationalDatabase, change: Change) -> None:
    row = {
        "sequence": change.sequence,
        "source_table": str(change.source),
        "is_whole": change.is_whole,
        "row_count": change.rows,
        "recorded_at": datetime.now(UTC),
    }
    database.append(CHANGES, pa.Table.from_pylist([row], schema=table_schema(CHANGES)))


def source_table(name: str) -> TableName:
    schema, _, table = name.partition(".")
    return TableName(schema, table)
