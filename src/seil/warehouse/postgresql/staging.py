"""Reads Parquet files by an embedded DuckDB, whose casts are those of every engine, and copies
their rows into a temporary table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.duckdb import files_sql
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.staging import ParquetReader
from seil.warehouse.merges import EXTRACTED_AT, FILE, Misfits, OpenUrl, StagedFile
from seil.warehouse.sql import Sql, compose, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

_STAGED = "_seil_staged"
_PLACE = [
    pa.field(FILE, TEXT),
    pa.field(EXTRACTED_AT, TIMESTAMP),
    pa.field("_seil_file", pa.int64()),
    pa.field("_seil_row", pa.int64()),
]


@dataclass(frozen=True)
class Staging:
    """`memory` and `threads` limit DuckDB; `open_url` opens files that it cannot read in place."""

    memory: str
    threads: int | None
    open_url: OpenUrl | None

    @contextmanager
    def rows(
        self, target: RelationalDatabase, files: Sequence[StagedFile], columns: pa.Schema
    ) -> Iterator[Sql]:
        """A SELECT of the rows of all files."""
        schema = pa.schema([*columns, *_PLACE])
        target.create_temporary(_STAGED, schema)
        place = target.forms.temporary(_STAGED)
        with (
            self._reader() as reader,
            ParquetReader(reader, self.open_url).rows(files, columns) as select,
        ):
            names = files_sql.names(schema)
            ordered = compose("SELECT {names} FROM ({select})", names=names, select=select)
            with reader.stream(ordered) as batches:
                target.append(place, batches)
        target.execute(f"ANALYZE {place}")
        yield compose("SELECT * FROM {place}", place=place)
        target.drop_temporary(_STAGED)

    def misfits(
        self,
        target: RelationalDatabase,
        source: TableName | StagedFile,
        column: str,
        kind: pa.DataType,
    ) -> Misfits:
        with self._reader() as reader:
            parquet = ParquetReader(reader, self.open_url)
            if isinstance(source, StagedFile):
                return parquet.misfits(source, column, kind)
            select = compose("SELECT {column} FROM {table}", column=quote(column), table=source)
            with target.stream(select) as batches, reader.registration("_seil_values", batches):
                return parquet.misfits_of(Sql("_seil_values"), column, kind)

    @contextmanager
    def _reader(self) -> Iterator[DuckDBConnection]:
        with TemporaryDirectory(prefix="seil-") as spill:
            reader = DuckDBConnection(
                Path(":memory:"), memory=self.memory, threads=self.threads, spill=spill
            )
            try:
                yield reader
            finally:
                reader.close()
