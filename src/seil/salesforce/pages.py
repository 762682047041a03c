"""One page of a query job's result, streamed as record batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from itertools import chain
from threading import Lock

import httpx
import pyarrow as pa

from seil.errors import UnavailableError
from seil.salesforce.body import clean_body, is_delimited
from seil.salesforce.columns import CsvColumn, declared_column, wider_of
from seil.salesforce.decode import Decoder
from seil.salesforce.faults import SERVICE
from seil.salesforce.rows import Header, RowBlocks, header_line
from seil.salesforce.schema import ObjectSchema

BLOCK_BYTES = 2 << 20
_NO_HEADER = Header((), ",", quoted=True)


class PageWidenedError(UnavailableError):
    """A value after the first block did not fit. Reading the page again starts wide enough."""

    def __init__(self, columns: Iterable[str]) -> None:
        super().__init__(SERVICE, f"wider columns are needed: {', '.join(columns)}")


class ColumnTypes:
    """The column types that a job's pages have needed so far, shared by its pages."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._columns: dict[str, CsvColumn] = {}

    def start(self, schema: ObjectSchema) -> list[CsvColumn]:
        with self._lock:
            return [self._columns.get(f.name) or declared_column(f) for f in schema.fields]

    def learn(self, columns: Iterable[CsvColumn]) -> None:
        with self._lock:
            for column in columns:
                current = self._columns.get(column.name, column)
                self._columns[column.name] = wider_of(current, column)


class ResultPage:
    """`schema` is that of the batches; `widened` maps columns to their change of type.

    `expected_rows` is the org's count; `next_locator` is None on the last page. `decoding` decodes
    at most `ahead` blocks in advance.
    """

    def __init__(
        self,
        response: httpx.Response,
        object_schema: ObjectSchema,
        types: ColumnTypes,
        *,
        decoding: Executor,
        ahead: int,
    ) -> None:
        self.expected_rows = _row_count(response)
        self.next_locator = _locator(response)
        self._types = types
        self._decoding = decoding
        self._ahead = ahead
        self._pending: deque[Future[list[pa.RecordBatch]]] = deque()
        chunks = clean_body(response)
        line, remainder = header_line(chunks)
        if self.expected_rows and not line.endswith(b"\n"):
            raise UnavailableError(SERVICE, "the result page is truncated in its header")
        header = Header.parse(line).with_spelling(object_schema) if line else _NO_HEADER
        self._decoder = Decoder(header, types.start(object_schema))
        self._blocks = RowBlocks(
            chain([remainder], chunks), BLOCK_BYTES, header, delimited=is_delimited(response)
        )
        # Decoded first: most values that do not fit are here, before `schema` is fixed.
        block = next(self._blocks, None)
        self._first_batches = self._decode(block) if block else []
        self._columns = self._decoder.columns
        self._types.learn(self._columns)
        self.schema = self._decoder.schema
        self.widened: Mapping[str, str] = {
            column.name: f"{field.arrow} -> {column.store}"
            for field, column in zip(object_schema.fields, self._columns, strict=True)
            if field.arrow != column.store
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Can be iterated once. Raises UnavailableError unless exactly the expected rows arrive:
        discard the batches then, and read the page again.
        """
        rows = 0
        for batches in self._decode_ahead():
            for batch in batches:
                rows += batch.num_rows
                # After a widening the rest is only decoded, to widen for all of it at once.
                if batch.schema == self.schema:
                    yield batch
        if rows != self.expected_rows:
            reason = f"{self.expected_rows} rows were announced, {rows} came"
            raise UnavailableError(SERVICE, reason)
        self._types.learn(self._decoder.columns)
        if self._decoder.schema != self.schema:
            raise PageWidenedError(self._widened_columns())

    def close(self) -> None:
        """Cancels and awaits decoding."""
        for pending in self._pending:
            pending.cancel()
        wait(self._pending)

    def _decode_ahead(self) -> Iterator[list[pa.RecordBatch]]:
        """Decodes blocks while the caller processes earlier ones and later ones arrive."""
        yield self._first_batches
        self._first_batches = []
        for block in self._blocks:
            self._pending.append(self._decoding.submit(self._decode, block))
            if len(self._pending) > self._ahead:
                yield self._pending.popleft().result()
        while self._pending:
            yield self._pending.popleft().result()

    def _decode(self, block: memoryview) -> list[pa.RecordBatch]:
        try:
            return self._decoder.decode(block)
        finally:
            self._blocks.release(block)

    def _widened_columns(self) -> list[str]:
        pairs = zip(self._columns, self._decoder.columns, strict=True)
        return [after.name for before, after in pairs if before.store != after.store]


def _row_count(response: httpx.Response) -> int:
    value = response.headers.get("Sforce-NumberOfRecords", "")
    if not value.strip().isdecimal():
        raise UnavailableError(SERVICE, f"Sforce-NumberOfRecords is {value or 'missing'}")
    return int(value)


def _locator(response: httpx.Response) -> str | None:
    """None on the last page, where Salesforce sends `null`."""
    value = response.headers.get("Sforce-Locator", "")
    return value if value not in ("", "null") else None
