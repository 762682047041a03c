"""Rows in bulk: COPY, binary into a table, CSV out of a SELECT.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder
from typing_extensions import Buffer

from seil.warehouse.postgresql.arrow import FREE_DECIMAL
from seil.warehouse.sql import Sql, compose, join, quote
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from psycopg import Cursor

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
            copy.write(encoder.write_batch(storable(batch, schema)))
        copy.write(encoder.finish())


def storable(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for column, field in zip(batch.columns, schema, strict=True):
        array = column if column.type == field.type else column.cast(field.type)
        if field.type == TEXT and _has_nul(array):
            array = pc.replace_substring(array, _NUL, _REPLACEMENT)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _has_nul(texts: pa.Array[Any]) -> bool:
    """The bytes of all texts first: that takes an eighth. They may include those of other rows."""
    content = texts.buffers()[2]
    return (
        content is not None
        and _NUL.encode() in content.to_pybytes()
        and bool(pc.any(pc.match_substring(texts, _NUL)).as_py())
    )


def copy_out(
    cursor: Cursor, select: str, schema: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    statement = f"COPY ({_declared(select, schema)}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
    with cursor.copy(statement.encode()) as copy:
        for block in _blocks(copy):
            yield _parsed(block, schema)


def _declared(select: str, schema: pa.Schema) -> str:
    """With the digits of a number that has none declared: the server rounds, and refuses what is
    too large, where the parser would overflow.
    """
    select = f"\n{select}\n"  # It can end with a comment.
    if FREE_DECIMAL not in schema.types:
        return select
    names = [f"c{number}" for number in range(len(schema))]
    digits = f"NUMERIC({FREE_DECIMAL.precision}, {FREE_DECIMAL.scale})"
    values = [
        f"CAST({name} AS {digits})" if kind == FREE_DECIMAL else name
        for name, kind in zip(names, schema.types, strict=True)
    ]
    return compose(
        "SELECT {values} FROM ({select}) AS result ({names})",
        values=join(", ", values),
        select=Sql(select),
        names=join(", ", names),
    )


def _blocks(rows: Iterable[Buffer]) -> Iterator[bytes]:
    """Of whole rows, since the server sends each in one message."""
    block = bytearray()
    for row in rows:
        block += row
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _parsed(block: bytes, schema: pa.Schema) -> pa.RecordBatch:
    # By number: a SELECT can repeat a name.
    types = {str(number): kind for number, kind in enumerate(schema.types)}
    rows = pyarrow.csv.read_csv(
        io.BytesIO(block),
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(types), block_size=len(block) + 1, use_threads=False
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    ).combine_chunks()
    (batch,) = rows.to_batches()
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
