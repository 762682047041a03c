"""The connection to a DuckDB file: statements, transactions, tables.

Private to this package. DuckDB locks the file for one writing process, so open it late and close it
early.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from seil.arrow_memory import without_read_ahead
from seil.errors import LostReasonError, StatementError, WarehouseError
from seil.interruption import last_signal_error
from seil.processes import process_start
from seil.warehouse.duckdb import files_sql
from seil.warehouse.duckdb.errors import translated_batches, translated_errors
from seil.warehouse.duckdb.forms import DuckDBForms
from seil.warehouse.duckdb.staging import DEFAULT_SCHEMA, ParquetReader, qualify
from seil.warehouse.lost_reasons import with_reason
from seil.warehouse.relational.fencing import admit
from seil.warehouse.relational.row_merge import append_staged
from seil.warehouse.sql import Sql, SqlName, compose, literal, quote
from seil.warehouse.types import sql_type

if TYPE_CHECKING:
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import MergeOutcome, Misfits, OpenUrl, StagedFile
    from seil.warehouse.relational.merge_sql import RowKey
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column


_LOCK_POLL_SECONDS = 0.1
# By another process; by another thread of this one, which reads where we write or the reverse.
_IN_USE = ("lock on file", "different configuration")
# For a missing table `json`, DuckDB looks for a file `w.salesforce.json`.
_FILE_KINDS = frozenset(
    {"arrow", "avro", "csv", "ipc", "json", "jsonl", "ndjson", "parquet", "tsv", "xlsx"}
)
_BATCH_ROWS = 16_384

_Setting = str | bool | int | float | list[str]


class DuckDBConnection:
    """`wait` is how long to wait for another process's lock; `fence` rejects commits of a run that
    lost its lease; `open_url` reads staged files that DuckDB cannot reach.
    """

    forms = DuckDBForms()

    def __init__(
        self,
        file: Path,
        *,
        memory: str,
        threads: int | None = None,
        read_only: bool = False,
        wait: timedelta = timedelta(0),
        fence: Fence | None = None,
        open_url: OpenUrl | None = None,
        spill: str = "",
    ) -> None:
        self._fence = fence
        self._staging = ParquetReader(self, open_url)
        self.url = f"duckdb:{file}"
        self._errors = partial(translated_errors, self.url, memory=memory)
        self._checked_batches = partial(translated_batches, self.url, memory=memory)
        self.read_only = read_only
        config: dict[str, _Setting] = {
            "memory_limit": memory,
            # Otherwise a table named `log` or `time` resolves to a Python variable.
            "python_enable_replacements": False,
            # One per reader: DuckDB removes the whole folder at the end.
            "temp_directory": spill or (_reader_spill(file) if read_only else f"{file}.tmp"),
            # Otherwise a query may download an extension.
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": False,
            # Of a new file. Each column of each table that gets some rows takes whole blocks, in
            # memory and again in the checkpoint: with 256 kB ones, small merges cost twice as much.
            "default_block_size": 65_536,
            # Of a new file, too: read by DuckDB 1.4 and later. Older formats compress text worse,
            # and take a fifth longer.
            "storage_compatibility_version": "v1.4.0",
            # A checkpoint after a DELETE merges row groups that fit into fewer: it compresses them
            # anew. Of a 1 % delta of 1 M order products that took 4 of 21 s, two thirds of the
            # bytes written, and memory (docs/scale.md). Upkeep rewrites the file instead.
            "max_vacuum_tasks": 0,
        }
        if threads:
            config["threads"] = threads
        self._connect = partial(_connect, file, config, read_only=read_only, wait=wait)
        self._in_transaction = False
        self._open()

    def _open(self) -> None:
        with self._errors():
            self._connection = self._connect()
            self._connection.execute("SET TimeZone = 'UTC'")
            row = self._connection.execute("SELECT current_database()").fetchone()
            self.name = str(row[0]) if row else ""
            if self.read_only:
                # Even with a read-only database, COPY writes and read_csv reads other files.
                self._connection.execute("SET enable_external_access = false")
                self._connection.execute("SET lock_configuration = true")

    def close(self) -> None:
        with self._errors():
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._begin()
        self._in_transaction = True
        try:
            if self._fence:
                admit(self, self._fence)
            yield
            if self._fence:
                self._fence.check()
            self.execute("COMMIT")
        except BaseException:
            # After a failed COMMIT, or once DuckDB has invalidated the database, ROLLBACK fails.
            with suppress(WarehouseError):
                self.execute("ROLLBACK")
                # A full build that failed leaves it set: no transaction covers settings.
                self.execute("RESET disabled_optimizers")
            raise
        finally:
            self._in_transaction = False

    def _begin(self) -> None:
        try:
            self.execute("BEGIN")
        except LostReasonError:
            # The statement that failed before this has spoiled the connection.
            self.close()
            self._open()
            self.execute("BEGIN")

    def execute(self, sql: str) -> None:
        self._run(sql)

    def query(self, sql: str) -> pa.Table:
        def run() -> pa.Table:
            with self._errors():
                return self._run(sql).to_arrow_table()

        return run() if self._in_transaction else with_reason(run)

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            with self._errors():
                return self._connection.execute(sql)
        except RuntimeError as error:
            # DuckDB raises this on a signal. Its threads run on until interrupt(), and the next
            # statement would wait for them.
            if "interrupted" not in str(error):
                raise
            self._connection.interrupt()
            raise last_signal_error() from error

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        self._check_single_query(sql)
        reader = self._reader(sql)
        yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader, sql))

    def _reader(self, sql: str) -> pa.RecordBatchReader:
        with self._errors():
            return self._run(sql).to_arrow_reader(_BATCH_ROWS)

    def _batches(self, reader: pa.RecordBatchReader, sql: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._checked_batches(reader)
        except LostReasonError:
            if self._in_transaction:
                raise
            with_reason(lambda: self._drain(sql))
            raise

    def _drain(self, sql: str) -> None:
        for _ in self._checked_batches(self._reader(sql)):
            pass

    def _check_single_query(self, sql: str) -> None:
        """DuckDB returns nothing for an empty text, and only the last of several results."""
        sql.encode()  # DuckDB reads text that is not UTF-8 as empty.
        with self._errors():
            statements = self._connection.extract_statements(sql)
        if not statements:
            raise StatementError(self.url, "there is no statement in it")
        # PIVOT is a CREATE and a SELECT.
        queries = sum(s.type == duckdb.StatementType.SELECT for s in statements)
        if queries > 1:
            raise StatementError(self.url, f"it holds {queries:,} queries; run them one by one")

    def tables(self, schema: str = "") -> list[str]:
        rows = self.query(
            compose(
                "SELECT table_name FROM duckdb_tables() WHERE NOT temporary "
                "AND database_name = current_database() AND schema_name = {schema} "
                "ORDER BY table_name",
                schema=schema or DEFAULT_SCHEMA,
            )
        )
        return [str(name) for name in rows["table_name"].to_pylist()]

    def columns(self, table: TableName) -> pa.Schema | None:
        # Called for every table in every run: listing the tables first would be slower. The
        # database in the name excludes temporary tables.
        if table.name in _FILE_KINDS and table.name not in self.tables(table.schema):
            return None
        select = compose(
            "SELECT * FROM {database}.{table} LIMIT 0",
            database=quote(self.name),
            table=qualify(table),
        )
        with self._errors():
            try:
                empty = self._connection.execute(select)
            except duckdb.CatalogException:
                return None
            return empty.to_arrow_table().schema

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str = "") -> None:
        # An index on the key would slow merges down by more than it saves in joins.
        if table.schema:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(table.schema)}")
        columns_sql = files_sql.column_list(columns)
        self.execute(f"CREATE TABLE IF NOT EXISTS {qualify(table)} ({columns_sql})")

    @contextmanager
    def replaced_table(
        self, table: TableName, columns: pa.Schema, *, key: str = ""
    ) -> Iterator[None]:
        self.drop(table)
        self.create_table(table, columns, key=key)
        yield

    def add_column(self, table: TableName, column: Column) -> None:
        columns_sql = files_sql.column_list(pa.schema([column]))
        self.execute(f"ALTER TABLE {qualify(table)} ADD COLUMN {columns_sql}")

    def change_type(self, table: TableName, column: Column) -> None:
        current = self.existing_columns(table).field(column.name)
        self.execute(
            compose(
                "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {type} USING {value}",
                table=qualify(table),
                name=SqlName(column.name),
                type=Sql(sql_type(column.type)),
                value=files_sql.cast(current, column.type),
            )
        )

    def append(self, table: TableName | Sql, rows: pa.Table | pa.RecordBatchReader) -> None:
        place = table if isinstance(table, Sql) else qualify(table)
        with self.registration("_seil_rows", rows):
            insert = "INSERT INTO {table} BY NAME SELECT * FROM _seil_rows"
            self.execute(compose(insert, table=place))

    def create_temporary(self, name: str, content: Sql | pa.Schema) -> None:
        columns = "" if isinstance(content, Sql) else f"({files_sql.column_list(content)})"
        body = columns or f"AS {content}"
        self.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} {body}")

    def drop_temporary(self, name: str) -> None:
        self.execute(f"DROP TABLE {self.forms.temporary(name)}")

    def create_view(self, view: TableName, select: Sql) -> None:
        if view.schema:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(view.schema)}")
        self.execute(f"CREATE OR REPLACE VIEW {qualify(view)} AS {select}")

    def drop(self, table: TableName) -> None:
        self.execute(f"DROP TABLE IF EXISTS {qualify(table)}")

    def drop_view(self, view: TableName) -> None:
        if self.columns(view) is not None and view.name not in self.tables(view.schema):
            self.execute(f"DROP VIEW {qualify(view)}")

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        self.execute(f"COMMENT ON TABLE {qualify(table)} IS {literal(text)}")
        for name, description in columns.items():
            place = f"{qualify(table)}.{quote(name)}"
            self.execute(f"COMMENT ON COLUMN {place} IS {literal(description)}")

    def staged_rows(
        self, files: Sequence[StagedFile], columns: pa.Schema
    ) -> AbstractContextManager[Sql]:
        return self._staging.rows(files, columns)

    def append_new(
        self, table: TableName, files: Sequence[StagedFile], columns: pa.Schema, *, key: RowKey
    ) -> Mapping[int, MergeOutcome]:
        return append_staged(self, table, files, columns, key=key)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        return self._staging.misfits(source, column, target)

    def existing_columns(self, table: TableName) -> pa.Schema:
        """Raises StatementError if there is no such table."""
        columns = self.columns(table)
        if columns is None:
            raise StatementError(self.url, f"there is no table {table}")
        return columns

    @contextmanager
    def registration(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        with self._errors():
            self._connection.register(name, without_read_ahead(rows))
        try:
            yield
        finally:
            self._connection.unregister(name)


def _reader_spill(file: Path) -> str:
    """Tells by its name whether the reader is running."""
    pid = os.getpid()
    return f"{file}.tmp-{pid}-{process_start(pid)}".removesuffix("-")


def _connect(
    file: Path, config: dict[str, _Setting], *, read_only: bool, wait: timedelta
) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait.total_seconds()
    while True:
        try:
            return duckdb.connect(str(file), read_only=read_only, config=config)
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            in_use = any(words in str(error) for words in _IN_USE)
            if not in_use or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_POLL_SECONDS)
