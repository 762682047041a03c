"""The rows of a result page: its header, and blocks that hold whole rows."""

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
# Tried before quotes are counted; many more would cost as much as counting.
_QUICK_TRIES = 8
_LARGEST_ROW = 256 << 20


@dataclass(frozen=True)
class Header:
    """The first row of a page: the columns' names in the page's order, and how it is written."""

    names: tuple[str, ...]
    delimiter: str
    quoted: bool

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """The delimiter is what follows the first name: names hold letters, digits, _ and dots."""
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        quoted = text.startswith('"')
        found = _DELIMITER.search(text)
        delimiter = found[0] if found else ","
        names = next(csv.reader([text], delimiter=delimiter), [])
        return cls(tuple(names), delimiter, quoted)

    def with_spelling(self, schema: ObjectSchema) -> Header:
        """With the schema's spelling. Raises ObjectRejectedError naming what is not there."""
        spelled = {f.name.lower(): f.name for f in schema.fields}
        names = tuple(spelled.get(name.lower(), name) for name in self.names)
        if missing := [f.name for f in schema.fields if f.name not in set(names)]:
            raise ObjectRejectedError(
                schema.name, f"the result has no column {', '.join(missing)}", code="MISSING_COLUMN"
            )
        return Header(names, self.delimiter, self.quoted)


def header_line(chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The first line with its end, where it has one, and what came with it of the rest."""
    head = b""
    for chunk in chunks:
        head += chunk
        line, newline, rest = head.partition(b"\n")
        if newline:
            return line + newline, rest
    return head, b""


class RowBlocks:
    """Blocks of whole rows, of at most `size` bytes or as many as one row needs.

    `chunks` start at the start of a row; `delimited`: HTTP vouches for where they end. Raises
    UnavailableError when they end within a row. A block given back with `release` lends its memory
    to a later one: new memory for each would cost as much as receiving it.
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
        """From any thread; `block` must not be looked at any more."""
        buffer = block.obj
        if isinstance(buffer, bytearray) and len(buffer) == self._size:
            self._spare.append(buffer)

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[memoryview]:
        delimiter = self._header.delimiter.encode()
        buffer, have = self._buffer(), 0
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                taken = min(len(rest), len(buffer) - have)
                buffer[have : have + taken] = rest[:taken]
                have += taken
                rest = rest[taken:]
                if have < len(buffer):
                    continue
                if end := rows_end(buffer, delimiter):
                    full, have = memoryview(buffer), have - end
                    buffer = self._buffer(full[end:])
                    yield full[:end]
                else:
                    buffer = _double(buffer)
        if have:
            del buffer[have:]
            if not _is_whole(buffer, self._header, delimited=self._delimited):
                raise UnavailableError(SERVICE, "the result page was cut short within a row")
            yield memoryview(buffer)

    def _buffer(self, start: memoryview | None = None) -> bytearray:
        """With room behind `start`, what it begins with."""
        have = len(start) if start else 0
        if have >= self._size:
            buffer = bytearray(2 * have)
        else:
            buffer = self._spare.pop() if self._spare else bytearray(self._size)
        if start:
            buffer[:have] = start
        return buffer


def _double(buffer: bytearray) -> bytearray:
    if len(buffer) > _LARGEST_ROW:
        raise damaged_page_error(f"a row of more than {_LARGEST_ROW >> 20} MB")
    return buffer + bytearray(len(buffer))


def rows_end(block: bytes | bytearray, delimiter: bytes = b",") -> int:
    """Where a whole row of `block` ends, the last as a rule; 0 when it holds none."""
    return _quick_end(block, delimiter) or _counted_end(block)


def _quick_end(block: bytes | bytearray, delimiter: bytes) -> int:
    """The last `x"<newline>"y` where x is no quote, and y no quote, delimiter or line end.

    Were this inside a quoted value, the first quote would open it (alone, it cannot be an escaped
    one) and the second would have to be escaped or closing: then y were one of those excluded.
    """
    after = frozenset(b'"\r\n' + delimiter)
    end = len(block)
    for _ in range(_QUICK_TRIES):
        found = block.rfind(b'"\n"', 0, end)
        if found < 1:
            return 0
        follows = block[found + 3] if found + 3 < len(block) else _QUOTE[0]
        if block[found - 1] != _QUOTE[0] and follows not in after:
            return found + 2
        end = found + 2
    return 0


def _counted_end(block: bytes | bytearray) -> int:
    """A newline ends a row when the number of quotes before it is even (RFC 4180)."""
    quotes = block.count(_QUOTE)
    end = len(block)
    while (newline := block.rfind(b"\n", 0, end)) >= 0:
        quotes -= block.count(_QUOTE, newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _is_whole(tail: bytearray, header: Header, *, delimited: bool) -> bool:
    """The last row may lack its line end, but then only where a cut would show otherwise."""
    if tail.count(_QUOTE) % 2:
        return False
    if tail.endswith(b"\n"):
        return True
    return delimited and (tail.endswith(_QUOTE) or not header.quoted)
