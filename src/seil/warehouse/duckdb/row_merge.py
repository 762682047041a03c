"""Merges rows of Parquet files into a table, keeping the newest of each key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import StatementError, WarehouseError
from seil.warehouse.duckdb import merge_sql
from seil.warehouse.duckdb.merge_sql import local_path
from seil.warehouse.merges import (
    EXTRACTED_AT,
    FILE,
    MergeOutcome,
    Misfits,
    OpenUrl,
    StagedFile,
)
from seil.warehouse.sql import Sql, compose, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.duckdb.change_log import ChangeLog
    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.types import Column

DEFAULT_SCHEMA = "main"
_GLOB_CHARACTERS = frozenset("*?[{")
_UNREADABLE_NAMES = frozenset({"", "file_row_number", "_seil_path"})
_BATCH_ROWS = 16_384


def qualify(table: TableName) -> Sql:
    return quote(TableName(table.schema or DEFAULT_SCHEMA, table.name))


@dataclass(frozen=True)
class RowMerge:
    """`open_url` opens files that DuckDB cannot read in place."""

    database: EmbeddedDatabase
    open_url: OpenUrl | None

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        if isinstance(source, TableName):
            return self._misfits(qualify(source), column, target)
        with self._staged_rows([source], pa.schema([pa.field(column, pa.string())])) as rows:
            return self._misfits(Sql(f"({rows})"), column, target)

    def _misfits(self, relation: Sql, column: str, target: pa.DataType) -> Misfits:
        row = self.database.query(merge_sql.misfits(relation, column, target)).to_pylist()[0]
        return Misfits(int(row["number"]), str(row["example"] or ""))

    def merge(
        self,
        table: TableName,
        files: Sequence[StagedFile],
        *,
        key: str,
        log: ChangeLog | None = None,
        every_version: bool = False,
    ) -> Mapping[str, MergeOutcome]:
        existing = self._columns(table)
        columns = pa.schema([field for field in existing if field.name not in (EXTRACTED_AT, FILE)])
        if every_version:
            key = merge_sql.version_key(key, columns)
        with self._staged_rows(files, columns) as rows:
            merge = _Merge(self.database, table, rows, key, columns)
            outcomes = {} if log else merge.into_empty()
            if not outcomes:
                outcomes = merge.by_version(log)
        return {file.key: outcomes.get(n, MergeOutcome()) for n, file in enumerate(files)}

    def _columns(self, table: TableName) -> pa.Schema:
        columns = self.database.columns(table)
        if columns is None:
            raise StatementError(self.database.url, f"there is no table {table}")
        return columns

    @contextmanager
    def _staged_rows(self, files: Sequence[StagedFile], columns: pa.Schema) -> Iterator[Sql]:
        """A SELECT of the rows of all files: local ones in place, remote ones copied."""
        numbered = list(enumerate(files))
        local = sorted((entry for entry in numbered if _is_local(entry[1])), key=_layout)
        parts = [
            merge_sql.rows_of(list(group), columns) for _, group in groupby(local, key=_layout)
        ]
        remote = [entry for entry in numbered if not _is_local(entry[1])]
        if remote:
            self.database.execute(merge_sql.staging_table(columns))
            parts.append(Sql("SELECT * FROM temp.main._seil_staged"))
        for number, file in remote:
            self._copy(number, file, columns)
        yield join(" UNION ALL ", parts)
        if remote:
            self.database.execute("DROP TABLE temp.main._seil_staged")

    def _copy(self, number: int, file: StagedFile, columns: pa.Schema) -> None:
        """Copies rows under the table's column names, as the file's names can be anything."""
        present = {name: file.columns[name] for name in columns.names if name in file.columns}
        fields = {name: column.with_name(name) for name, column in present.items()}
        renamed = replace(file, columns=fields)
        with (
            self._open(file.url) as source,
            self.database.registration("_seil_batches", _with_row_numbers(source, present)),
        ):
            self.database.execute(merge_sql.copy_batches(number, renamed, columns))

    def _open(self, url: str) -> AbstractContextManager[IO[bytes]]:
        if path := local_path(url):
            return path.open("rb")
        if self.open_url is None:
            raise WarehouseError(self.database.url, f"cannot read {url}: opened without open_url")
        return self.open_url(url)


@dataclass(frozen=True)
class _Merge:
    """Merges staged `rows`. Outcomes are by file number."""

    database: EmbeddedDatabase
    table: TableName
    rows: Sql
    key: str
    columns: pa.Schema

    def into_empty(self) -> dict[int, MergeOutcome]:
        """Inserts the rows into an empty table if no key repeats; otherwise does nothing and
        returns {}. Ranking that many rows would take longer than reading them.
        """
        target = qualify(self.table)
        if self.database.query(compose("SELECT 1 FROM {table} LIMIT 1", table=target)).num_rows:
            return {}
        select = merge_sql.first_rows(self.rows, self.key, self.columns)
        rows = self.database.query(select).to_pylist()
        keys = {row.pop("_keys") for row in rows}
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if keys != {sum(outcome.rows for outcome in outcomes.values())}:
            return {}
        self.database.execute(merge_sql.insert_winners(target, self.rows, all_win=True))
        return outcomes

    def by_version(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        target, execute = qualify(self.table), self.database.execute
        execute(merge_sql.rank(self.rows, target, self.key, self.columns))
        rows = self.database.query(merge_sql.OUTCOMES).to_pylist()
        replaced = sum(row.pop("_replaced") for row in rows)
        won = sum(row.pop("_won") for row in rows)
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if log and won:
            logged = (qualify(log.table), log)
            execute(merge_sql.log_changes(target, self.rows, self.key, logged))
        if replaced:
            execute(merge_sql.delete_replaced(target, self.key))
        if won:
            all_win = won == sum(outcome.rows for outcome in outcomes.values())
            execute(merge_sql.insert_winners(target, self.rows, all_win=all_win))
        execute("DROP TABLE temp.main._seil_ranked")
        return outcomes


def _is_local(file: StagedFile) -> bool:
    """Whether DuckDB can read it in place: it reads a path with these characters as a pattern, and
    cannot read a column with the name of one of its own.
    """
    names = {column.name.lower() for column in file.columns.values()}
    path = local_path(file.url)
    is_plain = not _GLOB_CHARACTERS & set(str(path)) and not _UNREADABLE_NAMES & names
    return path is not None and is_plain


def _layout(numbered: tuple[int, StagedFile]) -> str:
    columns = numbered[1].columns.values()
    return repr(([(field.name, str(field.type)) for field in columns], sorted(numbered[1].ids)))


def _with_row_numbers(source: IO[bytes], columns: Mapping[str, Column]) -> pa.RecordBatchReader:
    """The columns under their new names, with each row's position in the file."""
    file = pq.ParquetFile(source)
    names = [column.name for column in columns.values()]
    fields = [
        file.schema_arrow.field(column.name).with_name(new) for new, column in columns.items()
    ]
    schema = pa.schema([*fields, pa.field("_seil_row", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            rows = pa.array(range(first, first + batch.num_rows), pa.int64())
            arrays = [batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays([*arrays, rows], schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())
