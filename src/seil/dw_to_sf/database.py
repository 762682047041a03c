"""The embedded DuckDB of plans and checks: in memory, and on disk beyond a limit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zlib import crc32

from seil.errors import WarehouseError
from seil.processes import is_alive, machine, process_start
from seil.salesforce.writes.rules import FieldRule

if TYPE_CHECKING:
    import duckdb

# Whatever the machine: each thread takes memory of its own.
# https://duckdb.org/docs/stable/guides/performance/environment
_THREADS = 2
_BASE_MB = 128
# Each thread holds blocks of 256 kB for each column that it reads, compares and writes.
_COLUMN_MB = 8
# Each thread holds 2,048 rows of a text at a time, about four times: as read, and as compared.
_CHARACTERS_PER_MB = 1_000_000 / (_THREADS * 2_048 * 4)
_MOST_MB = 2_048
_SPILL = "seil-push-"


@contextmanager
def bounded_database(fields: Collection[FieldRule]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its limit of memory grows with the fields and their lengths.

    Raises WarehouseError where memory or disk do not suffice.
    """
    import duckdb

    _sweep_spill()
    # Made by DuckDB when it spills, and removed by it.
    spill = Path(gettempdir()) / f"{_spill_prefix()}{_own_process()}-{uuid4().hex}"
    settings: dict[str, Any] = {
        "memory_limit": f"{memory_mb(fields)}MB",
        "threads": _THREADS,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=settings) as database:
            yield database
    except duckdb.OutOfMemoryException as error:
        raise _too_little(error, spill) from error


def memory_mb(fields: Collection[FieldRule]) -> int:
    by_field = (max(_COLUMN_MB, rule.length / _CHARACTERS_PER_MB) for rule in fields)
    return min(round(_BASE_MB + sum(by_field)), _MOST_MB)


def _too_little(error: Exception, spill: Path) -> WarehouseError:
    first_line = str(error).partition("\n")[0]
    if any(words in first_line for words in ("offload", "max_temp_directory_size", "No space")):
        hint = f"Free some space in {spill.parent}, or set TMPDIR to a larger folder"
    else:
        hint = "Give the longest texts a push of their own, of fewer rows"
    return WarehouseError(
        "in memory, for the comparison", first_line, hint=f"{hint}; nothing was written"
    )


def _sweep_spill() -> None:
    """Removes the temporary folders of processes that were killed."""
    prefix = _spill_prefix()
    for folder in Path(gettempdir()).glob(f"{prefix}*"):
        pid, start, _ = folder.name.removeprefix(prefix).split("-")
        if not is_alive(int(pid), start):
            shutil.rmtree(folder, ignore_errors=True)


def _spill_prefix() -> str:
    """Of this machine: elsewhere a process id means another process."""
    return f"{_SPILL}{crc32(machine().encode()):08x}-"


def _own_process() -> str:
    return f"{os.getpid()}-{process_start(os.getpid())}"
