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
from seil.salesforce.columns import CsvColumn, declared_column, wider
from seil.salesforce.decode import Decoder
from seil.salesforce.faults import SERVICE
from seil.salesforce.rows import Header, RowBlocks, header_line
from seil.salesforce.schema import ObjectSchema

BLOCK_BYTES = 2 << 20
_NO_HEADER = Header((), ",", quoted=True)


class PageWidenedError(UnavailableError):
    """A value far down the page did not fit; read again, the page starts out wide enough."""

    def __init__(self, columns: Iterable[str]) -> None:
        super().__init__(SERVICE, f"wider columns are needed: {', '.join(columns)}")


class ColumnTypes:
    """What a job's pages have shown their columns to need, for the pages still to be read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._columns: dict[str, CsvColumn] = {}

    def start(self, schema: ObjectSchema) -> list[CsvColumn]:
        with self._lock:
            return [self._columns.get(f.name) or declared_column(f) for f in schema.fields]

    def learn(self, columns: Iterable[CsvColumn]) -> None:
        with self._lock:
            for column in columns:
                known = self._columns.get(column.name, column)
                self._columns[column.name] = wider(known, column)


class ResultPage:
    """`schema` is that of the batches; `widened` names the columns in it that had to give way.

    `expected_rows` is what the org counted, `next_locator` None on the last page. `decoding` works
    on at most `ahead` blocks behind the one that the caller works on.
    """

    def __init__(
        self,
        response: httpx.Response,
        wanted: ObjectSchema,
        known: ColumnTypes,
        *,
        decoding: Executor,
        ahead: int,
    ) -> None:
        self.expected_rows = _row_count(response)
        self.next_locator = _locator(response)
        self._known = known
        self._decoding = decoding
        self._ahead = ahead
        self._pending: deque[Future[list[pa.RecordBatch]]] = deque()
        chunks = clean_body(response)
        line, rest = header_line(chunks)
        if self.expected_rows and not line.endswith(b"\n"):
            raise UnavailableError(SERVICE, "the result page was cut short within its header")
        header = Header.parse(line).with_spelling(wanted) if line else _NO_HEADER
        self._decoder = Decoder(header, known.start(wanted))
        self._blocks = RowBlocks(
            chain([rest], chunks), BLOCK_BYTES, header, delimited=is_delimited(response)
        )
        # What does not fit shows in the first block as a rule: then the schema is wide in time.
        first = next(self._blocks, None)
        self._first = self._decode(first) if first else []
        self._columns = self._decoder.columns
        self._known.learn(self._columns)
        self.schema = self._decoder.schema
        self.widened: Mapping[str, str] = {
            column.name: f"{field.arrow} -> {column.store}"
            for field, column in zip(wanted.fields, self._columns, strict=True)
            if field.arrow != column.store
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Once only. Raises UnavailableError unless exactly the expected rows came, undamaged:
        what was yielded is then worth nothing, and the page is to be read again.
        """
        rows = 0
        for batches in self._decode_ahead():
            for batch in batches:
                rows += batch.num_rows
                # After a widening the rest is only looked through, to widen once for all of it.
                if batch.schema == self.schema:
                    yield batch
        if rows != self.expected_rows:
            reason = f"{self.expected_rows} rows were announced, {rows} came"
            raise UnavailableError(SERVICE, reason)
        self._known.learn(self._decoder.columns)
        if self._decoder.schema != self.schema:
            raise PageWidenedError(self._changed_columns())

    def close(self) -> None:
        """Nothing of this page is being decoded any more."""
        for pending in self._pending:
            pending.cancel()
        wait(self._pending)

    def _decode_ahead(self) -> Iterator[list[pa.RecordBatch]]:
        """Blocks are decoded while the caller works on one before, and further ones arrive."""
        yield self._first
        self._first = []
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

    def _changed_columns(self) -> list[str]:
        pairs = zip(self._columns, self._decoder.columns, strict=True)
        return [now.name for then, now in pairs if then.store != now.store]


def _row_count(response: httpx.Response) -> int:
    value = response.headers.get("Sforce-NumberOfRecords", "")
    if not value.strip().isdecimal():
        raise UnavailableError(SERVICE, f"Sforce-NumberOfRecords is {value or 'missing'}")
    return int(value)


def _locator(response: httpx.Response) -> str | None:
    """Salesforce writes the last page's as the text null."""
    value = response.headers.get("Sforce-Locator", "")
    return value if value not in ("", "null") else None
