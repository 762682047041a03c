"""Reads a published table's rows with their positions, by the field ids of its schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask

from seil.warehouse.sql import Sql

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    from seil.iceberg.engine import EmbeddedEngine

FILE, POSITION = "_seil_file", "_seil_pos"
# Their stubs lack arange and the functions of compute.
_ARROW: Any = pa
_COMPUTE: Any = pyarrow.compute
_FIELD_ID = b"PARQUET:field_id"
_BATCH_ROWS = 16_384
_DELETED_FIELDS: list[pa.Field[Any]] = [
    pa.field("file_path", pa.string()),
    pa.field("pos", pa.int64()),
]
_DELETED = pa.schema(_DELETED_FIELDS)
_LIVE = """
    SELECT o.* FROM {rows} AS o
    ANTI JOIN (
        SELECT p.{file}, d.pos FROM seil_deleted AS d
        JOIN seil_live_paths AS p ON p.file_path = d.file_path
    ) AS d ON d.{file} = o.{file} AND d.pos = o.{pos}"""


@dataclass(frozen=True)
class LiveRows:
    """The rows of a table's current snapshot."""

    table: Table

    @cached_property
    def _tasks(self) -> list[FileScanTask]:
        return [task for task in self.table.scan().plan_files() if isinstance(task, FileScanTask)]

    @cached_property
    def files(self) -> list[DataFile]:
        return sorted((task.file for task in self._tasks), key=lambda file: file.file_path)

    @cached_property
    def delete_files(self) -> list[DataFile]:
        unique = {file.file_path: file for task in self._tasks for file in task.delete_files}
        return [unique[path] for path in sorted(unique)]

    @contextmanager
    def relation(
        self, engine: EmbeddedEngine, columns: Schema, *, keys: pa.Table | None = None
    ) -> Iterator[Sql]:
        """A SELECT of the live rows, to be read once: these columns, FILE (an index of `files`),
        and POSITION. A column that a file lacks is null. With `keys` of the same columns, rows
        that have none of them may be left out.
        """
        with ExitStack() as stack:
            stack.enter_context(engine.rows("seil_old", self._reader(columns, _values(keys))))
            if self.delete_files:
                stack.enter_context(engine.rows("seil_deleted", self._deleted()))
                stack.enter_context(engine.rows("seil_live_paths", self.paths()))
                yield Sql(_LIVE.format(rows="seil_old", file=FILE, pos=POSITION))
            else:
                yield Sql("SELECT * FROM seil_old")

    def paths(self) -> pa.Table:
        """FILE and `file_path`."""
        paths = [file.file_path for file in self.files]
        indexes = pa.array(range(len(paths)), pa.int32())
        return pa.table({FILE: indexes, "file_path": pa.array(paths, pa.string())})

    def _reader(self, columns: Schema, values: Mapping[str, pa.Array[Any]]) -> pa.RecordBatchReader:
        types = schema_to_pyarrow(columns, include_field_ids=False)
        own = [pa.field(FILE, pa.int32()), pa.field(POSITION, pa.int64())]
        schema = pa.schema([*[_plain(field) for field in types], *own])
        batches = (_narrowed(batch, values) for batch in self._batches(columns, schema))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _batches(self, columns: Schema, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for index, file in enumerate(self.files):
            position = 0
            for batch in self._read(file.file_path, columns, schema):
                rows = batch.num_rows
                indexes = pa.repeat(pa.scalar(index, pa.int32()), rows)
                arrays = [*batch.columns, indexes, _ARROW.arange(position, position + rows)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                position += rows

    def _read(self, path: str, columns: Schema, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with ExitStack() as stack:
            source: Any = stack.enter_context(self.table.io.new_input(path).open())
            file = stack.enter_context(pq.ParquetFile(source))
            names = _names_by_id(file.schema_arrow)
            present = [names.get(field.field_id) for field in columns.fields]
            names_here = [name for name in present if name is not None]
            types = [schema.field(field.name).type for field in columns.fields]
            for batch in file.iter_batches(_BATCH_ROWS, columns=names_here):
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.nulls(batch.num_rows, kind)
                        if name is None
                        else batch.column(name).cast(kind)
                        for name, kind in zip(present, types, strict=True)
                    ],
                    names=[field.name for field in columns.fields],
                )

    def _deleted(self) -> pa.RecordBatchReader:
        """`file_path` and `pos` of the rows that delete files mark."""
        return pa.RecordBatchReader.from_batches(_DELETED, self._deleted_batches())

    def _deleted_batches(self) -> Iterator[pa.RecordBatch]:
        for file in self.delete_files:
            with ExitStack() as stack:
                source: Any = stack.enter_context(self.table.io.new_input(file.file_path).open())
                parquet = stack.enter_context(pq.ParquetFile(source))
                yield from (
                    batch.select(_DELETED.names).cast(_DELETED)
                    for batch in parquet.iter_batches(_BATCH_ROWS, columns=_DELETED.names)
                )


def _values(keys: pa.Table | None) -> dict[str, pa.Array[Any]]:
    """By column, what a row has to have. Arrow builds its set of them anew for each batch, so that
    many are left to the join; so are floats, whose two zeros are equal in DuckDB alone.
    """
    if keys is None or keys.num_rows > _BATCH_ROWS:
        return {}
    return {
        name: keys[name].combine_chunks()
        for name in keys.column_names
        if not pa.types.is_floating(keys[name].type)
    }


def _narrowed(batch: pa.RecordBatch, values: Mapping[str, pa.Array[Any]]) -> pa.RecordBatch:
    for name, chosen in values.items():
        column = batch.column(name)
        batch = batch.filter(_COMPUTE.is_in(column, value_set=chosen.cast(column.type)))
    return batch


def _names_by_id(schema: pa.Schema) -> dict[int, str]:
    """Another engine's files have field ids as well: Iceberg demands them."""
    return {
        int(field.metadata[_FIELD_ID]): field.name
        for field in schema
        if field.metadata and _FIELD_ID in field.metadata
    }


def _plain(field: pa.Field[Any]) -> pa.Field[Any]:
    """Text that pyiceberg calls large is text in DuckDB's and pyarrow's files."""
    kind = pa.string() if pa.types.is_large_string(field.type) else field.type
    return pa.field(field.name, kind)
