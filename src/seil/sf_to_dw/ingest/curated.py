"""Writes the clean copy of a landed file, and the exceptions file of records set aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from seil.lake import Bucket
from seil.lake.keys import EXCEPTIONS_PREFIX
from seil.sf_to_dw.ingest.arrow import ArrowColumn
from seil.sf_to_dw.ingest.conform import lineage_columns
from seil.sf_to_dw.ingest.rules import RuleVerdict
from seil.sf_to_dw.schema.column_names import LINEAGE, LINEAGE_NAMES, free_names

_ROW_GROUP_ROWS = 1 << 16
# Large, as the writer keeps over a kilobyte per column and row group until the end.
_ROW_GROUP_BYTES = 40 << 20
_NAME = "curated_"


def exceptions_key(curated_key: str) -> str:
    """The exceptions file of a clean copy."""
    folder, _, name = curated_key.rpartition("/")
    return f"{EXCEPTIONS_PREFIX}{folder}/exceptions_{name.removeprefix(_NAME)}"


class _Sink:
    """Writes one Parquet file; buffers batches into row groups."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._buffer: list[pa.RecordBatch] = []
        self._buffer_bytes = 0
        self.rows = 0
        self.lineage: Sequence[str] = LINEAGE

    def start(self, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            write_page_checksum=True,
            # Dictionaries would take a sixth of the time, and zstd compresses repeats anyway.
            use_dictionary=False,
        )

    def write(
        self, batch: pa.RecordBatch, lineage: Mapping[str, object], **trailing: ArrowColumn
    ) -> None:
        """The columns `trailing` come after the lineage."""
        names = batch.schema.names
        own = free_names([*LINEAGE, *trailing], names)
        self.lineage = own[: len(LINEAGE)]
        complete = pa.record_batch(
            [*batch.columns, *lineage_columns(lineage, batch.num_rows), *trailing.values()],
            names=[*names, *own],
        )
        if self._writer is None:
            self.start(complete.schema)
        self._buffer.append(complete)
        self._buffer_bytes += complete.nbytes
        self.rows += complete.num_rows
        buffer_rows = sum(part.num_rows for part in self._buffer)
        if buffer_rows >= _ROW_GROUP_ROWS or self._buffer_bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def abandon(self) -> None:
        """Closes the writer now: its finaliser would write to a file that is gone."""
        if self._writer is not None and self._writer.is_open:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer.is_open = False

    def finish(self, metadata: Mapping[str, str]) -> None:
        self._flush()
        # Writing the footer doubles its memory: release that of the last rows before.
        pa.default_memory_pool().release_unused()
        if self._writer is not None:
            lineage = {LINEAGE_NAMES: ",".join(self.lineage)}
            self._writer.add_key_value_metadata({**metadata, **lineage})
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is not None and self._buffer:
            table = pa.Table.from_batches(self._buffer)
            if table.num_rows:
                self._writer.write_table(table, row_group_size=table.num_rows)
        self._buffer, self._buffer_bytes = [], 0


class CuratedFiles:
    """The two files of `curated_files`."""

    def __init__(
        self, bucket: Bucket, key: str, *, lineage: Mapping[str, object], stack: ExitStack
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._lineage = lineage
        self._stack = stack
        self._kept = self._sink(key)
        self._aside: _Sink | None = None

    @property
    def kept_rows(self) -> int:
        return self._kept.rows

    @property
    def set_aside(self) -> int:
        return self._aside.rows if self._aside else 0

    def write(self, verdict: RuleVerdict) -> None:
        self._kept.write(verdict.good, self._lineage)
        if verdict.set_aside.num_rows:
            if self._aside is None:
                # The stack closes it, and so publishes it, before the clean copy.
                self._aside = self._sink(exceptions_key(self._key))
            self._aside.write(verdict.set_aside, self._lineage, messages=verdict.messages)

    def _sink(self, key: str) -> _Sink:
        sink = _Sink(self._stack.enter_context(self._bucket.writer(key)))
        self._stack.callback(sink.abandon)
        return sink

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Writes the rest and the metadata; call it last."""
        for sink in (self._aside, self._kept):
            if sink:
                sink.finish(metadata)


@contextmanager
def curated_files(
    bucket: Bucket, key: str, lineage: Mapping[str, object]
) -> Iterator[CuratedFiles]:
    """Publishes both files at the end of the block, exceptions first; on an error neither."""
    with ExitStack() as stack:
        files = CuratedFiles(bucket, key, lineage=lineage, stack=stack)
        yield files
    if files.set_aside == 0:
        # An earlier attempt, under other rules, may have set records aside.
        bucket.delete(exceptions_key(key))
