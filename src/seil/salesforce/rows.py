"""Splits a result page into its header and blocks of whole rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from seil.errors import ObjectRejectedError, UnavailableError
from seil.salesforce.body import damaged_page_error
from seil.salesforce.faults import SERVICE
from seil.salesforce.schema import ObjectSchema

_DELIMITER = re.compile(r'[^\w."]', re.ASCII)
_QUOTE = b'"'
# Attempts before counting quotes; more would cost as much as counting.
_QUICK_TRIES = 8
_LARGEST_ROW = 256 << 20


@dataclass(frozen=True)
class Header:
    """A page's first row: its column names and its CSV dialect."""

    names: tuple[str, ...]
    delimiter: str
    quoted: bool

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """The delimiter follows the first name; names consist of letters, digits, _ and dots."""
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        quoted = text.startswith('"')
        match = _DELIMITER.search(text)
        delimiter = match[0] if match else ","
        names = next(csv.reader([text], delimiter=delimiter), [])
        return cls(tuple(names), delimiter, quoted)

    def with_spelling(self, schema: ObjectSchema) -> Header:
        """With the schema's spelling. Raises ObjectRejectedError naming missing columns."""
        spelled = {f.name.lower(): f.name for f in schema.fields}
        names = tuple(spelled.get(name.lower(), name) for name in self.names)
        if missing := [f.name for f in schema.fields if f.name not in set(names)]:
            raise ObjectRejectedError(
                schema.name, f"the result has no column {', '.join(missing)}", code="MISSING_COLUMN"
            )
        return Header(names, self.delimiter, self.quoted)


def header_line(chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """(the first line with its newline if any, the remainder of its chunk)"""
    head = b""
    for chunk in chunks:
        head += chunk
        line, newline, remainder = head.partition(b"\n")
        if newline:
            return line + newline, remainder
    return head, b""


class RowBlocks:
    """Blocks of whole rows, of at most `size` bytes, or of one longer row.

    `chunks` start at the start of a row; `delimited`: HTTP marks their end. Raises
    UnavailableError where they end within a row. `release` recycles a block's memory: allocating
    it anew would cost as much as receiving it.
    """

    def __init__(
        self, chunks: Iterable[bytes], size: int, header: Header, *, delimited: bool
    ) -> None:
        self._size = size
        self._header = header
        self._delimited = delimited
        self._spare: list[bytearray] = []
        self._blocks = self._cut(chunks)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> memoryview:
        return next(self._blocks)

    def release(self, block: memoryview) -> None:
        """Thread-safe; `block` must not be used afterwards."""
        buffer = block.obj
        if isinstance(buffer, bytearray) and len(buffer) == self._size:
            self._spare.append(buffer)

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[memoryview]:
        delimiter = self._header.delimiter.encode()
        buffer, filled = self._buffer(), 0
        for chunk in chunks:
            pending = memoryview(chunk)
            while pending:
                count = min(len(pending), len(buffer) - filled)
                buffer[filled : filled + count] = pending[:count]
                filled += count
                pending = pending[count:]
                if filled < len(buffer):
                    continue
                if end := rows_end(buffer, delimiter):
                    full, filled = memoryview(buffer), filled - end
                    buffer = self._buffer(full[end:])
                    yield full[:end]
                else:
                    buffer = _double(buffer)
        if filled:
            del buffer[filled:]
            if not _ends_whole(buffer, self._header, delimited=self._delimited):
                raise UnavailableError(SERVICE, "the result page is truncated in a row")
            yield memoryview(buffer)

    def _buffer(self, start: memoryview | None = None) -> bytearray:
        """Begins with `start`, and has room for more."""
        length = len(start) if start else 0
        if length >= self._size:
            buffer = bytearray(2 * length)
        else:
            buffer = self._spare.pop() if self._spare else bytearray(self._size)
        if start:
            buffer[:length] = start
        return buffer


def _double(buffer: bytearray) -> bytearray:
    if len(buffer) > _LARGEST_ROW:
        raise damaged_page_error(f"a row of more than {_LARGEST_ROW >> 20} MB")
    return buffer + bytearray(len(buffer))


def rows_end(block: bytes | bytearray, delimiter: bytes = b",") -> int:
    """The end of a whole row in `block`, usually the last; 0 where it contains none."""
    return _quick_end(block, delimiter) or _end_by_quotes(block)


def _quick_end(block: bytes | bytearray, delimiter: bytes) -> int:
    """The last `x"<newline>"y` where x is not a quote, and y not a quote, delimiter or newline.

    It cannot lie inside a quoted value: there a single quote closes the value, so that the first
    one opens it, and the second would be escaped or closing, followed by an excluded y.
    """
    after = frozenset(b'"\r\n' + delimiter)
    end = len(block)
    for _ in range(_QUICK_TRIES):
        at = block.rfind(b'"\n"', 0, end)
        if at < 1:
            return 0
        following = block[at + 3] if at + 3 < len(block) else _QUOTE[0]
        if block[at - 1] != _QUOTE[0] and following not in after:
            return at + 2
        end = at + 2
    return 0


def _end_by_quotes(block: bytes | bytearray) -> int:
    """A newline ends a row when the number of quotes before it is even (RFC 4180)."""
    quotes = block.count(_QUOTE)
    end = len(block)
    while (newline := block.rfind(b"\n", 0, end)) >= 0:
        quotes -= block.count(_QUOTE, newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _ends_whole(tail: bytearray, header: Header, *, delimited: bool) -> bool:
    """The last row may lack its newline only where truncation would be detected otherwise."""
    if tail.count(_QUOTE) % 2:
        return False
    if tail.endswith(b"\n"):
        return True
    return delimited and (tail.endswith(_QUOTE) or not header.quoted)
