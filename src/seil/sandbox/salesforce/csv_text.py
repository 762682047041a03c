"""CSV as Bulk API 2.0 writes it, formatted inside DuckDB.

Each row becomes one text in SQL, so that the lines lie end to end in Arrow's buffers and reach the
file without a Python object a value. Every value is quoted, also an absent one: `""`.
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_csv_valid_record_rows.htm
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import FileRange
from seil.sandbox.salesforce.translate import SelectedColumn

DELIMITERS = {
    "COMMA": ",",
    "TAB": "\t",
    "PIPE": "|",
    "SEMICOLON": ";",
    "CARET": "^",
    "BACKQUOTE": "`",
}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_BATCH_ROWS = 10_000
_OFFSET_BYTES = 8


@dataclass(frozen=True)
class Dialect:
    delimiter: str = ","
    line_ending: str = "\n"

    @classmethod
    def of(cls, delimiter: str, line_ending: str) -> Dialect:
        """By the API's names. Raises OrgApiError for others."""
        for name, names in ((delimiter, DELIMITERS), (line_ending, LINE_ENDINGS)):
            if name not in names:
                choices = ", ".join(names)
                raise OrgApiError(400, "INVALIDJOB", f"{name} is none of {choices}")
        return cls(DELIMITERS[delimiter], LINE_ENDINGS[line_ending])

    def line(self, values: Iterable[str]) -> str:
        quoted = (value.replace('"', '""') for value in values)
        return '"' + f'"{self.delimiter}"'.join(quoted) + f'"{self.line_ending}'


def line_sql(columns: Sequence[SelectedColumn], dialect: Dialect) -> str:
    """One row's line as an SQL expression."""
    values = ", ".join(f"coalesce({_text(column)}, '')" for column in columns)
    return (
        f"""concat('"', concat_ws('"{dialect.delimiter}"', {values}), '"{dialect.line_ending}')"""
    )


@dataclass(frozen=True)
class LineFile:
    """Lines in `body`; their offsets, and the last one's end, in `index`."""

    body: Path
    index: Path

    def write(self, statement: duckdb.DuckDBPyConnection) -> int:
        """Writes the first column of an executed statement; returns the number of lines."""
        lines, at = 0, 0
        with self.body.open("wb") as body, self.index.open("wb") as index:
            index.write(at.to_bytes(_OFFSET_BYTES, "little"))
            for batch in statement.to_arrow_reader(_BATCH_ROWS):
                ends, text = _laid_out(batch.column(0))
                body.write(text)
                index.write(_shift_offsets(ends, at))
                lines += batch.num_rows
                at += len(text)
        return lines

    def page(self, head: bytes, first: int, last: int) -> FileRange:
        """The lines [first, last)."""
        with self.index.open("rb") as index:
            start, end = (
                int.from_bytes(os.pread(index.fileno(), _OFFSET_BYTES, n * _OFFSET_BYTES), "little")
                for n in (first, last)
            )
        return FileRange(head, self.body, start, end)


def _text(column: SelectedColumn) -> str:
    if column.type == "datetime":
        return f"strftime({column.sql}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    if column.type == "time":
        return f"strftime(DATE '2000-01-01' + {column.sql}, '%H:%M:%S.%gZ')"
    if column.type in ("id", "reference", "boolean", "date", "int", "long", "double"):
        return f"CAST({column.sql} AS VARCHAR)"
    if column.type in ("currency", "percent"):
        return f"CAST({column.sql} AS VARCHAR)"
    return f"""replace({column.sql}, '"', '""')"""


def _laid_out(texts: pa.Array[Any]) -> tuple[pa.Array[Any], memoryview]:
    """(each text's end offset, the concatenated texts)"""
    _, offsets, data = texts.buffers()
    positions = pa.Array.from_buffers(
        pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset
    )
    start, end = positions[0].as_py(), positions[-1].as_py()
    ends = pc.subtract(positions[1:], start)
    return ends, memoryview(data)[start:end] if data is not None else memoryview(b"")


def _shift_offsets(ends: pa.Array[Any], by: int) -> memoryview:
    moved = pc.add(ends.cast(pa.int64()), pa.scalar(by, pa.int64()))
    data = moved.buffers()[1]
    return memoryview(data if data is not None else b"")[: len(moved) * _OFFSET_BYTES]
