"""What partial files tell of the current records: `isdeleted`, and the values of formulas.

They are kept apart: `seil_deletions.<table>` holds every deletion that was reported,
`seil_formulas.<table>_<columns>` the newest values of each record. A current record is what its
newest version says, with these laid over it where they were read later. So neither the order of
files nor a repeat makes a difference: an older version that arrives late is laid over again, and a
record that was seen alive after its deletion was read is alive, whether or not its stamp moved.

`seil_kept.<table>_<columns>` holds what whole versions said of columns that other files lack: see
seil.sf_to_dw.load.gaps. Such a value is as old as its version, whenever the file landed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.sf_to_dw.extract.flows import OWN_CURATED, PARTIAL_MODES
from seil.sf_to_dw.extract.partials import DELETIONS
from seil.sf_to_dw.load.changes import change_log, record_change
from seil.warehouse.protocol import EXTRACTED_AT, FILE, ChangeLog, Outcome, TableName
from seil.warehouse.sql import Name, Sql, compose, joined, literal, translated
from seil.warehouse.types import TEXT, TIMESTAMP, sql_type, stored_type

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.warehouse.protocol import Warehouse

DELETIONS_SCHEMA = "seil_deletions"
FORMULAS_SCHEMA = "seil_formulas"
GAPS_SCHEMA = "seil_gaps"
KEPT_SCHEMA = "seil_kept"
OWN_COLUMNS: dict[str, pa.DataType] = {EXTRACTED_AT: TIMESTAMP, FILE: TEXT}
_NONE = pa.schema([])
_PATCH = Sql("temp.main._seil_patch")


def merge_partials(
    warehouse: Warehouse, table: TableName, files: Sequence[CuratedFile], *, key: str
) -> Mapping[str, Outcome]:
    """What the partial ones among the files tell, kept apart. `inserted` in their outcomes is what
    nothing had been told of: deletions, or records with formulas.
    """
    outcomes: dict[str, Outcome] = {}
    for file in files:
        if file.mode not in PARTIAL_MODES:
            continue
        types = {name: stored_type(c.type) or TEXT for name, c in file.columns.items()}
        apart = deletions_of(table) if file.mode == DELETIONS else table_apart(table, types)
        warehouse.create_table(apart, pa.schema({**types, **OWN_COLUMNS}))
        # An earlier deletion can be the one that counts, where a later one was taken back.
        every = file.mode == DELETIONS
        outcomes |= warehouse.merge(apart, [file.staged], key=key, every_version=every)
    return outcomes


@dataclass(frozen=True)
class PartialTables:
    """Which tables there are, since listing them takes longer than a small merge."""

    deletions: frozenset[str]
    formulas: tuple[str, ...]
    gaps: frozenset[str]
    kept: tuple[str, ...]

    def values_of(self, table: TableName) -> list[TableName]:
        """Tables with values to lay over the records of this one."""
        names = {FORMULAS_SCHEMA: self.formulas, KEPT_SCHEMA: self.kept}
        return [
            TableName(schema, name)
            for schema, listed in names.items()
            for name in listed
            if name.rpartition("_")[0] == table.name
        ]


def partial_tables(warehouse: Warehouse) -> PartialTables:
    return PartialTables(
        frozenset(warehouse.tables(DELETIONS_SCHEMA)),
        tuple(warehouse.tables(FORMULAS_SCHEMA)),
        frozenset(warehouse.tables(GAPS_SCHEMA)),
        tuple(warehouse.tables(KEPT_SCHEMA)),
    )


def deletions_of(table: TableName) -> TableName:
    return TableName(DELETIONS_SCHEMA, table.name)


def table_apart(
    table: TableName, types: Mapping[str, pa.DataType], schema: str = FORMULAS_SCHEMA
) -> TableName:
    """Values of the same columns and types share a table, so that none of its nulls is a gap."""
    told = repr(sorted((name, str(kind)) for name, kind in types.items()))
    name = f"{table.name}_{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return TableName(schema, name)


def lay_partials_over(
    warehouse: Warehouse,
    table: TableName,
    key: str,
    among: PartialTables,
    *,
    files: Collection[str],
) -> None:
    """After each merge of `files`, in its transaction: into whatever records it is newer than, and
    those whose files say nothing of the column.
    """
    apart = among.values_of(table)
    if not apart and table.name not in among.deletions:
        return
    columns = warehouse.columns(table)
    if columns is None:
        return
    if table.name in among.deletions:
        if "isdeleted" not in columns.names:
            warehouse.add_column(table, pa.field("isdeleted", pa.bool_()))
            columns = columns.append(pa.field("isdeleted", pa.bool_()))
        _patch(warehouse, table, key, _deleted(table, deletions_of(table), key, columns))
    gaps = TableName(GAPS_SCHEMA, table.name) if table.name in among.gaps else None
    for group, told in _groups(warehouse, apart, key).items():
        names = [name for name in told if name in columns.names]
        if names:
            overlay = _Overlay(table, key, columns, gaps, frozenset(files))
            _patch(warehouse, table, key, overlay.patch(warehouse, group, names))


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


def version_order(columns: pa.Schema, alias: str) -> Sql:
    """A row that compares as a merge does: see seil.warehouse.duckdb.merge_sql."""
    modified = [pa.field(n, TEXT) for n in columns.names if n == "lastmodifieddate"]
    return compose(
        "row({stamp}, {modified}, {t}._extracted_at, {t}._file)",
        stamp=version_stamp(columns, alias),
        modified=version_stamp(pa.schema(modified), alias),
        t=Sql(alias),
    )


def _groups(
    warehouse: Warehouse, tables: Iterable[TableName], key: str
) -> dict[tuple[TableName, ...], list[str]]:
    """Columns by the tables that tell of them: one table, unless formulas came or went."""
    tellers: dict[str, tuple[TableName, ...]] = {}
    for apart in tables:
        columns = warehouse.columns(apart)
        for column in columns.names if columns is not None else ():
            if column not in (key, *OWN_COLUMNS):
                tellers[column] = (*tellers.get(column, ()), apart)
    groups: dict[tuple[TableName, ...], list[str]] = {}
    for column, group in tellers.items():
        groups.setdefault(group, []).append(column)
    return groups


@dataclass(frozen=True)
class _Overlay:
    """Of values kept apart over the records of a table that `files` have touched."""

    table: TableName
    key: str
    columns: pa.Schema
    gaps: TableName | None
    files: frozenset[str]

    def patch(self, warehouse: Warehouse, group: Sequence[TableName], names: Sequence[str]) -> Sql:
        """Per record the newest value that was read by itself, where it is newer than the record's
        version, and the newest that a whole version had, where its newest does not have the column;
        those that differ from the table.
        """
        values = {name: self._value(name) for name in names}
        return compose(
            """
            WITH newest AS (
                SELECT * FROM (
                    SELECT *, row_number() OVER (
                        PARTITION BY {key}, _seil_kept ORDER BY _seil_version DESC
                    ) AS _seil_place
                    FROM ({listed}) WHERE {key} IN ({touched})
                ) WHERE _seil_place = 1
            )
            SELECT * FROM (
                SELECT t.{key} AS {key}, {settled}
                FROM (SELECT DISTINCT {key} FROM newest) AS n JOIN {table} AS t ON t.{key} = n.{key}
                LEFT JOIN (SELECT * FROM newest WHERE NOT _seil_kept) AS o ON o.{key} = t.{key}
                LEFT JOIN (SELECT * FROM newest WHERE _seil_kept) AS w ON w.{key} = t.{key} {gaps}
                WHERE {differs})""",
            key=Name(self.key),
            settled=joined(
                ", ", (compose("{v} AS {n}", v=v, n=Name(n)) for n, v in values.items())
            ),
            listed=joined(" UNION ALL ", (self._listed(warehouse, a, names) for a in group)),
            touched=self._touched(group),
            table=self.table,
            gaps=self._joined_gaps(),
            differs=joined(
                " OR ",
                (compose("t.{n} IS DISTINCT FROM {v}", n=Name(n), v=v) for n, v in values.items()),
            ),
        )

    def _listed(self, warehouse: Warehouse, apart: TableName, names: Sequence[str]) -> Sql:
        """`_seil_read_at` is when the org said so, as far as that is known."""
        is_kept = apart.schema == KEPT_SCHEMA
        stamps = (warehouse.columns(apart) or _NONE) if is_kept else _NONE
        return compose(
            """
            SELECT {key}, {values}, {is_kept} AS _seil_kept, {version} AS _seil_version,
                   CASE WHEN {is_kept} AND NOT regexp_matches(a._file, {own})
                        THEN {stamp} ELSE a._extracted_at END AS _seil_read_at
            FROM {apart} AS a""",
            key=Name(self.key),
            values=joined(
                ", ", _values({name: _type(self.columns.field(name).type) for name in names})
            ),
            is_kept=Sql(str(is_kept).lower()),
            version=version_order(stamps, "a"),
            own=OWN_CURATED,
            stamp=version_stamp(stamps, "a"),
            apart=apart,
        )

    def _value(self, name: str) -> Sql:
        lacks = Sql("false")
        if self.gaps:
            lacks = compose("coalesce(contains(g.columns, {name}), false)", name=f"|{name}|")
        return compose(
            """
            CASE WHEN o.{key} IS NOT NULL AND CASE
                     WHEN {lacks} THEN w.{key} IS NULL OR o._seil_read_at >= w._seil_read_at
                     ELSE o._seil_read_at >= t._extracted_at END THEN o.{n}
                 WHEN {lacks} AND w.{key} IS NOT NULL THEN w.{n}
                 ELSE t.{n} END""",
            key=Name(self.key),
            lacks=lacks,
            n=Name(name),
        )

    def _joined_gaps(self) -> Sql:
        if self.gaps is None:
            return Sql("")
        return compose(
            "LEFT JOIN (SELECT file, string_agg(columns, '') AS columns FROM {gaps} GROUP BY file)"
            " AS g ON g.file = t._file",
            gaps=self.gaps,
        )

    def _touched(self, group: Sequence[TableName]) -> Sql:
        files = joined(", ", map(literal, sorted(self.files)))
        return joined(
            " UNION ALL ",
            (
                compose(
                    "SELECT {key} FROM {place} WHERE _file IN ({files})",
                    key=Name(self.key),
                    place=place,
                    files=files,
                )
                for place in (self.table, *group)
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
