"""An ingest job's uploaded CSV, and its three result files."""

from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TextIO

from seil.sandbox.salesforce.csv_text import Dialect
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.records import WriteOutcome

_NULL = "#N/A"
_MAX_FIELD = 1 << 27
_NAMES = {"\n": "LF", "\r\n": "CRLF"}
_KINDS = ("successful", "failed", "unprocessed")

csv.field_size_limit(_MAX_FIELD)


class BadFileError(Exception):
    """Fails the whole job, as its errorMessage."""


class IngestFile:
    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.path = path
        self.dialect = dialect

    @cached_property
    def header(self) -> list[str]:
        try:
            with self._open() as file:
                return next(self._reader(file), [])
        except (csv.Error, UnicodeDecodeError, FileNotFoundError):
            return []

    def check(self, entity: SObject, operation: str) -> None:
        """Raises BadFileError for a file without any readable row."""
        if not self.path.exists() or not self.header:
            raise BadFileError("InvalidBatch : The file is empty or cannot be read as CSV")
        self._check_line_ending()
        names = [name.lower() for name in self.header]
        if twice := next((name for name in self.header if names.count(name.lower()) > 1), None):
            raise BadFileError(f"InvalidBatch : Duplicate column : {twice}")
        if operation in ("delete", "hardDelete"):
            if names != ["id"]:
                raise BadFileError(f"InvalidBatch : The '{operation}' batch must contain only 'Id'")
            return
        for name in self.header:
            relation = name.partition(".")[0]
            related = entity.relationship(relation) is not None
            if not entity.field(name) and not ("." in name and related):
                raise BadFileError(f"InvalidBatch : Field name not found : {name}")

    def batches(self, rows: int) -> Iterator[list[list[str]]]:
        """Raises BadFileError at the first unreadable row."""
        with self._open() as file:
            reader = self._reader(file)
            try:
                next(reader, None)
                while batch := list(itertools.islice(reader, rows)):
                    yield [row for row in batch if row]
            except (csv.Error, UnicodeDecodeError) as error:
                raise BadFileError(f"InvalidBatch : {error}") from error

    def values(self, row: Sequence[str]) -> dict[str, str | None]:
        """An empty cell keeps the field's value, #N/A clears it."""
        pairs = zip(self.header, row, strict=False)
        cells = {name: None if cell == _NULL else cell for name, cell in pairs if cell != ""}
        if len(row) != len(self.header):
            count = f"{len(row)} values for {len(self.header)} columns"
            raise BadFileError(f"InvalidBatch : The row has {count}: {row[:3]}")
        return cells

    def _check_line_ending(self) -> None:
        with self.path.open("rb") as file:
            first = file.readline()
        ending = "\r\n" if first.endswith(b"\r\n") else "\n"
        if ending != self.dialect.line_ending and first.endswith(b"\n"):
            setting = _NAMES[self.dialect.line_ending]
            raise BadFileError(
                "ClientInputError : LineEnding is invalid on user data."
                f" Current LineEnding setting is {setting}"
            )

    def _open(self) -> TextIO:
        return self.path.open(encoding="utf-8-sig", newline="")

    def _reader(self, file: TextIO) -> Iterator[list[str]]:
        return csv.reader(file, delimiter=self.dialect.delimiter, strict=True)


class Results:
    """A part file per batch, so that a repeated batch replaces its own; joined at the end."""

    def __init__(self, file: IngestFile) -> None:
        self._file = file
        self._folder = file.path.parent

    def keep(
        self, number: int, rows: Sequence[Sequence[str]], outcomes: Sequence[WriteOutcome]
    ) -> None:
        line = self._file.dialect.line
        good, bad = [], []
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome.error is None:
                created = "true" if outcome.created else "false"
                good.append(line([outcome.id or "", created, *row]))
            else:
                bad.append(line([outcome.id or "", outcome.error.as_text(), *row]))
        self._write("successful", number, good)
        self._write("failed", number, bad)
        self._write("counts", number, [f"{len(good)} {len(bad)}"])

    def finish(self, batch_rows: int) -> dict[str, int]:
        """Joins the parts; rows without an outcome become the unprocessed rows.

        `processed` counts the failed rows too, as the API does.
        """
        counts = [part.read_text().split() for part in self._parts("counts")]
        self._write("unprocessed", 0, self._unprocessed(len(counts), batch_rows))
        names = {"successful": ("sf__Id", "sf__Created"), "failed": ("sf__Id", "sf__Error")}
        for kind in _KINDS:
            self._join(kind, [*names.get(kind, ()), *self._file.header])
        for part in self._parts("counts"):
            part.unlink()
        good, bad = (sum(int(count[n]) for count in counts) for n in (0, 1))
        return {"processed": good + bad, "failed": bad}

    def _unprocessed(self, first: int, batch_rows: int) -> Iterator[str]:
        try:
            for batch in itertools.islice(self._file.batches(batch_rows), first, None):
                yield from map(self._file.dialect.line, batch)
        except (BadFileError, FileNotFoundError):
            return  # an unreadable row cannot be copied to a result file

    def _join(self, kind: str, header: Sequence[str]) -> None:
        with (self._folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as joined:
            joined.write(self._file.dialect.line(header))
            for part in self._parts(kind):
                with part.open(encoding="utf-8", newline="") as source:
                    shutil.copyfileobj(source, joined)
        for part in self._parts(kind):
            part.unlink()

    def _write(self, kind: str, number: int, lines: Iterable[str]) -> None:
        part = self._folder / f"{kind}.{number:06d}"
        part.parent.mkdir(exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)

    def _parts(self, kind: str) -> list[Path]:
        return sorted(self._folder.glob(f"{kind}.[0-9]*"))
