"""What changed in the current records since each of the tables was built.

A build writes to `seil.watched` the columns that its tables read. From then on each merge keeps, in
schema `seil_changes`, how those columns of the records it changes were and became, and a row of
`seil.changes`, in the transaction of the merge. `seil.built` says up to which change each table has
been built; what all of them have seen is removed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.warehouse.bookkeeping import IS_OLD, SEQUENCE, BuiltVersion, Change, images
from seil.warehouse.bookkeeping_tables import BUILT, CHANGES, WATCHED, table_schema
from seil.warehouse.duckdb.change_log import ChangeLog
from seil.warehouse.sql import Sql, compose, join, literal
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase

_OWN: list[Any] = [pa.field(SEQUENCE, pa.int64()), pa.field(IS_OLD, pa.bool_())]

# Following this large a part of a table's records costs more than building anew.
_WHOLE_SHARE = 0.3
_WHOLE_ROWS = 20_000


def change_log(
    database: EmbeddedDatabase, table: TableName, key: str, *, watched: Collection[str]
) -> ChangeLog | None:
    """For the next merge into a table; None when no table that has been built reads it."""
    columns = database.columns(table) if watched else None
    if columns is None:
        return None
    wanted = pa.schema([c for c in columns if c.name in {*watched, key}])
    sequence = last_change(database) + 1
    if not _prepare(database, images(table), wanted):
        _record_whole_change(database, table)
        sequence += 1
    return ChangeLog(images(table), tuple(wanted.names), sequence)


def watched_columns(database: EmbeddedDatabase) -> Mapping[str, frozenset[str]]:
    """By source table, the columns that built tables read."""
    columns: dict[str, set[str]] = {}
    if database.columns(WATCHED) is None:
        return {}
    for row in database.query(
        Sql("SELECT DISTINCT * EXCLUDE table_name FROM seil.watched")
    ).to_pylist():
        columns.setdefault(row["source_table"], set()).add(row["column_name"])
    return {source: frozenset(names) for source, names in columns.items()}


def _prepare(database: EmbeddedDatabase, table: TableName, wanted: pa.Schema) -> bool:
    """Makes a table able to take the columns. False when what it held had to be thrown away."""
    known = database.columns(table)
    is_kept = known is None or all(
        known.field(c.name).type == c.type for c in wanted if c.name in known.names
    )
    if not is_kept:
        database.drop(table)
        known = None
    if known is None:
        database.create_table(table, pa.schema([*_OWN, *wanted]))
        return is_kept
    for column in wanted:
        if column.name not in known.names:
            database.add_column(table, column)
    return True


def record_change(database: EmbeddedDatabase, table: TableName, log: ChangeLog) -> None:
    """After the merge, in its transaction.

    What a table that fails again and again has not seen is kept for it only so far.
    """
    counted = compose(
        "SELECT (SELECT count(*) FROM {table}) AS all_rows, "
        "coalesce(max(changed) FILTER (_sequence = {sequence}), 0) AS changed, "
        "coalesce(sum(changed), 0) AS kept FROM (SELECT _sequence, greatest("
        "sum(CAST(_is_old AS INTEGER)), sum(CAST(NOT _is_old AS INTEGER))) AS changed "
        "FROM {log} GROUP BY ALL)",
        table=table,
        log=log.table,
        sequence=log.sequence,
    )
    row = database.query(counted).to_pylist()[0]
    if row["kept"] > max(_WHOLE_ROWS, _WHOLE_SHARE * int(row["all_rows"])):
        _record_whole_change(database, table)
    elif row["changed"]:
        _record(database, Change(log.sequence, table, is_whole=False, rows=int(row["changed"])))


def _record_whole_change(database: EmbeddedDatabase, table: TableName) -> None:
    """Any record may have changed: every table that reads these is built anew."""
    if database.columns(images(table)) is not None:
        database.execute(compose("DELETE FROM {images}", images=images(table)))
    counted = database.query(compose("SELECT count(*) AS n FROM {table}", table=table))
    rows = int(counted["n"][0].as_py())
    sequence = last_change(database) + 1
    forget = "DELETE FROM seil.changes WHERE source_table = {name}"
    database.execute(compose(forget, name=str(table)))
    _record(database, Change(sequence, table, is_whole=True, rows=rows))


def last_change(database: EmbeddedDatabase) -> int:
    select = """
        SELECT greatest((SELECT coalesce(max(sequence), 0) FROM seil.changes),
                        (SELECT coalesce(max(sequence), 0) FROM seil.built)) AS n"""
    return int(database.query(select)["n"][0].as_py())


def changes(database: EmbeddedDatabase) -> list[Change]:
    select = "SELECT sequence, source_table, is_whole, row_count FROM seil.changes ORDER BY 1"
    return [
        Change(
            row["sequence"], source_table(row["source_table"]), row["is_whole"], row["row_count"]
        )
        for row in database.query(select).to_pylist()
    ]


def built_versions(database: EmbeddedDatabase) -> dict[str, BuiltVersion]:
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
    database: EmbeddedDatabase,
    built: Iterable[BuiltVersion],
    watched: Mapping[str, Mapping[TableName, Collection[str]]],
    *,
    among: Collection[str],
) -> None:
    """`watched` are the columns that newly built tables read, by table and source; `known` the
    tables that there are: what is written of others is forgotten.
    """
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
    _replace(database, BUILT, rows, among=among)
    read = [
        {"table_name": table, "source_table": str(source), "column_name": column}
        for table, sources in watched.items()
        for source, columns in sources.items()
        for column in sorted(columns)
    ]
    _replace(database, WATCHED, read, among=among)
    _prune_consumed(database)


def _replace(
    database: EmbeddedDatabase,
    table: TableName,
    rows: list[dict[str, Any]],
    *,
    among: Collection[str],
) -> None:
    names = {row["table_name"] for row in rows}
    keep = sorted(set(among) - names)
    listed = join(", ", map(literal, keep)) if keep else Sql("''")
    delete = "DELETE FROM {table} WHERE table_name NOT IN ({keep})"
    database.execute(compose(delete, table=table, keep=listed))
    if rows:
        database.append(table, pa.Table.from_pylist(rows, schema=table_schema(table)))


def _prune_consumed(database: EmbeddedDatabase) -> None:
    found = database.query(Sql("SELECT coalesce(min(sequence), 0) AS n FROM seil.built"))
    seen = int(found["n"][0].as_py())
    kept = changes(database)
    unseen = {change.source for change in kept if change.sequence > seen}
    for source in {change.source for change in kept if change.sequence <= seen}:
        columns = database.columns(images(source))
        if columns is not None and source in unseen:
            delete = "DELETE FROM {images} WHERE _sequence <= {seen}"
            database.execute(compose(delete, images=images(source), seen=seen))
        elif columns is not None:
            # To delete every row would cost more than all else that a build commits.
            database.drop(images(source))
            database.create_table(images(source), columns)
    database.execute(compose("DELETE FROM seil.changes WHERE sequence <= {seen}", seen=seen))


def _record(database: EmbeddedDatabase, change: Change) -> None:
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
