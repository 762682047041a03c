"""Decodes result pages from CSV to Arrow, in C++, a block of whole rows at a time.

Salesforce's dialect: every value quoted, quotes doubled, line ends and delimiters allowed in
values, null as an empty value (it has no empty strings), true and false, dates in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import IO, Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from seil.salesforce.body import damaged_page_error
from seil.salesforce.columns import CsvColumn, as_text, widen
from seil.salesforce.rows import Header

CsvBlock: TypeAlias = bytes | memoryview
_LINE_ENDS = b"\r\n"


class Decoder:
    """Thread-safe. `columns` are widened for values that do not fit."""

    def __init__(self, header: Header, columns: Sequence[CsvColumn]) -> None:
        self._header = header
        self._parse_options = pacsv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=True
        )
        self._widening = Lock()
        self.columns = tuple(columns)

    @property
    def schema(self) -> pa.Schema:
        return _schema(self.columns)

    def decode(self, block: CsvBlock) -> list[pa.RecordBatch]:
        """Raises UnavailableError for a block that is not UTF-8 CSV with the header's columns.

        The batches do not refer to `block`'s memory.
        """
        if _is_blank(block):
            return []
        while True:
            columns = self.columns
            try:
                return self._batches(block, columns)
            except pa.ArrowInvalid:
                # Terminates: each round widens a column, and text holds every value.
                self._widen(block, columns)

    def _batches(self, block: CsvBlock, columns: Sequence[CsvColumn]) -> list[pa.RecordBatch]:
        table = self._parse(block, {column.name: column.read for column in columns})
        arrays = [column.to_stored(table[column.name]) for column in columns]
        return pa.table(arrays, schema=_schema(columns)).to_batches()

    def _widen(self, block: CsvBlock, failed: Sequence[CsvColumn]) -> None:
        with self._widening:
            if self.columns != failed:
                # Another thread has widened them, perhaps enough for this block.
                return
            widened = tuple(self._fitting(column, block) for column in self.columns)
            if widened == self.columns:
                raise damaged_page_error("a value that no type holds")
            self.columns = widened

    def _fitting(self, column: CsvColumn, block: CsvBlock) -> CsvColumn:
        try:
            column.to_stored(self._parse(block, {column.name: column.read})[column.name])
        except pa.ArrowInvalid:
            text = self._text(column, block)
            return widen(column, text.to_pylist())
        return column

    def _text(self, column: CsvColumn, block: CsvBlock) -> pa.ChunkedArray[Any]:
        try:
            return self._parse(block, {column.name: as_text(column).read})[column.name]
        except pa.ArrowInvalid as error:
            # Arrow's message quotes the row, whose data must not get into ours.
            reason = "not UTF-8" if "UTF8" in str(error) else "rows of unequal length"
            raise damaged_page_error(reason) from error

    def _parse(self, block: CsvBlock, types: Mapping[str, pa.DataType]) -> pa.Table:
        return pacsv.read_csv(
            cast("IO[bytes]", pa.BufferReader(block)),  # the stubs accept Python's files only
            read_options=pacsv.ReadOptions(
                column_names=list(self._header.names),
                # One block, so that no row straddles two.
                block_size=len(block) + 1,
                use_threads=False,
            ),
            parse_options=self._parse_options,
            convert_options=pacsv.ConvertOptions(
                column_types=dict(types),
                include_columns=list(types),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                true_values=["true"],
                false_values=["false"],
            ),
        )


def _schema(columns: Sequence[CsvColumn]) -> pa.Schema:
    return pa.schema([(column.name, column.store) for column in columns])


def _is_blank(block: CsvBlock) -> bool:
    starts_blank = bytes(block[:1]) in _LINE_ENDS
    return starts_blank and not bytes(block).strip(_LINE_ENDS)
