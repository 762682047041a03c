"""Parquet footers in slices.

pyarrow takes a footer whole, which costs a kilobyte of memory for each column of each row group:
160 MB for a file of 1 GB with 153 columns. A footer that names fewer row groups is a footer, too.

It is one struct in Thrift's compact protocol:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
_ROW_GROUPS = 4
_BINARY, _LIST, _STRUCT = 8, 9, 12
_LISTS = (_LIST, 10)
_WIDTHS = {1: 0, 2: 0, 3: 1, 7: 8}
_BOOLEANS = (1, 2)
_INTEGERS = (4, 5, 6)
_SHORT = 15
_WIDEST = 70


class FooterError(ValueError):
    """The bytes are no footer of a Parquet file."""


@dataclass(frozen=True)
class Footer:
    """`ends` are where the list of row groups begins in `content` and where each of them ends."""

    content: bytes
    list_at: int
    ends: list[int]

    @classmethod
    def parse(cls, content: bytes) -> Footer:
        """Takes about 10 us for each column of each row group."""
        try:
            list_at = _list_of_groups(content)
            count, at = _list_header(content, list_at)
            ends = [at]
            for _ in range(count):
                at = _after_struct(content, at)
                ends.append(at)
        except (IndexError, RecursionError) as error:
            raise FooterError("the footer is damaged") from error
        return cls(content, list_at, ends)

    def head(self) -> pq.FileMetaData:
        """All that it says of the file as a whole, but no row group."""
        return self._read(0, 0)

    def slices(self, size: int) -> Iterator[pq.FileMetaData]:
        """All row groups in their order, in footers of about `size` bytes, at least one in each."""
        first = 0
        for last in range(1, len(self.ends)):
            if last == len(self.ends) - 1 or self.ends[last] - self.ends[first] >= size:
                yield self._read(first, last)
                first = last

    def _read(self, first: int, last: int) -> pq.FileMetaData:
        footer = b"".join(
            (
                self.content[: self.list_at],
                bytes((_SHORT << 4 | _STRUCT,)),
                _varint(last - first),
                self.content[self.ends[first] : self.ends[last]],
                self.content[self.ends[-1] :],
            )
        )
        tail = _TAIL.pack(len(footer), _MAGIC)
        return pq.read_metadata(io.BytesIO(b"".join((_MAGIC, footer, tail))))


def footer_size(file: IO[bytes]) -> int:
    file.seek(-_TAIL.size, io.SEEK_END)
    size: int = _TAIL.unpack(file.read(_TAIL.size))[0]
    return size


def footer_bytes(file: IO[bytes]) -> bytes:
    size = footer_size(file)
    file.seek(-_TAIL.size - size, io.SEEK_END)
    return file.read(size)


def _list_of_groups(data: bytes) -> int:
    at = field = 0
    while True:
        kind, field, at = _field(data, at, field)
        if not kind:
            raise FooterError("the footer has no row groups")
        if (field, kind) == (_ROW_GROUPS, _LIST):
            return at
        at = _after(data, at, kind)


def _field(data: bytes, at: int, before: int) -> tuple[int, int, int]:
    """The kind and number of the field that begins at `at`, and where its value does; kind 0 ends
    the struct.
    """
    head = data[at]
    at += 1
    if head >> 4 or not head:
        return head & 15, before + (head >> 4), at
    zigzag, at = _number(data, at)
    return head & 15, (zigzag >> 1) ^ -(zigzag & 1), at


def _after_struct(data: bytes, at: int) -> int:
    # Of a field's number only its length matters here. This loop runs some million times.
    while head := data[at]:
        at += 1
        if head < 16:
            at = _after_number(data, at)
        kind = head & 15
        if kind in _INTEGERS:
            while data[at] > 127:
                at += 1
            at += 1
        elif kind not in _BOOLEANS:
            at = _after(data, at, kind)
    return at + 1


def _after(data: bytes, at: int, kind: int) -> int:
    """Where a value ends. That of a boolean field stands in its header."""
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    if kind in _INTEGERS:
        return _after_number(data, at)
    if kind == _BINARY:
        size, at = _number(data, at)
        return at + size
    if kind == _STRUCT:
        return _after_struct(data, at)
    if kind in _LISTS:
        return _after_list(data, at)
    # Parquet has no maps.
    raise FooterError(f"the footer has a value of kind {kind}")


def _after_list(data: bytes, at: int) -> int:
    kind = data[at] & 15
    count, at = _list_header(data, at)
    if kind in _BOOLEANS:
        return at + count
    for _ in range(count):
        at = _after(data, at, kind)
    return at


def _list_header(data: bytes, at: int) -> tuple[int, int]:
    """How many values it has, and where the first begins."""
    count = data[at] >> 4
    return _number(data, at + 1) if count == _SHORT else (count, at + 1)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _WIDEST:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise FooterError("the footer has a number of more than 64 bits")


def _after_number(data: bytes, at: int) -> int:
    while data[at] > 127:
        at += 1
    return at + 1


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes((*encoded, value))
