"""The embedded DuckDB that compares rows and writes Parquet files: in memory, and on disk beyond a
limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from seil.arrow_memory import without_read_ahead
from seil.errors import IcebergError
from seil.sizes import doubled
from seil.warehouse.sql import Sql

if TYPE_CHECKING:
    import pyarrow as pa

# What readers expect of a Parquet file.
_ROW_GROUP_BYTES = 128 * 1024 * 1024
_BYTES_A_THREAD = """
    SELECT parse_formatted_bytes(current_setting('memory_limit')) // current_setting('threads')"""


class EmbeddedEngine:
    """`folder` is for files that are uploaded, and is removed with the engine. Each thread that
    writes a Parquet file holds a row group of at most `row_group_bytes`, which it cannot spill.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, memory: str) -> None:
        self._connection = connection
        self._memory = memory
        self.folder = folder
        self.row_group_bytes = _row_group_bytes(connection)

    def run(self, sql: Sql) -> duckdb.DuckDBPyConnection:
        """Raises IcebergError."""
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            hint = (
                f"Free disk space, or raise [publish] memory in seil.toml (it is {self._memory}; "
                f"try {doubled(self._memory)}); nothing was published"
            )
            raise IcebergError("embedded DuckDB", reason, hint=hint) from error

    def count(self, sql: Sql) -> int:
        """The one value of a SELECT."""
        row = self.run(sql).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    @contextmanager
    def rows(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        """Readable as `name` within the block; a reader once."""
        self._connection.register(name, without_read_ahead(rows))
        try:
            yield
        finally:
            self._connection.unregister(name)


@contextmanager
def embedded_engine(*, memory: str = "1GB", threads: int | None = None) -> Iterator[EmbeddedEngine]:
    with TemporaryDirectory(prefix="seil-publish-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": f"{folder}/spill",
            "preserve_insertion_order": False,
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
        }
        if threads:
            settings["threads"] = threads
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield EmbeddedEngine(connection, Path(folder), memory)


def _row_group_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """A third of the memory for the row groups of all threads."""
    row = connection.execute(_BYTES_A_THREAD).fetchone()
    return min(_ROW_GROUP_BYTES, int(row[0]) // 3) if row else _ROW_GROUP_BYTES
