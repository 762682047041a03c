"""SQL that merges staged rows into a table by key.

Staged rows have the table's columns, `_file`, `_extracted_at`, `_seil_file` (the file's number) and
`_seil_row` (the row's position in its file).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE
from seil.warehouse.relational.versions_sql import STAMPS
from seil.warehouse.sql import Sql, SqlName, compose, join, quote
from seil.warehouse.types import TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.relational.change_log import ChangeLog
    from seil.warehouse.relational.forms import SqlForms
    from seil.warehouse.tables import TableName

RANKED = "_seil_ranked"
"""The temporary table of `rank`."""
_OLDEST = Sql("TIMESTAMPTZ '-infinity'")
_JOINED = Sql(
    "JOIN {ranked} AS r ON r.wins AND r._seil_file = s._seil_file AND r._seil_row = s._seil_row"
)


@dataclass(frozen=True)
class RowKey:
    """The column that identifies a row; with `every_version`, together with its systemmodstamp."""

    column: str
    every_version: bool = False

    def sql(self, forms: SqlForms, columns: pa.Schema) -> Sql:
        if self.every_version:
            return version_key(forms, self.column, columns)
        return quote(self.column)


@dataclass(frozen=True)
class MergeSql:
    """Of the rows of the SELECT `staged` into `target`, whose `columns` are those besides `_file`
    and `_extracted_at`. `key` is a column or an expression.
    """

    forms: SqlForms
    target: TableName
    staged: Sql
    key: Sql
    columns: pa.Schema

    def first_rows(self) -> Sql:
        """Per file, the counts if the table is empty; `_keys` is the number of keys in all."""
        return self._compose(
            """
            WITH staged AS (
                SELECT _seil_file, nullif(CAST({key} AS VARCHAR), '') AS key, {deleted} AS deleted
                FROM ({staged}) AS s
            )
            SELECT _seil_file, count(*) FILTER (WHERE NOT deleted) AS inserted,
                   count(*) FILTER (WHERE deleted) AS deleted,
                   (SELECT count(DISTINCT key) FROM staged) AS _keys
            FROM staged GROUP BY _seil_file"""
        )

    def rank(self) -> Sql:
        """One row per staged row: whether it wins its key against the others and the table's."""
        return self._compose(
            """
            WITH staged AS (
                SELECT _seil_file, _seil_row, nullif(CAST({key} AS VARCHAR), '') AS key,
                       {deleted} AS deleted, {stamps}, _extracted_at, _file
                FROM ({staged}) AS s
            ), placed AS (
                SELECT *, row_number() OVER (
                    PARTITION BY key
                    ORDER BY stamp DESC, modified DESC, _extracted_at DESC, _file DESC,
                             _seil_file DESC, _seil_row DESC
                ) AS place
                FROM staged
            ), existing AS (
                SELECT CAST({key} AS VARCHAR) AS key, {deleted} AS deleted, {stamps},
                       _extracted_at, _file
                FROM {target}
            )
            SELECT p._seil_file, p._seil_row, p.key, k.key IS NOT NULL AS in_table,
                   p.key IS NOT NULL AND p.place = 1 AND (
                       k.key IS NULL
                       OR row(p.stamp, p.modified, p._extracted_at, p._file)
                          > row(k.stamp, k.modified, k._extracted_at, k._file)
                   ) AS wins,
                   k.stamp = p.stamp AND k.modified = p.modified AS same_version,
                   p.deleted AND NOT coalesce(k.deleted, false) AS newly_deleted
            FROM placed AS p LEFT JOIN existing AS k ON k.key = p.key"""
        )

    def outcomes(self) -> Sql:
        return self._compose(
            """
            SELECT _seil_file, count(*) FILTER (WHERE wins AND in_table) AS _replaced,
                   count(*) FILTER (WHERE wins) AS _won,
                   count(*) FILTER (WHERE key IS NULL) AS without_key,
                   count(*) FILTER (WHERE key IS NOT NULL AND NOT wins) AS superseded,
                   count(*) FILTER (WHERE wins AND newly_deleted) AS deleted,
                   count(*) FILTER (WHERE wins AND NOT newly_deleted AND NOT in_table) AS inserted,
                   count(*) FILTER (
                       WHERE wins AND NOT newly_deleted AND in_table AND same_version
                   ) AS unchanged,
                   count(*) FILTER (
                       WHERE wins AND NOT newly_deleted AND in_table AND NOT same_version
                   ) AS updated
            FROM {ranked} GROUP BY _seil_file"""
        )

    def log_changes(self, log: ChangeLog) -> Sql:
        """Logs the records that are about to be replaced and their replacements; identical pairs
        cancel each other out.
        """
        return self._compose(
            """
            INSERT INTO {log} (_sequence, _is_old, {columns})
            SELECT {sequence}, bool_or(_is_old), {columns} FROM (
                SELECT true AS _is_old, {columns} FROM {target} AS t
                WHERE CAST({key} AS VARCHAR) IN (
                    SELECT key FROM {ranked} AS r WHERE wins AND in_table)
                UNION ALL
                SELECT false, {columns} FROM ({staged}) AS s {joined}
            ) AS images GROUP BY {columns} HAVING count(*) = 1""",
            log=log.table,
            sequence=log.sequence,
            columns=join(", ", map(quote, log.columns)),
            joined=self._compose(_JOINED),
        )

    def delete_replaced(self) -> Sql:
        return self._compose(
            "DELETE FROM {target} WHERE CAST({key} AS VARCHAR) IN "
            "(SELECT key FROM {ranked} AS r WHERE wins AND in_table)"
        )

    def insert_winners(self, *, all_win: bool) -> Sql:
        return self._compose(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM ({staged}) AS s {joined}",
            columns=join(", ", map(quote, (*self.columns.names, EXTRACTED_AT, FILE))),
            joined=Sql("") if all_win else self._compose(_JOINED),
        )

    def merge_winners(self, key: str) -> Sql:
        """Of a table whose rows are identified by a column: the winners, of which there is one a
        key, replace the table's rows, the others are inserted.
        """
        names = (*self.columns.names, EXTRACTED_AT, FILE)
        values = [compose("w.{name}", name=SqlName(name)) for name in names]
        pairs = zip(names, values, strict=True)
        return self._compose(
            """
            MERGE INTO {target} AS t
            USING (SELECT {columns} FROM ({staged}) AS s {joined}) AS w ON t.{column} = w.{column}
            WHEN MATCHED THEN UPDATE SET {settings}
            WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})""",
            column=quote(key),
            columns=join(", ", map(quote, names)),
            joined=self._compose(_JOINED),
            settings=join(", ", (compose("{n} = {v}", n=SqlName(n), v=v) for n, v in pairs)),
            values=join(", ", values),
        )

    def _compose(self, template: str, **parts: str | int | TableName) -> Sql:
        has_flag = "isdeleted" in self.columns.names
        flag = self.forms.try_cast(Sql("isdeleted"), pa.bool_()) if has_flag else Sql("false")
        own: dict[str, str | int | TableName] = {
            "key": self.key,
            "target": self.target,
            "staged": self.staged,
            "ranked": self.forms.temporary(RANKED),
            "deleted": compose("coalesce({flag}, false)", flag=flag),
            "stamps": self._stamps(),
        }
        return compose(template, **{**own, **parts})

    def _stamps(self) -> Sql:
        """Both stamps, -infinity where they are missing, so that they compare."""
        values = {
            name: self.forms.try_cast(quote(name), TIMESTAMP)
            for name in STAMPS
            if name in self.columns.names
        }
        return compose(
            "coalesce({stamps}) AS stamp, coalesce({modified}, {oldest}) AS modified",
            stamps=join(", ", [*values.values(), _OLDEST]),
            modified=values.get("lastmodifieddate", _OLDEST),
            oldest=_OLDEST,
        )


def version_key(forms: SqlForms, key: str, columns: pa.Schema) -> Sql:
    """Identifies a version of a record: its key and its stamp."""
    stamps = [forms.try_cast(quote(name), TIMESTAMP) for name in STAMPS if name in columns.names]
    moment = compose(
        "coalesce({stamps})",
        stamps=join(", ", [*stamps, Sql("CAST(NULL AS TIMESTAMPTZ)")]),
    )
    return compose(
        "(nullif(CAST({key} AS VARCHAR), '') || ' ' || coalesce(CAST({us} AS VARCHAR), ''))",
        key=SqlName(key),
        us=forms.microseconds(moment),
    )
