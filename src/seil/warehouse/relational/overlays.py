"""Overlays of the current records.

Deletions from lists, values of single columns, and values of columns that newer files lack.

They have tables of their own: `seil_deletions.<table>` holds every reported deletion,
`seil_formulas.<table>_<columns>` the newest values of each record, and
`seil_kept.<table>_<columns>` values in whole versions of columns that other files lack: see
seil.warehouse.relational.gaps. Values of the last kind are as old as their version, whenever its
file landed. A current record is its newest version with the overlays that were read later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE, MergeOutcome, Records, StagedFile
from seil.warehouse.relational.row_merge import merge_rows
from seil.warehouse.relational.versions_sql import (
    is_timed,
    stays_deleted,
    version_order,
    version_stamp,
)
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, TIMESTAMP, stored_type

if TYPE_CHECKING:
    from seil.warehouse.relational.change_log import ChangeLog
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.relational.forms import SqlForms

DELETIONS_SCHEMA = "seil_deletions"
VALUES_SCHEMA = "seil_formulas"
GAPS_SCHEMA = "seil_gaps"
KEPT_SCHEMA = "seil_kept"
OWN_COLUMNS: dict[str, pa.DataType] = {EXTRACTED_AT: TIMESTAMP, FILE: TEXT}
_NONE = pa.schema([])
_PATCH = "_seil_patch"


@dataclass(frozen=True)
class OverlayTables:
    """Names of the overlay tables; listing them takes longer than a small merge."""

    deletions: frozenset[str]
    values: tuple[str, ...]
    gaps: frozenset[str]
    last_values: tuple[str, ...]

    def values_of(self, table: TableName) -> list[TableName]:
        """Tables with values that overlay this table's records."""
        names = {VALUES_SCHEMA: self.values, KEPT_SCHEMA: self.last_values}
        return [
            TableName(schema, name)
            for schema, tables in names.items()
            for name in tables
            if name.rpartition("_")[0] == table.name
        ]


def overlay_tables(database: RelationalDatabase) -> OverlayTables:
    return OverlayTables(
        frozenset(database.tables(DELETIONS_SCHEMA)),
        tuple(database.tables(VALUES_SCHEMA)),
        frozenset(database.tables(GAPS_SCHEMA)),
        tuple(database.tables(KEPT_SCHEMA)),
    )


def store_overlays(
    database: RelationalDatabase, records: Records, files: Sequence[StagedFile]
) -> Mapping[str, MergeOutcome]:
    """Stores the files' deletions and values. `inserted` in the outcomes counts rows that are new
    to the overlay table.
    """
    outcomes: dict[str, MergeOutcome] = {}
    for file in files:
        types = {name: stored_type(c.type) or TEXT for name, c in file.columns.items()}
        # An earlier deletion may count where a later one was revoked.
        is_deletion = file.holds == "deletions"
        overlay = (
            _deletions_of(records.table) if is_deletion else overlay_table(records.table, types)
        )
        database.create_table(overlay, pa.schema({**types, **OWN_COLUMNS}))
        outcomes |= merge_rows(
            database, overlay, [file], key=records.key, every_version=is_deletion
        )
    return outcomes


def overlay_table(
    table: TableName, types: Mapping[str, pa.DataType], schema: str = VALUES_SCHEMA
) -> TableName:
    """One table per set of columns and types, so that a null in it is a value."""
    described = repr(sorted((name, str(kind)) for name, kind in types.items()))
    name = f"{table.name}_{hashlib.sha256(described.encode()).hexdigest()[:8]}"
    return TableName(schema, name)


def _deletions_of(table: TableName) -> TableName:
    return TableName(DELETIONS_SCHEMA, table.name)


