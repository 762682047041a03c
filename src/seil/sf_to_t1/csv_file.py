"""A billing file on this machine's disk: decoded, parsed and checked row by row, in streams.

Everything is checked before anything is sent: the encoding, the header, the width of each row, and
characters that XML 1.0 cannot carry.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import islice
from pathlib import Path
from typing import IO

from seil.settings import BillingTableSettings
from seil.sf_to_t1.refusals import BillingFileError

# https://www.w3.org/TR/xml/#charsets
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,15})?|\.\d{1,15})")
_LONGEST_FIELD = 1 << 24
_BLOCK = 1 << 18
_MOST_NAMED = 5
# Exact for numbers of 45 digits in as many rows as fit on a disk.
_SUM_DIGITS = 80
_CODECS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "cp1252": "cp1252"}
_BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16": codecs.BOM_UTF16_LE,
    "utf-16 (big-endian)": codecs.BOM_UTF16_BE,
}


@dataclass(frozen=True)
class CsvRow:
    """`number` counts the rows below the header, from 1; `line` is its last line in the file."""

    number: int
    line: int
    values: list[str]


@dataclass(frozen=True)
class FileProfile:
    """What a file holds. `sums` are of the columns whose values are all numbers; empty values
    count as none.
    """

    columns: tuple[str, ...]
    rows: int
    sums: dict[str, Decimal]


@dataclass(frozen=True)
class CsvFile:
    """`file_id` is for messages."""

    file_id: str
    path: Path
    format: BillingTableSettings

    def check(self, *, with_sums: bool = False) -> FileProfile:
        """Reads all of it. Raises BillingFileError for the first thing that is wrong, and for
        characters for the first few rows.
        """
        self._check_encoding()
        with self._reader() as reader:
            columns = self._header(reader)
            sums = _Sums(columns) if with_sums else None
            count, bad = 0, list[str]()
            for row in self._rows(reader, len(columns)):
                count += 1
                if _NOT_IN_XML.search("\n".join(row.values)):
                    bad.append(_forbidden(columns, row))
                if sums:
                    sums.add(row.values)
        if bad:
            more = f"; and {len(bad) - _MOST_NAMED:,} more rows" if len(bad) > _MOST_NAMED else ""
            reason = f"{'; '.join(bad[:_MOST_NAMED])}{more}"
            raise self._refusal("characters", f"XML cannot carry {reason}")
        return FileProfile(tuple(columns), count, sums.totals() if sums else {})

    def rows(self) -> Iterator[CsvRow]:
        with self._reader() as reader:
            columns = self._header(reader)
            yield from self._rows(reader, len(columns))

    def batches(self, size: int, *, skip: int = 0) -> Iterator[tuple[int, list[CsvRow]]]:
        """(number, rows), without the first `skip` batches."""
        rows = self.rows()
        number = skip
        for _ in islice(rows, skip * size):
            pass
        while batch := list(islice(rows, size)):
            number += 1
            yield number, batch

    @contextmanager
    def _reader(self) -> Iterator[_Reader]:
        if csv.field_size_limit() < _LONGEST_FIELD:
            csv.field_size_limit(_LONGEST_FIELD)
        encoding = _CODECS[self.format.encoding]
        with self.path.open(encoding=encoding, newline="") as text:
            yield _Reader(self, text)

    def _header(self, reader: _Reader) -> list[str]:
        columns = next((values for values in reader if values), None)
        if columns is None:
            raise self._refusal("header", "it is empty, it has not even a header")
        if _NOT_IN_XML.search("\n".join(columns)):
            raise self._refusal("header", "the name of a column has characters XML cannot carry")
        if blank := [at for at, name in enumerate(columns, 1) if not name.strip()]:
            raise self._refusal("header", f"column {blank[0]} has no name")
        lower = [name.casefold() for name in columns]
        if twice := [name for at, name in enumerate(columns) if lower.index(lower[at]) < at]:
            raise self._refusal("header", f"column {twice[0]} is there twice")
        own = self.format.batch_column
        if own and own.casefold() in lower:
            hint = "Name another batch_column in [sf_to_t1]"
            reason = f"column {own} is batch_column, which SEIL fills"
            raise self._refusal("header", reason, hint=hint)
        read_by = self.format.read_by
        if read_by and read_by.casefold() not in lower:
            hint = "Correct read_by in [sf_to_t1], or leave it out: the whole table is read then"
            raise self._refusal("header", f"it has no column {read_by}: read_by", hint=hint)
        return columns

    def _rows(self, reader: _Reader, width: int) -> Iterator[CsvRow]:
        """Blank lines are no rows."""
        number = 0
        for values in reader:
            if not values:
                continue
            number += 1
            if len(values) != width:
                reason = (
                    f"row {number:,} (line {reader.line:,}) has {len(values)} values for "
                    f"{width} columns"
                )
                raise self._refusal("width", reason)
            yield CsvRow(number, reader.line, values)

    def refusal_of_csv(self, error: csv.Error, line: int) -> BillingFileError:
        hint = "Check delimiter in [sf_to_t1]"
        return self._refusal("csv", f"line {line:,} is not CSV: {error}", hint=hint)

    def _check_encoding(self) -> None:
        """Raises BillingFileError for another encoding than the setting names."""
        expected = self.format.encoding
        with self.path.open("rb") as file:
            head = file.read(3)
            actual = next((name for name, bom in _BOMS.items() if head.startswith(bom)), "")
            is_named = actual.startswith(expected)
            if actual and not is_named:
                raise self._encoding_error(f"line 1 begins as {actual}, encoding is {expected}")
            if expected == "utf-16" and not actual:
                raise self._encoding_error("line 1 begins without the byte order mark of utf-16")
            file.seek(0)
            if line := _undecodable_line(file, expected):
                raise self._encoding_error(f"line {line:,} is not {expected}")
            if expected == "cp1252":
                self._refuse_utf8(file)

    def _refuse_utf8(self, file: IO[bytes]) -> None:
        """Almost all bytes are some character in cp1252; a text in it is never UTF-8 by chance."""
        file.seek(0)
        line = next((n for n, text in enumerate(file, 1) if not text.isascii()), 0)
        file.seek(0)
        if line and not _undecodable_line(file, "utf-8"):
            raise self._encoding_error(f"line {line:,} is utf-8, encoding is cp1252")

    def _encoding_error(self, reason: str) -> BillingFileError:
        hint = "Set encoding in [sf_to_t1]: utf-8, utf-16 or cp1252"
        return self._refusal("encoding", reason, hint=hint)

    def _refusal(self, check: str, reason: str, *, hint: str = "") -> BillingFileError:
        return BillingFileError(self.file_id, check, reason, hint=hint)


class _Reader:
    """The csv module's reader; its errors name the file and the line."""

    def __init__(self, file: CsvFile, text: IO[str]) -> None:
        self._file = file
        self._reader = csv.reader(text, delimiter=file.format.delimiter, strict=True)

    @property
    def line(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except csv.Error as error:
            raise self._file.refusal_of_csv(error, self.line) from error


class _Sums:
    def __init__(self, columns: Sequence[str]) -> None:
        self._sums = dict.fromkeys(range(len(columns)), Decimal())
        self._filled: set[int] = set()
        self._columns = columns

    def add(self, values: Sequence[str]) -> None:
        with localcontext(prec=_SUM_DIGITS):
            for at in list(self._sums):
                text = values[at].strip()
                if not text:
                    continue
                if not _NUMBER.fullmatch(text):
                    del self._sums[at]
                    continue
                self._filled.add(at)
                self._sums[at] += Decimal(text)

    def totals(self) -> dict[str, Decimal]:
        return {self._columns[at]: total for at, total in self._sums.items() if at in self._filled}


def _undecodable_line(file: IO[bytes], encoding: str) -> int:
    """The line of the first byte that is not of the encoding; 0 where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    while True:
        state = decoder.getstate()
        block = file.read(_BLOCK)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            decoder.setstate(state)
            good = error.object[len(state[0]) : error.start]
            return lines + decoder.decode(good).count("\n")
        lines += text.count("\n")
        if not block:
            return 0


def _forbidden(columns: Sequence[str], row: CsvRow) -> str:
    name, value = next(
        (name, value)
        for name, value in zip(columns, row.values, strict=True)
        if _NOT_IN_XML.search(value)
    )
    match = _NOT_IN_XML.search(value)
    code = f"U+{ord(match[0]):04X}" if match else ""
    return f"{code} in row {row.number:,} (line {row.line:,}), column {name}"
