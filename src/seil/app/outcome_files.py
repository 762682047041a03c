"""Outcomes as a Parquet, CSV or JSON Lines file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from seil.errors import ConfigurationError, Problem
from seil.state.outcome_rows import IMAGES, SCHEMA, outcome_table
from seil.state.outcomes import StoredOutcome

Write = Callable[[pa.Table], None]


def write_outcomes(file: Path, pages: Iterable[Sequence[StoredOutcome]]) -> int:
    """Replaces `file` once all is written, and returns the number of rows.

    Raises ConfigurationError for an unknown suffix.
    """
    if (opened := _WRITERS.get(file.suffix.lower())) is None:
        hint = f"end it in {', '.join(_WRITERS)}"
        raise ConfigurationError([Problem("--output", f"{file} has no known suffix", hint)])
    part = file.with_name(f".{file.name}.part")
    rows = 0
    try:
        with opened(part) as write:
            for page in pages:
                write(outcome_table(page))
                rows += len(page)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return rows


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        yield writer.write_table


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with pc_csv.CSVWriter(path, SCHEMA) as writer:
        yield writer.write_table


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(table: pa.Table) -> None:
            for row in table.to_pylist():
                images = {name: json.loads(row[name]) for name in IMAGES}
                times = {"changed_at": row["changed_at"].isoformat()}
                file.write(json.dumps({**row, **images, **times}, ensure_ascii=False) + "\n")

        yield write


_WRITERS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}
