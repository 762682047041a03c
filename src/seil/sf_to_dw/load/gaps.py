"""Columns that a file does not have, while the table does: of them it says nothing.

A field that this user may not read any more, or that is gone, is in no file from then on. The
values that were read last are kept: before files without it are merged, those of the table go to
`seil_kept`, each with the stamps of its version, and seil.sf_to_dw.load.partials lays them over the
new versions. `seil_gaps.<table>` names the columns that a file lacks, so that of two versions the
newer one that has the column counts, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.sf_to_dw.extract.flows import PARTIAL_MODES
from seil.sf_to_dw.load.partials import (
    GAPS_SCHEMA,
    KEPT_SCHEMA,
    OWN_COLUMNS,
    table_apart,
    version_order,
)
from seil.sf_to_dw.schema.column_names import missing_columns
from seil.warehouse.protocol import Outcome, TableName
from seil.warehouse.sql import Name, Sql, compose, joined, literal, translated
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.types import Column

_COLUMNS = pa.schema([pa.field("file", TEXT), pa.field("columns", TEXT)])
# The row of no file: values of these columns are kept as far as the table has any.
_KEPT = ""
# They tell which version is the newer one.
_STAMPS = ("systemmodstamp", "lastmodifieddate")


class Gaps:
    """Of one table, in the transaction of a merge: `keep_values` before it, `keep_losers` after.

    `decided` are columns that somebody has chosen not to fill any more.
    """

    def __init__(
        self, warehouse: Warehouse, table: TableName, key: str, *, decided: Collection[str] = ()
    ) -> None:
        self._decided = frozenset(decided)
        self._warehouse = warehouse
        self._table = table
        self._key = key
        self._noted = TableName(GAPS_SCHEMA, table.name)

    def keep_values(self, files: Sequence[CuratedFile]) -> bool:
        """Whether any of the files lacks a column."""
        columns = self._warehouse.columns(self._table)
        if columns is None:
            return False
        lacking = {
            file.key: frozenset(columns.names).difference(
                _own_columns(file), OWN_COLUMNS, self._decided
            )
            for file in files
            if file.mode not in PARTIAL_MODES
        }
        gaps = {key: names for key, names in lacking.items() if names}
        if not gaps:
            return False
        self._warehouse.create_table(self._noted, _COLUMNS)
        for names in set(gaps.values()):
            self._keep(names, columns)
        self._note(gaps)
        return True

    def keep_losers(self, files: Iterable[CuratedFile], outcomes: Mapping[str, Outcome]) -> None:
        """A version that came late may be the last to tell of a column."""
        if self._warehouse.columns(self._noted) is None:
            return
        known = self._gap_columns()
        for file in files:
            if file.mode in PARTIAL_MODES:
                continue
            told = {
                n: c for n, c in _own_columns(file).items() if n in {*known, *_STAMPS, self._key}
            }
            self._forget(told.keys() & known)
            if outcomes[file.key].superseded and told.keys() & known:
                columns = self._warehouse.columns(self._table)
                types = {n: columns.field(n).type for n in told} if columns is not None else {}
                apart = self._apart(types)
                self._warehouse.merge(apart, [replace(file.staged, columns=told)], key=self._key)

    def note_new_columns(self, names: Collection[str]) -> None:
        """No file so far has them."""
        self._warehouse.create_table(self._noted, _COLUMNS)
        insert = "INSERT INTO {noted} SELECT DISTINCT _file, {columns} FROM {table}"
        self._run(insert, noted=self._noted, columns=_written(names), table=self._table)

    def _note(self, gaps: Mapping[str, Collection[str]]) -> None:
        rows = [{"file": file, "columns": _written(names)} for file, names in gaps.items()]
        self._warehouse.append(self._noted, pa.Table.from_pylist(rows, schema=_COLUMNS))

    def _keep(self, names: Collection[str], columns: pa.Schema) -> None:
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
            if told := frozenset(names) - lacks:
                self._keep_told(told, lacks, columns)
        self._note({_KEPT: names})

    def _keep_told(self, told: Collection[str], lacks: Collection[str], columns: pa.Schema) -> None:
        """Of the records whose files have the columns `told`, and not those that it `lacks`."""
        stamps = [name for name in _STAMPS if name in columns.names]
        names = sorted({*told, *stamps})
        types = {self._key: TEXT, **{name: columns.field(name).type for name in names}}
        apart = self._apart(types)
        values = [compose("t.{name}", name=Name(name)) for name in (*types, *OWN_COLUMNS)]
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
            values=joined(", ", values),
            table=self._table,
            apart=apart,
            key=Name(self._key),
            noted=self._noted,
            any=joined(" OR ", (compose("t.{n} IS NOT NULL", n=Name(n)) for n in sorted(told))),
            kept=version_order(pa.schema(types), "w"),
            version=version_order(columns, "t"),
            same=joined(
                " AND ",
                (
                    compose("{lacks} = {is_lacked}", lacks=lacked, is_lacked=Sql(value))
                    for group, value in ((told, "false"), (lacks, "true"))
                    for lacked in (
                        lacks_column("coalesce(g.columns, '')", name) for name in sorted(group)
                    )
                ),
            ),
        )
        self._run(
            "DELETE FROM {apart} WHERE {key} IN (SELECT {key} FROM temp.main._seil_kept)",
            apart=apart,
            key=Name(self._key),
        )
        self._run("INSERT INTO {apart} BY NAME FROM temp.main._seil_kept", apart=apart)
        self._run("DROP TABLE temp.main._seil_kept")

    def _apart(self, types: Mapping[str, pa.DataType]) -> TableName:
        apart = table_apart(self._table, types, KEPT_SCHEMA)
        self._warehouse.create_table(apart, pa.schema({**types, **OWN_COLUMNS}))
        return apart

    def _forget(self, names: Collection[str]) -> None:
        """The table has newer values of them."""
        if names:
            self._run(
                "DELETE FROM {noted} WHERE file = {kept} AND ({told})",
                noted=self._noted,
                kept=_KEPT,
                told=joined(" OR ", (lacks_column("columns", name) for name in sorted(names))),
            )

    def _gap_columns(self) -> set[str]:
        found = self._column("SELECT DISTINCT columns FROM {noted}")
        return {name for written in found for name in written.split("|") if name}

    def _column(self, select: str, **parts: str) -> list[str]:
        sql = compose(select, noted=self._noted, **parts)
        found = self._warehouse.query(translated(sql, self._warehouse.dialect))
        return [str(value) for value in found.column(0).to_pylist()]

    def _run(self, template: str, **parts: str | TableName) -> None:
        self._warehouse.execute(translated(compose(template, **parts), self._warehouse.dialect))


def _own_columns(file: CuratedFile) -> dict[str, Column]:
    """Without the columns that ingest has added to the clean copy."""
    missing = missing_columns(file.metadata)
    return {name: column for name, column in file.columns.items() if name not in missing}


def lacks_column(written: str, name: str) -> Sql:
    """Whether the columns that were written down have the name among them."""
    return Sql(f"contains({written}, {literal(f'|{name}|')})")


def _written(names: Collection[str]) -> str:
    return f"|{'|'.join(sorted(names))}|"
