"""The embedded DuckDB of plans and checks: in memory, and on disk beyond a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    import duckdb

# Whatever the machine: each thread takes memory of its own.
# https://duckdb.org/docs/stable/guides/performance/environment
_THREADS = 2
_BASE_MB = 128
# Each thread holds blocks of 256 kB for each column that it reads, compares and writes.
_COLUMN_MB = 8


@contextmanager
def bounded_database(columns: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its limit of memory grows with `columns`, which are the fields of the push."""
    import duckdb

    # Made by DuckDB when it spills, and removed by it.
    spill = Path(gettempdir()) / f"seil-push-{uuid4().hex}"
    settings: dict[str, Any] = {
        "memory_limit": f"{_BASE_MB + _COLUMN_MB * columns}MB",
        "threads": _THREADS,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(config=settings) as database:
        yield database
