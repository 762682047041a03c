"""Columns that a file does not have, while the table does: of them it says nothing.

A field that this user may not read any more, or that is gone, is in no file from then on. The
values that were read last are kept: before files without it are merged, those of the table go to
`seil_kept`, each with the stamps of its version, and seil.warehouse.duckdb.overlays lays them over
the new versions. `seil_gaps.<table>` names the columns that a file lacks, so that of two versions
the newer one that has the column counts, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.duckdb.overlays import GAPS_SCHEMA, KEPT_SCHEMA, OWN_COLUMNS, overlay_table
from seil.warehouse.duckdb.versions_sql import STAMPS, version_order
from seil.warehouse.sql import Sql, SqlName, compose, join, literal
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.merges import MergeOutcome, Records, StagedFile

_COLUMNS = pa.schema([pa.field("file", TEXT), pa.field("columns", TEXT)])
# The row of no file: values of these columns are kept as far as the table has any.
_KEPT = ""


@dataclass(frozen=True)
class Gaps:
    """Runs in the transaction of a merge of whole versions: `store_values` before it,
    `store_losers` after it.
    """

    database: EmbeddedDatabase
    records: Records

    def store_values(self, files: Sequence[StagedFile]) -> bool:
        """Whether any of the files lacks a column."""
        columns = self.database.columns(self.records.table)
        if columns is None:
            return False
        lacking = {
            file.file: frozenset(columns.names).difference(
                file.columns, OWN_COLUMNS, self.records.given_up
            )
            for file in files
        }
        gaps = {name: lacked for name, lacked in lacking.items() if lacked}
        if not gaps:
            return False
        self.database.create_table(self._log_table, _COLUMNS)
        for names in set(gaps.values()):
            self._store(names, columns)
        self._note(gaps)
        return True

    def store_losers(
        self, files: Iterable[StagedFile], outcomes: Mapping[str, MergeOutcome]
    ) -> None:
        """A version that came late may be the last to have a column."""
        if self.database.columns(self._log_table) is None:
            return
        noted = self._logged_columns()
        table, key = self.records.table, self.records.key
        for file in files:
            wanted = {n: c for n, c in file.columns.items() if n in {*noted, *STAMPS, key}}
            self._forget(wanted.keys() & noted)
            if outcomes[file.key].superseded and wanted.keys() & noted:
                columns = self.database.columns(table)
                types = {n: columns.field(n).type for n in wanted} if columns is not None else {}
                loser = replace(file, columns=wanted)
                self.database.merge_rows(self._overlay_table(types), [loser], key=key)

    @property
    def _log_table(self) -> TableName:
        return _gaps_of(self.records.table)

    def _note(self, gaps: Mapping[str, Collection[str]]) -> None:
        rows = [{"file": file, "columns": _written(names)} for file, names in gaps.items()]
        self.database.append(self._log_table, pa.Table.from_pylist(rows, schema=_COLUMNS))

    def _store(self, names: Collection[str], columns: pa.Schema) -> None:
        """What the table says of these columns, unless it is kept already. Records whose files have
        the same of them go together: the others are of an earlier version, and kept with that.
        """
        noted = self._column("SELECT columns FROM {noted} WHERE file = {kept}", kept=_KEPT)
        if _written(names) in noted:
            return
        files = self._column(
            "SELECT DISTINCT string_agg(columns, '') FROM {noted} WHERE file <> {kept}"
            " GROUP BY file",
            kept=_KEPT,
        )
        lacked = {frozenset(n for n in names if f"|{n}|" in written) for written in ["", *files]}
        for lacks in lacked:
            if present := frozenset(names) - lacks:
                self._store_present(present, lacks, columns)
        self._note({_KEPT: names})

    def _store_present(
        self, present: Collection[str], lacks: Collection[str], columns: pa.Schema
    ) -> None:
        """Of the records whose files have the columns `present`, and not those that it `lacks`."""
        key, table = self.records.key, self.records.table
        stamps = [name for name in STAMPS if name in columns.names]
        names = sorted({*present, *stamps})
        types = {key: TEXT, **{name: columns.field(name).type for name in names}}
        apart = self._overlay_table(types)
        values = [compose("t.{name}", name=SqlName(name)) for name in (*types, *OWN_COLUMNS)]
        self._run(
            """
            CREATE OR REPLACE TEMP TABLE _seil_kept AS
            SELECT {values} FROM {table} AS t
            LEFT JOIN {apart} AS w ON w.{key} = t.{key}
            LEFT JOIN (SELECT file, string_agg(columns, '') AS columns FROM {noted} GROUP BY file)
                AS g ON g.file = t._file
            WHERE (w.{key} IS NOT NULL OR {any})
            AND (w.{key} IS NULL OR {kept} < {version})
            AND {same}""",
            values=join(", ", values),
            table=table,
            apart=apart,
            key=SqlName(key),
            noted=self._log_table,
            any=join(" OR ", (compose("t.{n} IS NOT NULL", n=SqlName(n)) for n in sorted(present))),
            kept=version_order(pa.schema(types), "w"),
            version=version_order(columns, "t"),
            same=_same_gaps(present, lacks),
        )
        self._run(
            "DELETE FROM {apart} WHERE {key} IN (SELECT {key} FROM temp.main._seil_kept)",
            apart=apart,
            key=SqlName(key),
        )
        self._run("INSERT INTO {apart} BY NAME FROM temp.main._seil_kept", apart=apart)
        self._run("DROP TABLE temp.main._seil_kept")

    def _overlay_table(self, types: Mapping[str, pa.DataType]) -> TableName:
        apart = overlay_table(self.records.table, types, KEPT_SCHEMA)
        self.database.create_table(apart, pa.schema({**types, **OWN_COLUMNS}))
        return apart

    def _forget(self, names: Collection[str]) -> None:
        """The table has newer values of them."""
        if names:
            self._run(
                "DELETE FROM {noted} WHERE file = {kept} AND ({newer})",
                noted=self._log_table,
                kept=_KEPT,
                newer=join(" OR ", (_lacks_column("columns", name) for name in sorted(names))),
            )

    def _logged_columns(self) -> set[str]:
        noted = self._column("SELECT DISTINCT columns FROM {noted}")
        return {name for written in noted for name in written.split("|") if name}

    def _column(self, select: str, **parts: str) -> list[str]:
        values = self.database.query(compose(select, noted=self._log_table, **parts))
        return [str(value) for value in values.column(0).to_pylist()]

    def _run(self, template: str, **parts: str | TableName) -> None:
        self.database.execute(compose(template, **parts))


def note_new_columns(database: EmbeddedDatabase, table: TableName, names: Collection[str]) -> None:
    """No file that was merged so far has them."""
    database.create_table(_gaps_of(table), _COLUMNS)
    insert = "INSERT INTO {noted} SELECT DISTINCT _file, {columns} FROM {table}"
    database.execute(compose(insert, noted=_gaps_of(table), columns=_written(names), table=table))


def _gaps_of(table: TableName) -> TableName:
    return TableName(GAPS_SCHEMA, table.name)


def _same_gaps(present: Collection[str], lacks: Collection[str]) -> Sql:
    return join(
        " AND ",
        (
            compose("{lacks} = {is_lacked}", lacks=lacked, is_lacked=Sql(value))
            for group, value in ((present, "false"), (lacks, "true"))
            for lacked in (_lacks_column("coalesce(g.columns, '')", name) for name in sorted(group))
        ),
    )


def _lacks_column(written: str, name: str) -> Sql:
    """Whether the columns that were written down have the name among them."""
    return Sql(f"contains({written}, {literal(f'|{name}|')})")


def _written(names: Collection[str]) -> str:
    return f"|{'|'.join(sorted(names))}|"
