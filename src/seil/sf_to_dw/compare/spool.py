"""Rows read from the org before the warehouse is opened to compare them.

A query job can take hours, and the warehouse file is locked while it is open: so what a comparison
needs is read first, onto this machine's disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import LakeError
from seil.warehouse.types import TEXT, common_type, stored_type

if TYPE_CHECKING:
    from seil.warehouse.protocol import TableName, Warehouse


class Spool:
    """Batches in the order they came, in Parquet, one file for each run of batches of one schema.

    The files have no name, so that a killed process leaves none.
    """

    def __init__(self) -> None:
        self._files: list[IO[bytes]] = []
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()
        self._files.clear()

    def write(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Raises LakeError when the disk is full, and what reading the batches raises."""
        for schema, some in groupby(batches, key=lambda batch: batch.schema):
            try:
                file = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
                with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                    for batch in some:
                        writer.write_batch(batch)
            except OSError as error:
                hint = "Free some space there, or set TMPDIR to a folder that has it"
                reason = error.strerror or str(error)
                raise LakeError(tempfile.gettempdir(), "write to", reason, hint=hint) from error
            self._files.append(file)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            yield from pq.ParquetFile(file).iter_batches()


@contextmanager
def spooled_table(
    warehouse: Warehouse, table: TableName, columns: pa.Schema, spool: Spool
) -> Iterator[None]:
    """The rows as a table of the warehouse for the length of the block."""
    warehouse.drop(table)
    try:
        warehouse.create_table(table, columns)
        for batch in spool:
            _widen(warehouse, table, batch.schema)
            warehouse.append(table, pa.Table.from_batches([batch]))
        yield
    finally:
        warehouse.drop(table)


def _widen(warehouse: Warehouse, table: TableName, page: pa.Schema) -> None:
    """A page's column is wider where a value did not fit."""
    columns = warehouse.columns(table)
    for column in page:
        known = columns.field(column.name).type if columns is not None else column.type
        arriving = stored_type(column.type) or TEXT
        if known not in (arriving, TEXT):
            wider = common_type(known, arriving) or TEXT
            if wider != known:
                warehouse.change_type(table, column.with_type(wider))
