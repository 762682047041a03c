"""Rows in bulk: COPY, binary into a table, CSV out of a SELECT.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder
from typing_extensions import override

from seil.warehouse.sql import Sql, compose, join, quote
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from psycopg import Copy, Cursor

_NUL, _REPLACEMENT = "\0", "\N{REPLACEMENT CHARACTER}"
_BLOCK_BYTES = 1 << 20


def copy_in(
    cursor: Cursor, place: Sql, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> None:
    """Columns by name. The types of `schema` are those of the table, texts as PostgreSQL keeps
    them: https://www.postgresql.org/docs/current/datatype-character.html has no NUL.
    """
    encoder = ArrowToPostgresBinaryEncoder(schema)
    into = compose(
        "COPY {place} ({columns}) FROM STDIN (FORMAT binary)",
        place=place,
        columns=join(", ", map(quote, schema.names)),
    )
    with cursor.copy(into.encode()) as copy:
        copy.write(encoder.write_header())
        for batch in batches:
            copy.write(encoder.write_batch(_storable(batch, schema)))
        copy.write(encoder.finish())


def _storable(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        array = column if column.type == field.type else column.cast(field.type)
        if field.type == TEXT and pc.any(pc.match_substring(array, _NUL)).as_py():
            array = pc.replace_substring(array, _NUL, _REPLACEMENT)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def copy_out(cursor: Cursor, select: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)".encode()) as copy:
        source = _CopiedText(copy)
        if not source.has_rows:
            return
        yield from pyarrow.csv.open_csv(
            cast("IO[bytes]", source),
            read_options=pyarrow.csv.ReadOptions(
                column_names=schema.names, block_size=_BLOCK_BYTES, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=schema,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )


class _CopiedText(io.RawIOBase):
    """What pyarrow reads as a file."""

    def __init__(self, copy: Copy) -> None:
        super().__init__()
        self._chunks = iter(copy)
        self._rest = bytes(next(self._chunks, b""))

    @property
    def has_rows(self) -> bool:
        return bool(self._rest)

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while length < size:
            chunk = bytes(next(self._chunks, b""))
            if not chunk:
                break
            parts.append(chunk)
            length += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]
