"""The clean copy of a landed file, and beside it the records that were set aside."""

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
# The writer keeps more than a kilobyte for each column of each row group until the end.
_ROW_GROUP_BYTES = 40 << 20
_NAME = "curated_"


def exceptions_key(curated_key: str) -> str:
    """Where the records set aside from a landed file lie, given the key of its clean copy."""
    folder, _, name = curated_key.rpartition("/")
    return f"{EXCEPTIONS_PREFIX}{folder}/exceptions_{name.removeprefix(_NAME)}"


class _Sink:
    """One Parquet file in the making. Batches are gathered into row groups."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self.rows = 0
        self.lineage: Sequence[str] = LINEAGE

    def start(self, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            write_page_checksum=True,
            # Building dictionaries takes a sixth of the time, and zstd finds the repeats anyway.
            use_dictionary=False,
        )

    def write(
        self, batch: pa.RecordBatch, lineage: Mapping[str, object], **last: ArrowColumn
    ) -> None:
        """`last` are columns to stand behind the lineage."""
        names = batch.schema.names
        own = free_names([*LINEAGE, *last], names)
        self.lineage = own[: len(LINEAGE)]
        whole = pa.record_batch(
            [*batch.columns, *lineage_columns(lineage, batch.num_rows), *last.values()],
            names=[*names, *own],
        )
        if self._writer is None:
            self.start(whole.schema)
        self._held.append(whole)
        self._held_bytes += whole.nbytes
        self.rows += whole.num_rows
        held_rows = sum(part.num_rows for part in self._held)
        if held_rows >= _ROW_GROUP_ROWS or self._held_bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def abandon(self) -> None:
        """Leaves the writer nothing to do when it is collected: its file is gone by then."""
        if self._writer is not None and self._writer.is_open:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer.is_open = False

    def finish(self, metadata: Mapping[str, str]) -> None:
        self._flush()
        # To write a footer takes as much memory again as the footer: let the last rows' go first.
        pa.default_memory_pool().release_unused()
        if self._writer is not None:
            lineage = {LINEAGE_NAMES: ",".join(self.lineage)}
            self._writer.add_key_value_metadata({**metadata, **lineage})
            self._writer.close()

    def _flush(self) -> None:
        if self._writer is not None and self._held:
            table = pa.Table.from_batches(self._held)
            if table.num_rows:
                self._writer.write_table(table, row_group_size=table.num_rows)
        self._held, self._held_bytes = [], 0


class CuratedFiles:
    """What `curated_files` gives: batches go in, both files appear when the block ends."""

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
        self._kept.write(verdict.kept, self._lineage)
        if verdict.set_aside.num_rows:
            if self._aside is None:
                # Entered after the clean copy, so it is closed, and thus appears, before it.
                self._aside = self._sink(exceptions_key(self._key))
            self._aside.write(verdict.set_aside, self._lineage, messages=verdict.messages)

    def _sink(self, key: str) -> _Sink:
        sink = _Sink(self._stack.enter_context(self._bucket.writer(key)))
        self._stack.callback(sink.abandon)
        return sink

    def finish(self, metadata: Mapping[str, str]) -> None:
        """Adds the metadata. Nothing can be written any more."""
        for sink in (self._aside, self._kept):
            if sink:
                sink.finish(metadata)


@contextmanager
def curated_files(
    bucket: Bucket, key: str, lineage: Mapping[str, object]
) -> Iterator[CuratedFiles]:
    """Both files appear at the end of the block, set-aside records first; on an error neither."""
    with ExitStack() as stack:
        files = CuratedFiles(bucket, key, lineage=lineage, stack=stack)
        yield files
    if files.set_aside == 0:
        # An earlier attempt, under other rules, may have set records aside that are kept now.
        bucket.delete(exceptions_key(key))