@dataclass(frozen=True)
class Overlay:
    """Applied after each merge, in its transaction; logs changed records to `log`."""

    database: RelationalDatabase
    records: Records
    log: ChangeLog | None = None

    def apply(self, tables: OverlayTables, files: Iterable[str]) -> None:
        """Overlays the records that `files` touched."""
        table = self.records.table
        overlay = tables.values_of(table)
        has_deletions = table.name in tables.deletions
        columns = self.database.columns(table) if overlay or has_deletions else None
        if columns is None:
            return
        if has_deletions:
            if "isdeleted" not in columns.names:
                self.database.add_column(table, pa.field("isdeleted", pa.bool_()))
                columns = columns.append(pa.field("isdeleted", pa.bool_()))
            self._patch(self._deletions(columns))
        gaps = TableName(GAPS_SCHEMA, table.name) if table.name in tables.gaps else None
        for group, names in self._groups(overlay).items():
            if names := [name for name in names if name in columns.names]:
                values = _Values(self.database, self.records, columns, gaps, frozenset(files))
                self._patch(values.patch(group, names))

    def _deletions(self, columns: pa.Schema) -> Sql:
        forms = self.database.forms
        stamp = version_stamp(forms, columns, "t")
        return compose(
            """
            SELECT t.{key} AS {key}, CAST(true AS {type}) AS isdeleted
            FROM {table} AS t
            WHERE coalesce({deleted}, false) = false
            AND EXISTS (SELECT 1 FROM {deletions} AS d WHERE d.{key} = t.{key} AND {holds})""",
            key=SqlName(self.records.key),
            type=_type(forms, columns.field("isdeleted").type),
            deleted=forms.try_cast(Sql("t.isdeleted"), pa.bool_()),
            table=self.records.table,
            deletions=_deletions_of(self.records.table),
            holds=stays_deleted(forms, self.records, record="t", deletion="d", stamp=stamp),
        )

    def _groups(self, tables: Iterable[TableName]) -> dict[tuple[TableName, ...], list[str]]:
        """Columns by the tables that have them: one table, unless columns were added or removed."""
        holders: dict[str, tuple[TableName, ...]] = {}
        for overlay in tables:
            columns = self.database.columns(overlay)
            for column in columns.names if columns is not None else ():
                if column not in (self.records.key, *OWN_COLUMNS):
                    holders[column] = (*holders.get(column, ()), overlay)
        groups: dict[tuple[TableName, ...], list[str]] = {}
        for column, group in holders.items():
            groups.setdefault(group, []).append(column)
        return groups

    def _patch(self, patch: Sql) -> None:
        """Updates the records that `patch` names with its values."""
        database, key = self.database, self.records.key
        database.create_temporary(_PATCH, patch)
        stored = database.forms.temporary(_PATCH)
        first = database.query(compose("SELECT * FROM {patch} LIMIT 1", patch=stored))
        if first.num_rows:
            self._log(is_old=True)
            settings = (
                compose("{name} = p.{name}", name=SqlName(name))
                for name in first.column_names
                if name != key
            )
            database.execute(
                compose(
                    "UPDATE {table} AS t SET {settings} FROM {patch} AS p WHERE t.{key} = p.{key}",
                    table=self.records.table,
                    settings=join(", ", settings),
                    patch=stored,
                    key=SqlName(key),
                )
            )
            self._log(is_old=False)
        database.drop_temporary(_PATCH)

    def _log(self, *, is_old: bool) -> None:
        if not self.log:
            return
        self.database.execute(
            compose(
                """
                INSERT INTO {log} (_sequence, _is_old, {names})
                SELECT {sequence}, {is_old}, {columns}
                FROM {table} AS t WHERE t.{key} IN (SELECT {key} FROM {patch})""",
                log=self.log.table,
                sequence=self.log.sequence,
                is_old=Sql(str(is_old).lower()),
                names=join(", ", map(quote, self.log.columns)),
                columns=join(
                    ", ", (compose("t.{name}", name=SqlName(name)) for name in self.log.columns)
                ),
                table=self.records.table,
                key=SqlName(self.records.key),
                patch=self.database.forms.temporary(_PATCH),
            )
        )


