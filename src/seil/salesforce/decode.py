"""Result pages from CSV to Arrow, in C++, a block of whole rows at a time.

Salesforce's dialect: every value quoted, quotes doubled, line ends and delimiters kept inside,
null written as an empty value (it has no empty texts), true and false, dates in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from seil.salesforce.body import damaged
from seil.salesforce.columns import Column, as_text, holding
from seil.salesforce.rows import Header


class Decoder:
    """Decodes blocks in order; `columns` widen when a value does not fit them."""

    def __init__(self, header: Header, columns: Sequence[Column]) -> None:
        self._header = header
        self._parse = pacsv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True)
        self.columns = tuple(columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, column.store) for column in self.columns])

    def decode(self, block: bytes) -> list[pa.RecordBatch]:
        """Raises UnavailableError for a block that is not CSV of this many columns, in UTF-8."""
        if not block.strip(b"\r\n"):
            return []
        while True:
            try:
                return self._batches(block)
            except pa.ArrowInvalid:
                # Ends: each round widens a column, and text holds everything.
                self._widen(block)

    def _batches(self, block: bytes) -> list[pa.RecordBatch]:
        table = self._read(block, {column.name: column.read for column in self.columns})
        arrays = [column.stored(table[column.name]) for column in self.columns]
        return pa.table(arrays, schema=self.schema).to_batches()

    def _widen(self, block: bytes) -> None:
        widened = tuple(self._fitting(column, block) for column in self.columns)
        if widened == self.columns:
            raise damaged("a value that no type holds")
        self.columns = widened

    def _fitting(self, column: Column, block: bytes) -> Column:
        try:
            column.stored(self._read(block, {column.name: column.read})[column.name])
        except pa.ArrowInvalid:
            text = self._text(column, block)
            return holding(column, text.to_pylist())
        return column

    def _text(self, column: Column, block: bytes) -> pa.ChunkedArray[Any]:
        try:
            return self._read(block, {column.name: as_text(column).read})[column.name]
        except pa.ArrowInvalid as error:
            # Arrow's message quotes the row: other people's data does not belong in ours.
            reason = "not UTF-8" if "UTF8" in str(error) else "rows of unequal length"
            raise damaged(reason) from error

    def _read(self, block: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
        return pacsv.read_csv(
            cast("IO[bytes]", pa.BufferReader(block)),  # the stubs know only Python's files
            read_options=pacsv.ReadOptions(
                column_names=list(self._header.names),
                # The block is one piece: a row must not straddle two.
                block_size=len(block) + 1,
                use_threads=False,
            ),
            parse_options=self._parse,
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
