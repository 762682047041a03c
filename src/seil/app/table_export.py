"""Writes tables as files, for whoever reads neither the warehouse nor Iceberg.

One file a table, which appears when it is complete. CSV is RFC 4180: comma, CRLF, a header; a null
is an empty field, an empty text is "".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from seil.errors import WarehouseError
from seil.observe.progress import SILENT, Progress, Step

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.warehouse import TableName, Warehouse

pc: Any = pyarrow.compute

FileFormat = Literal["parquet", "csv"]
# Of Arrow's buffers; a row group of a Parquet file.
_GROUP_ROWS = 122_880
# RFC 4180, section 2, 6.
_SPECIAL = '[",\r\n]'


@dataclass(frozen=True)
class TableFile:
    """`rows` excludes the header."""

    table: str
    url: str
    rows: int


def export_tables(
    site: Site,
    to: str,
    tables: Sequence[str] = (),
    *,
    file_format: FileFormat,
    progress: Progress = SILENT,
) -> tuple[Sequence[TableFile], datetime | None]:
    """Writes tables, all models' where none is named, to a folder or an s3:// prefix.

    Returns the files, and when the copy that they come from was published. Raises
    ConfigurationError for an unknown table, WarehouseError for one that is not built: before
    anything is written.
    """
    from seil.app.published_tables import refuse_unknown, table_names
    from seil.lake import Bucket

    names = table_names(site, tables)
    url = to if "://" in to else Path(to).resolve().as_uri()
    with site.reading() as reading:
        refuse_unknown(site, [name for name in names if reading.warehouse.columns(name) is None])
        columns = {name: _columns(reading.warehouse, name) for name in names}
        target = Bucket(url)
        files = []
        for name, schema in columns.items():
            key = f"{name}.{file_format}"
            target.sweep_partial_of(key)
            with progress.step(f"export {name}") as step, target.writer(key) as file:
                rows = _write(
                    reading.warehouse, name, schema, file=file, file_format=file_format, step=step
                )
            files.append(TableFile(str(name), target.uri(key), rows))
        return files, reading.as_of


def _columns(warehouse: Warehouse, name: TableName) -> pa.Schema:
    columns = warehouse.columns(name)
    if columns is None:
        hint = "Run `seil build` first; nothing was written"
        raise WarehouseError(warehouse.url, f"table {name} is not built", hint=hint)
    return columns


def _write(
    warehouse: Warehouse,
    name: TableName,
    columns: pa.Schema,
    *,
    file: IO[bytes],
    file_format: FileFormat,
    step: Step,
) -> int:
    from seil.modeling.export import all_rows

    is_csv = file_format == "csv"
    rows = 0
    with all_rows(warehouse, name, columns, decimals_as_text=is_csv) as batches:
        for batch in _write_csv(file, batches) if is_csv else _write_parquet(file, batches):
            rows += batch
            step.advance(batch)
    return rows


def _write_parquet(file: IO[bytes], batches: pa.RecordBatchReader) -> Iterator[int]:
    with pq.ParquetWriter(file, batches.schema, compression="zstd") as writer:
        for group in _groups(batches):
            writer.write_table(group, row_group_size=_GROUP_ROWS)
            yield group.num_rows


def _groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """As many rows as a row group is to have, at least."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _write_csv(file: IO[bytes], batches: pa.RecordBatchReader) -> Iterator[int]:
    names = pa.RecordBatch.from_arrays(
        [pa.array([name]) for name in batches.schema.names], names=batches.schema.names
    )
    file.write(_lines(names))
    for batch in batches:
        file.write(_lines(batch))
        yield batch.num_rows


def _lines(batch: pa.RecordBatch) -> bytes:
    if not batch.num_rows:
        return b""
    # A blank line is no row for many readers.
    null = '""' if batch.num_columns == 1 else ""
    fields = [_fields(column).fill_null(null) for column in batch.columns]
    lines = pc.binary_join_element_wise(*fields, ",")
    return "".join(f"{line}\r\n" for line in lines.to_pylist()).encode()


def _fields(column: pa.Array[Any]) -> Any:
    """The values as CSV has them; nulls stay."""
    if pa.types.is_timestamp(column.type):
        # With microseconds: Arrow's %S has the fraction of the type's unit.
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    texts: Any = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        return texts
    is_quoted = pc.or_(pc.match_substring_regex(texts, _SPECIAL), pc.equal(texts, ""))
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(is_quoted, pc.binary_join_element_wise('"', doubled, '"', ""), texts)