@dataclass(frozen=True)
class _Values:
    """Overlay values for the records of a table that `files` touched."""

    database: RelationalDatabase
    records: Records
    columns: pa.Schema
    gaps: TableName | None
    files: frozenset[str]

    def patch(self, group: Sequence[TableName], names: Sequence[str]) -> Sql:
        """Per record, the newest single value where it is newer than the record's version, and the
        newest of whole versions where the newest version lacks the column; only those that differ
        from the table.
        """
        values = {name: self._value(name) for name in names}
        return compose(
            """
            WITH newest AS (
                SELECT * FROM (
                    SELECT *, row_number() OVER (
                        PARTITION BY {key}, _seil_kept ORDER BY _seil_version DESC
                    ) AS _seil_place
                    FROM ({listed}) AS listed WHERE {key} IN ({touched})
                ) AS placed WHERE _seil_place = 1
            )
            SELECT * FROM (
                SELECT t.{key} AS {key}, {settled}
                FROM (SELECT DISTINCT {key} FROM newest) AS n JOIN {table} AS t ON t.{key} = n.{key}
                LEFT JOIN (SELECT * FROM newest WHERE NOT _seil_kept) AS o ON o.{key} = t.{key}
                LEFT JOIN (SELECT * FROM newest WHERE _seil_kept) AS w ON w.{key} = t.{key} {gaps}
                WHERE {differs}) AS settled""",
            key=SqlName(self.records.key),
            settled=join(
                ", ", (compose("{v} AS {n}", v=v, n=SqlName(n)) for n, v in values.items())
            ),
            listed=join(" UNION ALL ", (self._values_select(a, names) for a in group)),
            touched=self._touched_keys(group),
            table=self.records.table,
            gaps=self._joined_gaps(),
            differs=join(
                " OR ",
                (
                    compose("t.{n} IS DISTINCT FROM {v}", n=SqlName(n), v=v)
                    for n, v in values.items()
                ),
            ),
        )

    def _values_select(self, overlay: TableName, names: Sequence[str]) -> Sql:
        """`_seil_read_at` is when the source was read, as far as that is known."""
        is_kept = overlay.schema == KEPT_SCHEMA
        stamps = (self.database.columns(overlay) or _NONE) if is_kept else _NONE
        forms = self.database.forms
        return compose(
            """
            SELECT {key}, {values}, {is_kept} AS _seil_kept, {version} AS _seil_version,
                   CASE WHEN {is_kept} AND NOT {timed}
                        THEN {stamp} ELSE a._extracted_at END AS _seil_read_at
            FROM {overlay} AS a""",
            key=SqlName(self.records.key),
            values=join(
                ", ", _values({name: _type(forms, self.columns.field(name).type) for name in names})
            ),
            is_kept=Sql(str(is_kept).lower()),
            version=version_order(forms, stamps, "a"),
            timed=is_timed(forms, self.records, "a"),
            stamp=version_stamp(forms, stamps, "a"),
            overlay=overlay,
        )

    def _value(self, name: str) -> Sql:
        lacks = Sql("false")
        if self.gaps:
            lacks = compose("coalesce(strpos(g.columns, {name}) > 0, false)", name=f"|{name}|")
        return compose(
            """
            CASE WHEN o.{key} IS NOT NULL AND CASE
                     WHEN {lacks} THEN w.{key} IS NULL OR o._seil_read_at >= w._seil_read_at
                     ELSE o._seil_read_at >= t._extracted_at END THEN o.{n}
                 WHEN {lacks} AND w.{key} IS NOT NULL THEN w.{n}
                 ELSE t.{n} END""",
            key=SqlName(self.records.key),
            lacks=lacks,
            n=SqlName(name),
        )

    def _joined_gaps(self) -> Sql:
        if self.gaps is None:
            return Sql("")
        return compose(
            "LEFT JOIN (SELECT file, string_agg(columns, '') AS columns FROM {gaps} GROUP BY file)"
            " AS g ON g.file = t._file",
            gaps=self.gaps,
        )

    def _touched_keys(self, group: Sequence[TableName]) -> Sql:
        files = join(", ", map(literal, sorted(self.files)))
        return join(
            " UNION ALL ",
            (
                compose(
                    "SELECT {key} FROM {place} WHERE _file IN ({files})",
                    key=SqlName(self.records.key),
                    place=place,
                    files=files,
                )
                for place in (self.records.table, *group)
            ),
        )


def _values(types: Mapping[str, Sql]) -> Iterator[Sql]:
    for name, kind in types.items():
        yield compose("CAST({name} AS {type}) AS {name}", name=SqlName(name), type=kind)


def _type(forms: SqlForms, kind: pa.DataType) -> Sql:
    return forms.type_name(stored_type(kind) or TEXT)
