"""A spool on local disk for rows of the org that are to be compared with the warehouse.

A query job can take hours, and an embedded warehouse is locked while it is open: so the rows are
read before it is opened.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import LakeError
from seil.warehouse.merges import SourceRows
from seil.warehouse.types import TEXT, common_type, stored_type


class Spool:
    """Batches in the order of `write`, as Parquet; a change of schema begins another file.

    The files are unlinked, so that a killed process leaves none.
    """

    def __init__(self) -> None:
        self._files: list[IO[bytes]] = []
        self._schemas: list[pa.Schema] = []
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()
        self._files.clear()
        self._schemas.clear()

    def write(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Raises LakeError when the disk is full, and what reading the batches raises."""
        for schema, group in groupby(batches, key=lambda batch: batch.schema):
            try:
                file = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
                with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                    for batch in group:
                        writer.write_batch(batch)
            except OSError as error:
                hint = "Free some space there, or set TMPDIR to a folder that has some"
                reason = error.strerror or str(error)
                raise LakeError(tempfile.gettempdir(), "write to", reason, hint=hint) from error
            self._files.append(file)
            self._schemas.append(schema)

    def rows(self, columns: pa.Schema) -> SourceRows:
        """`columns` are those of the query; a page has a wider type where a value did not fit."""
        types = {c.name: stored_type(c.type) or TEXT for c in columns}
        for schema in self._schemas:
            for column in schema:
                stored = stored_type(column.type) or TEXT
                types[column.name] = common_type(types[column.name], stored) or TEXT
        return SourceRows(pa.schema(types), self)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            yield from pq.ParquetFile(file).iter_batches()
