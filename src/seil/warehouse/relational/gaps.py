"""Columns of a table that a file lacks: their last values are kept.

A field that was removed, or that the user may not read any more, is missing from later files.
Before such files are merged, its values in the table are copied to `seil_kept`, each with the
stamps of its version; seil.warehouse.relational.overlays overlays them on the new versions.
`seil_gaps.<table>` logs the columns that each file lacks, so that the newest version that has the
column counts, in whatever order files arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.relational.overlays import GAPS_SCHEMA, KEPT_SCHEMA, OWN_COLUMNS, overlay_table
from seil.warehouse.relational.row_merge import merge_rows
from seil.warehouse.relational.versions_sql import STAMPS, version_order
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.warehouse.merges import MergeOutcome, Records, StagedFile
    from seil.warehouse.relational.database import RelationalDatabase

_COLUMNS = pa.schema([pa.field("file", TEXT), pa.field("columns", TEXT)])
# A row with this file logs columns whose values are already in `seil_kept`.
_KEPT = ""
_COPY = "_seil_kept"


@dataclass(frozen=True)
class Gaps:
    """Part of a merge of whole versions, in its transaction: call `store_values` before it and
    `store_losers` after it.
    """

    database: RelationalDatabase
    records: Records

    def store_values(self, files: Sequence[StagedFile]) -> bool:
        """Returns whether any of the files lacks a column."""
        columns = self.database.columns(self.records.table)
        if columns is None:
            return False
        missing = {
            file.file: frozenset(columns.names).difference(
                file.columns, OWN_COLUMNS, self.records.given_up
            )
            for file in files
        }
        gaps = {file: names for file, names in missing.items() if names}
        if not gaps:
            return False
        self.database.create_table(self._log_table, _COLUMNS)
        for names in set(gaps.values()):
            self._store(names, columns)
        self._log_gaps(gaps)
        return True

    def store_losers(
        self, files: Iterable[StagedFile], outcomes: Mapping[str, MergeOutcome]
    ) -> None:
        """A superseded version may be the newest that has a column."""
        if self.database.columns(self._log_table) is None:
            return
        logged = self._logged_columns()
        table, key = self.records.table, self.records.key
        for file in files:
            columns = {n: c for n, c in file.columns.items() if n in {*logged, *STAMPS, key}}
            self._remove_kept(columns.keys() & logged)
            if outcomes[file.key].superseded and columns.keys() & logged:
                schema = self.database.columns(table)
                types = {n: schema.field(n).type for n in columns} if schema is not None else {}
                loser = replace(file, columns=columns)
                merge_rows(self.database, self._overlay_table(types), [loser], key=key)

    @property
    def _log_table(self) -> TableName:
        return _gaps_of(self.records.table)

    def _log_gaps(self, gaps: Mapping[str, Collection[str]]) -> None:
        rows = [{"file": file, "columns": _encode(names)} for file, names in gaps.items()]
        self.database.append(self._log_table, pa.Table.from_pylist(rows, schema=_COLUMNS))

    def _store(self, names: Collection[str], columns: pa.Schema) -> None:
        """Copies the table's values of these columns, unless they are kept already. Records are
        grouped by which of the columns their files have: values of the others are kept from an
        earlier version.
        """
        stored = self._column("SELECT columns FROM {log} WHERE file = {kept}", kept=_KEPT)
        if _encode(names) in stored:
            return
        files = self._column(
            "SELECT DISTINCT string_agg(columns, '') FROM {log} WHERE file <> {kept} GROUP BY file",
            kept=_KEPT,
        )
        groups = {frozenset(n for n in names if f"|{n}|" in gaps) for gaps in ["", *files]}
        for lacks in groups:
            if present := frozenset(names) - lacks:
                self._store_present(present, lacks, columns)
        self._log_gaps({_KEPT: names})

    def _store_present(
        self, present: Collection[str], lacks: Collection[str], columns: pa.Schema
    ) -> None:
        """Copies values of records whose files have the columns `present` and lack `lacks`."""
        key, table = self.records.key, self.records.table
        stamps = [name for name in STAMPS if name in columns.names]
        names = sorted({*present, *stamps})
        types = {key: TEXT, **{name: columns.field(name).type for name in names}}
        overlay = self._overlay_table(types)
        values = [compose("t.{name}", name=SqlName(name)) for name in (*types, *OWN_COLUMNS)]
        select = compose(
            """
            SELECT {values} FROM {table} AS t
            LEFT JOIN {overlay} AS w ON w.{key} = t.{key}
            LEFT JOIN (SELECT file, string_agg(columns, '') AS columns FROM {log} GROUP BY file)
                AS g ON g.file = t._file
            WHERE (w.{key} IS NOT NULL OR {any})
            AND (w.{key} IS NULL OR {kept} < {version})
            AND {same}""",
            values=join(", ", values),
            table=table,
            overlay=overlay,
            key=SqlName(key),
            log=self._log_table,
            any=join(" OR ", (compose("t.{n} IS NOT NULL", n=SqlName(n)) for n in sorted(present))),
            kept=version_order(self.database.forms, pa.schema(types), "w"),
            version=version_order(self.database.forms, columns, "t"),
            same=_same_gaps(present, lacks),
        )
        self.database.create_temporary(_COPY, select)
        parts: dict[str, str | TableName] = {
            "overlay": overlay,
            "key": SqlName(key),
            "copy": self.database.forms.temporary(_COPY),
            "columns": join(", ", map(quote, (*types, *OWN_COLUMNS))),
        }
        self._run("DELETE FROM {overlay} WHERE {key} IN (SELECT {key} FROM {copy})", **parts)
        self._run("INSERT INTO {overlay} ({columns}) SELECT {columns} FROM {copy}", **parts)
        self.database.drop_temporary(_COPY)

    def _overlay_table(self, types: Mapping[str, pa.DataType]) -> TableName:
        overlay = overlay_table(self.records.table, types, KEPT_SCHEMA)
        self.database.create_table(overlay, pa.schema({**types, **OWN_COLUMNS}))
        return overlay

    def _remove_kept(self, names: Collection[str]) -> None:
        """The table has newer values of these columns: they are copied again when needed."""
        if names:
            self._run(
                "DELETE FROM {log} WHERE file = {kept} AND ({newer})",
                log=self._log_table,
                kept=_KEPT,
                newer=join(" OR ", (_lacks_column("columns", name) for name in sorted(names))),
            )

    def _logged_columns(self) -> set[str]:
        rows = self._column("SELECT DISTINCT columns FROM {log}")
        return {name for columns in rows for name in columns.split("|") if name}

    def _column(self, select: str, **parts: str) -> list[str]:
        values = self.database.query(compose(select, log=self._log_table, **parts))
        return [str(value) for value in values.column(0).to_pylist()]

    def _run(self, template: str, **parts: str | TableName) -> None:
        self.database.execute(compose(template, **parts))


def log_new_columns(database: RelationalDatabase, table: TableName, names: Collection[str]) -> None:
    """Logs them as missing from every file merged so far."""
    database.create_table(_gaps_of(table), _COLUMNS)
    insert = "INSERT INTO {log} SELECT DISTINCT _file, {columns} FROM {table}"
    database.execute(compose(insert, log=_gaps_of(table), columns=_encode(names), table=table))


def _gaps_of(table: TableName) -> TableName:
    return TableName(GAPS_SCHEMA, table.name)


def _same_gaps(present: Collection[str], lacks: Collection[str]) -> Sql:
    return join(
        " AND ",
        (
            compose("{lacks} = {value}", lacks=lacks_column, value=Sql(value))
            for group, value in ((present, "false"), (lacks, "true"))
            for lacks_column in (
                _lacks_column("coalesce(g.columns, '')", name) for name in sorted(group)
            )
        ),
    )


def _lacks_column(columns: str, name: str) -> Sql:
    """Whether the logged columns include the name."""
    return Sql(f"(strpos({columns}, {literal(f'|{name}|')}) > 0)")


def _encode(names: Collection[str]) -> str:
    return f"|{'|'.join(sorted(names))}|"
