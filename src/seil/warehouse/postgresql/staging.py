"""Reads Parquet files by an embedded DuckDB, whose casts are those of every engine, and copies
their rows into a temporary table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.duckdb import files_sql
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.staging import ParquetReader
from seil.warehouse.merges import (
    EXTRACTED_AT,
    FILE,
    MergeOutcome,
    Misfits,
    OpenUrl,
    StagedFile,
)
from seil.warehouse.relational.merge_sql import MergeSql, RowKey
from seil.warehouse.relational.row_merge import first_outcomes
from seil.warehouse.relational.versions_sql import STAMPS
from seil.warehouse.sql import Sql, SqlName, compose, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

_STAGED = "_seil_staged"
# Keys are the same where the table cannot tell them apart: see `copying.storable`.
_STORED_KEYS = """
SELECT * REPLACE (replace(CAST({key} AS VARCHAR), chr(0), chr(65533)) AS {key}) FROM ({select})"""
_PLACE = [
    pa.field(FILE, TEXT),
    pa.field(EXTRACTED_AT, TIMESTAMP),
    pa.field("_seil_file", pa.int64()),
    pa.field("_seil_row", pa.int64()),
]


@dataclass
class Staging:
    """`memory` and `threads` limit DuckDB; `open_url` opens files that it cannot read in place."""

    memory: str
    threads: int | None
    open_url: OpenUrl | None
    _resources: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self._resources.close()
        self.__dict__.pop("_reader", None)

    @contextmanager
    def rows(
        self, target: RelationalDatabase, files: Sequence[StagedFile], columns: pa.Schema
    ) -> Iterator[Sql]:
        """A SELECT of the rows of all files."""
        schema = pa.schema([*columns, *_PLACE])
        target.create_temporary(_STAGED, schema)
        place = target.forms.temporary(_STAGED)
        with self._parquet.rows(files, columns) as select:
            self._copy(target, place, select, schema)
        target.execute(f"ANALYZE {place} (_seil_file, _seil_row)")
        yield compose("SELECT * FROM {place}", place=place)
        target.drop_temporary(_STAGED)

    def append_new(
        self,
        target: RelationalDatabase,
        table: TableName,
        files: Sequence[StagedFile],
        columns: pa.Schema,
        *,
        key: RowKey,
    ) -> Mapping[int, MergeOutcome]:
        """See `RelationalDatabase.append_new`. DuckDB counts, so that no stage is needed."""
        counted = pa.schema([c for c in columns if c.name in {key.column, "isdeleted", *STAMPS}])
        forms = self._reader.forms
        with self._parquet.rows(files, counted) as select:
            keys = compose(_STORED_KEYS, key=SqlName(key.column), select=select)
            sql = MergeSql(forms, table, keys, key.sql(forms, counted), counted)
            outcomes = first_outcomes(self._reader, sql)
        if outcomes:
            with self._parquet.rows(files, columns) as select:
                self._copy(target, table, select, pa.schema([*columns, *_PLACE[:2]]))
        return outcomes

    def _copy(
        self, target: RelationalDatabase, place: TableName | Sql, select: Sql, schema: pa.Schema
    ) -> None:
        names = files_sql.names(schema)
        ordered = compose("SELECT {names} FROM ({select})", names=names, select=select)
        with self._reader.stream(ordered) as batches:
            target.append(place, batches)

    def misfits(
        self,
        target: RelationalDatabase,
        source: TableName | StagedFile,
        column: str,
        kind: pa.DataType,
    ) -> Misfits:
        parquet = self._parquet
        if isinstance(source, StagedFile):
            return parquet.misfits(source, column, kind)
        select = compose("SELECT {column} FROM {table}", column=quote(column), table=source)
        with (
            target.stream(select) as batches,
            self._reader.registration("_seil_values", batches),
        ):
            return parquet.misfits_of(Sql("_seil_values"), column, kind)

    @property
    def _parquet(self) -> ParquetReader:
        return ParquetReader(self._reader, self.open_url)

    @cached_property
    def _reader(self) -> DuckDBConnection:
        """Opened once, as that takes longer than a small file."""
        spill = self._resources.enter_context(TemporaryDirectory(prefix="seil-"))
        reader = DuckDBConnection(
            Path(":memory:"), memory=self.memory, threads=self.threads, spill=spill
        )
        self._resources.callback(reader.close)
        return reader
