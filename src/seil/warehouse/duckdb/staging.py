"""Reads Parquet files to be merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import WarehouseError
from seil.warehouse.duckdb import files_sql
from seil.warehouse.duckdb.files_sql import local_path
from seil.warehouse.merges import (
    Misfits,
    OpenUrl,
    StagedFile,
)
from seil.warehouse.sql import Sql, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.types import Column

DEFAULT_SCHEMA = "main"
_GLOB_CHARACTERS = frozenset("*?[{")
_UNREADABLE_NAMES = frozenset({"", "file_row_number", "_seil_path"})
_BATCH_ROWS = 16_384


def qualify(table: TableName) -> Sql:
    return quote(TableName(table.schema or DEFAULT_SCHEMA, table.name))


@dataclass(frozen=True)
class ParquetReader:
    """`open_url` opens files that DuckDB cannot read in place."""

    database: EmbeddedDatabase
    open_url: OpenUrl | None

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        if isinstance(source, TableName):
            return self.misfits_of(qualify(source), column, target)
        with self.rows([source], pa.schema([pa.field(column, pa.string())])) as rows:
            return self.misfits_of(Sql(f"({rows})"), column, target)

    def misfits_of(self, relation: Sql, column: str, target: pa.DataType) -> Misfits:
        row = self.database.query(files_sql.misfits(relation, column, target)).to_pylist()[0]
        return Misfits(int(row["number"]), str(row["example"] or ""))

    @contextmanager
    def rows(self, files: Sequence[StagedFile], columns: pa.Schema) -> Iterator[Sql]:
        """A SELECT of the rows of all files: local ones in place, remote ones copied."""
        numbered = list(enumerate(files))
        local = sorted((entry for entry in numbered if _is_local(entry[1])), key=_layout)
        parts = [
            files_sql.rows_of(list(group), columns) for _, group in groupby(local, key=_layout)
        ]
        remote = [entry for entry in numbered if not _is_local(entry[1])]
        if remote:
            self.database.execute(files_sql.staging_table(columns))
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
            self.database.execute(files_sql.copy_batches(number, renamed, columns))

    def _open(self, url: str) -> AbstractContextManager[IO[bytes]]:
        if path := local_path(url):
            return path.open("rb")
        if self.open_url is None:
            raise WarehouseError(self.database.url, f"cannot read {url}: opened without open_url")
        return self.open_url(url)


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
