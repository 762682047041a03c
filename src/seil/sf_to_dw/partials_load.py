"""What partial files tell of the current records: `isdeleted`, and the values of formulas.

They are kept apart: `seil_deletions.<table>` holds every deletion that was reported,
`seil_formulas.<table>_<columns>` the newest values of each record. A current record is what its
newest version says, with these laid over it where they were read later. So neither the order of
files nor a repeat makes a difference: an older version that arrives late is laid over again, and a
record that was seen alive after its deletion was read is alive, whether or not its stamp moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.sf_to_dw.changes import change_log, record_change
from seil.sf_to_dw.flows import OWN_CURATED
from seil.sf_to_dw.partials import DELETIONS, FORMULAS
from seil.warehouse.protocol import EXTRACTED_AT, FILE, ChangeLog, Outcome, TableName
from seil.warehouse.sql import Name, Sql, compose, joined, translated
from seil.warehouse.types import TEXT, TIMESTAMP, sql_type, stored_type

if TYPE_CHECKING:
    from seil.sf_to_dw.load_files import CuratedFile
    from seil.warehouse.protocol import Warehouse

DELETIONS_SCHEMA = "seil_deletions"
FORMULAS_SCHEMA = "seil_formulas"
_OWN: dict[str, pa.DataType] = {EXTRACTED_AT: TIMESTAMP, FILE: TEXT}
_PATCH = Sql("temp.main._seil_patch")


def merge_partials(
    warehouse: Warehouse, table: TableName, files: Sequence[CuratedFile], *, key: str
) -> Mapping[str, Outcome]:
    """What the partial ones among the files tell, kept apart. `inserted` in their outcomes is what
    nothing had been told of: deletions, or records with formulas.
    """
    outcomes: dict[str, Outcome] = {}
    for file in files:
        if file.mode not in (DELETIONS, FORMULAS):
            continue
        types = {name: stored_type(c.type) or TEXT for name, c in file.columns.items()}
        apart = _apart(table, file.mode, types)
        warehouse.create_table(apart, pa.schema({**types, **_OWN}))
        # An earlier deletion can be the one that counts, where a later one was taken back.
        every = file.mode == DELETIONS
        outcomes |= warehouse.merge(apart, [file.staged], key=key, every_version=every)
    return outcomes


@dataclass(frozen=True)
class PartialTables:
    """Which tables there are, since listing them takes longer than a small merge."""

    deletions: frozenset[str]
    formulas: tuple[str, ...]


def partial_tables(warehouse: Warehouse) -> PartialTables:
    return PartialTables(
        frozenset(warehouse.tables(DELETIONS_SCHEMA)), tuple(warehouse.tables(FORMULAS_SCHEMA))
    )


def deletions_of(table: TableName) -> TableName:
    return TableName(DELETIONS_SCHEMA, table.name)


def _apart(table: TableName, mode: str, types: Mapping[str, pa.DataType]) -> TableName:
    """Formulas of the same columns and types share a table, so that none of its nulls is a gap."""
    if mode == DELETIONS:
        return deletions_of(table)
    told = repr(sorted((name, str(kind)) for name, kind in types.items()))
    name = f"{table.name}_{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return TableName(FORMULAS_SCHEMA, name)


def lay_partials_over(
    warehouse: Warehouse, table: TableName, key: str, among: PartialTables
) -> None:
    """After each merge, in its transaction: into whatever records it is newer than."""
    formulas = [name for name in among.formulas if name.rpartition("_")[0] == table.name]
    if not formulas and table.name not in among.deletions:
        return
    columns = warehouse.columns(table)
    if columns is None:
        return
    if table.name in among.deletions:
        if "isdeleted" not in columns.names:
            warehouse.add_column(table, pa.field("isdeleted", pa.bool_()))
            columns = columns.append(pa.field("isdeleted", pa.bool_()))
        _patch(warehouse, table, key, _deleted(table, deletions_of(table), key, columns))
    for group, told in _formula_groups(warehouse, formulas, key).items():
        names = [name for name in told if name in columns.names]
        if names:
            _patch(warehouse, table, key, _formulas(table, key, columns, (group, names)))


def stays_deleted(record: str, deletion: str, stamp: Sql) -> Sql:
    """Whether a deletion holds for a version of the record, given as aliases and the version's
    stamp: it is not older than the version, and nobody saw that version alive later on.

    When a file was read is known of our own; others have only the time they landed, which says
    nothing of what they hold.
    """
    return compose(
        """
        ({d}.systemmodstamp >= {stamp}
         AND ({d}._extracted_at >= {t}._extracted_at
              OR ({d}.systemmodstamp > {stamp} AND NOT regexp_matches({t}._file, {own}))))""",
        d=Sql(deletion),
        t=Sql(record),
        stamp=stamp,
        own=OWN_CURATED,
    )


def version_stamp(columns: pa.Schema, alias: str) -> Sql:
    stamps = [
        compose("TRY_CAST({t}.{name} AS TIMESTAMPTZ)", t=Sql(alias), name=Name(name))
        for name in ("systemmodstamp", "lastmodifieddate")
        if name in columns.names
    ]
    return compose(
        "coalesce({stamps})", stamps=joined(", ", [*stamps, Sql("TIMESTAMPTZ '-infinity'")])
    )


def _deleted(table: TableName, deletions: TableName, key: str, columns: pa.Schema) -> Sql:
    return compose(
        """
        SELECT t.{key} AS {key}, CAST(true AS {type}) AS isdeleted
        FROM {table} AS t
        WHERE coalesce(TRY_CAST(t.isdeleted AS BOOLEAN), false) = false
        AND EXISTS (SELECT 1 FROM {deletions} AS d WHERE d.{key} = t.{key} AND {holds})""",
        key=Name(key),
        type=_type(columns.field("isdeleted").type),
        table=table,
        deletions=deletions,
        holds=stays_deleted("t", "d", version_stamp(columns, "t")),
    )


def _formula_groups(
    warehouse: Warehouse, tables: Iterable[str], key: str
) -> dict[tuple[TableName, ...], list[str]]:
    """Columns by the tables that tell of them: one table, unless formulas came or went."""
    tellers: dict[str, tuple[TableName, ...]] = {}
    for name in tables:
        apart = TableName(FORMULAS_SCHEMA, name)
        columns = warehouse.columns(apart)
        for column in columns.names if columns is not None else ():
            if column not in (key, *_OWN):
                tellers[column] = (*tellers.get(column, ()), apart)
    groups: dict[tuple[TableName, ...], list[str]] = {}
    for column, group in tellers.items():
        groups.setdefault(group, []).append(column)
    return groups


def _formulas(
    table: TableName,
    key: str,
    columns: pa.Schema,
    told: tuple[Sequence[TableName], Sequence[str]],
) -> Sql:
    """The newest word on each record whose formulas are newer than its version, and differ."""
    group, names = told
    types = {name: _type(columns.field(name).type) for name in names}
    listed = [
        compose(
            "SELECT {key}, {values}, _extracted_at, _file FROM {apart}",
            key=Name(key),
            values=joined(", ", _values(types)),
            apart=apart,
        )
        for apart in group
    ]
    return compose(
        """
        SELECT o.* EXCLUDE (_extracted_at, _file, _place) FROM (
            SELECT *, row_number() OVER (
                PARTITION BY {key} ORDER BY _extracted_at DESC, _file DESC
            ) AS _place
            FROM ({listed})
        ) AS o JOIN {table} AS t ON t.{key} = o.{key}
        WHERE o._place = 1 AND o._extracted_at >= t._extracted_at AND ({differs})""",
        key=Name(key),
        listed=joined(" UNION ALL ", listed),
        table=table,
        differs=joined(
            " OR ", (compose("t.{n} IS DISTINCT FROM o.{n}", n=Name(name)) for name in names)
        ),
    )


def _values(types: Mapping[str, Sql]) -> Iterator[Sql]:
    for name, kind in types.items():
        yield compose("CAST({name} AS {type}) AS {name}", name=Name(name), type=kind)


def _patch(warehouse: Warehouse, table: TableName, key: str, patch: Sql) -> None:
    """Puts the values of `patch` into the records it names, and into the log of changes."""
    _run(warehouse, compose("CREATE OR REPLACE TEMP TABLE _seil_patch AS {patch}", patch=patch))
    found = warehouse.query(compose("SELECT * FROM {patch} LIMIT 1", patch=_PATCH))
    if found.num_rows:
        log = change_log(warehouse, table, key)
        if log:
            _log(warehouse, table, key, log, is_old=True)
        settings = (
            compose("{name} = p.{name}", name=Name(name))
            for name in found.column_names
            if name != key
        )
        update = "UPDATE {table} AS t SET {settings} FROM {patch} AS p WHERE t.{key} = p.{key}"
        settings_sql = joined(", ", settings)
        _run(
            warehouse,
            compose(update, table=table, settings=settings_sql, patch=_PATCH, key=Name(key)),
        )
        if log:
            _log(warehouse, table, key, log, is_old=False)
            record_change(warehouse, table, log)
    _run(warehouse, compose("DROP TABLE {patch}", patch=_PATCH))


def _log(warehouse: Warehouse, table: TableName, key: str, log: ChangeLog, *, is_old: bool) -> None:
    columns = joined(", ", (compose("t.{name}", name=Name(name)) for name in log.columns))
    _run(
        warehouse,
        compose(
            """
            INSERT INTO {log} BY NAME
            SELECT {sequence}::BIGINT AS _sequence, {is_old} AS _is_old, {columns}
            FROM {table} AS t WHERE t.{key} IN (SELECT {key} FROM {patch})""",
            log=log.table,
            sequence=log.sequence,
            is_old=Sql(str(is_old).lower()),
            columns=columns,
            table=table,
            key=Name(key),
            patch=_PATCH,
        ),
    )


def _type(kind: pa.DataType) -> Sql:
    return Sql(sql_type(stored_type(kind) or TEXT))


def _run(warehouse: Warehouse, sql: Sql) -> None:
    warehouse.execute(translated(sql, warehouse.dialect))
