"""The embedded warehouse: one DuckDB file.

DuckDB locks the file for one writing process, so a warehouse is opened when it is needed and closed
as soon as it is not.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import LostReasonError, StatementError, WarehouseError
from seil.warehouse.duckdb import merge_sql
from seil.warehouse.duckdb.errors import translated_batches, translated_errors
from seil.warehouse.duckdb.merge_sql import local_path
from seil.warehouse.fencing import admit
from seil.warehouse.lost_reasons import with_reason
from seil.warehouse.protocol import (
    EXTRACTED_AT,
    FILE,
    ChangeLog,
    Fence,
    OpenUrl,
    Outcome,
    StagedFile,
    TableName,
)
from seil.warehouse.sql import Name, Sql, compose, joined, literal, quoted
from seil.warehouse.types import sql_type

if TYPE_CHECKING:
    from seil.warehouse.types import Column

log = logging.getLogger(__name__)

_DEFAULT_SCHEMA = "main"
_LOCK_POLL_SECONDS = 0.1
# By another process; by another thread of this one, which reads where we write or the reverse.
_IN_USE = ("lock on file", "different configuration")
_GLOB_CHARACTERS = frozenset("*?[{")
# DuckDB looks for a file `w.salesforce.json` where there is no such table.
_FILE_KINDS = frozenset(
    {"arrow", "avro", "csv", "ipc", "json", "jsonl", "ndjson", "parquet", "tsv", "xlsx"}
)
_UNREADABLE_NAMES = frozenset({"", "file_row_number", "_seil_path"})
_BATCH_ROWS = 16_384

_Setting = str | bool | int | float | list[str]


class EmbeddedWarehouse:
    """`wait` is how long a lock of another process is waited for; `fence` refuses the commits of a
    run that lost its lease.
    """

    dialect = "duckdb"

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
    ) -> None:
        self._fence = fence
        self._open_url = open_url
        self.url = f"duckdb:{file}"
        self.read_only = read_only
        config: dict[str, _Setting] = {
            "memory_limit": memory,
            # Else a table called `log` or `time` is taken for a variable of this program.
            "python_enable_replacements": False,
            # Each reader has one of its own: DuckDB removes it whole at the end.
            "temp_directory": f"{file}.tmp-{os.getpid()}" if read_only else f"{file}.tmp",
            # Extensions would be fetched from the internet in the middle of a query.
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": False,
            # Of a new file. Each column of each table that gets some rows takes whole blocks, in
            # memory and again in the checkpoint: with 256 kB ones, small merges cost twice as much.
            "default_block_size": 65_536,
            # Of a new file, too: read by DuckDB 1.4 and later. Older formats compress text worse,
            # and take a fifth longer.
            "storage_compatibility_version": "v1.4.0",
        }
        if threads:
            config["threads"] = threads
        with translated_errors(self.url):
            self._connection = _connect(file, config, read_only=read_only, wait=wait)
            self._connection.execute("SET TimeZone = 'UTC'")
            named = self._connection.execute("SELECT current_database()").fetchone()
            self._database = str(named[0]) if named else ""
            self._in_transaction = False
            if read_only:
                # A read-only file alone would still let COPY write and read_csv read others.
                self._connection.execute("SET enable_external_access = false")
                self._connection.execute("SET lock_configuration = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with translated_errors(self.url):
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        self._in_transaction = True
        try:
            if self._fence:
                admit(self, self._fence)
            yield
            if self._fence:
                self._fence.check()
            self.execute("COMMIT")
        except BaseException:
            # A failed COMMIT, or a database that DuckDB has shut down, leaves nothing to roll back.
            with suppress(WarehouseError):
                self.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    def execute(self, sql: str) -> None:
        self._run(sql)

    def query(self, sql: str) -> pa.Table:
        def run() -> pa.Table:
            with translated_errors(self.url):
                return self._run(sql).to_arrow_table()

        return run() if self._in_transaction else with_reason(run)

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            with translated_errors(self.url):
                return self._connection.execute(sql)
        except RuntimeError as error:
            # What DuckDB makes of Ctrl-C. Its own threads work on until they are told, and whatever
            # comes next would wait for them.
            if "interrupted" not in str(error):
                raise
            self._connection.interrupt()
            raise KeyboardInterrupt from error

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        if not self._holds_statement(sql):
            # Of nothing, DuckDB gives no result, whatever is asked of it then.
            raise StatementError(self.url, "there is no statement in it")
        reader = self._reader(sql)
        yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader, sql))

    def _reader(self, sql: str) -> pa.RecordBatchReader:
        with translated_errors(self.url):
            return self._run(sql).to_arrow_reader(_BATCH_ROWS)

    def _batches(self, reader: pa.RecordBatchReader, sql: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from translated_batches(self.url, reader)
        except LostReasonError:
            if self._in_transaction:
                raise
            with_reason(lambda: self._read_through(sql))
            raise

    def _read_through(self, sql: str) -> None:
        for _ in translated_batches(self.url, self._reader(sql)):
            pass

    def _holds_statement(self, sql: str) -> bool:
        sql.encode()  # What is not UTF-8, DuckDB takes for no text at all.
        with translated_errors(self.url):
            return bool(self._connection.extract_statements(sql))

    def tables(self, schema: str = "") -> list[str]:
        found = self.query(
            compose(
                "SELECT table_name FROM duckdb_tables() WHERE NOT temporary "
                "AND database_name = current_database() AND schema_name = {schema} "
                "ORDER BY table_name",
                schema=schema or _DEFAULT_SCHEMA,
            )
        )
        return [str(name) for name in found["table_name"].to_pylist()]

    def columns(self, table: TableName) -> pa.Schema | None:
        # Asked for every table in every run: listing the tables first would take longer than this.
        # With its database, it is not a temporary table that is found.
        if table.name in _FILE_KINDS and table.name not in self.tables(table.schema):
            return None
        select = compose(
            "SELECT * FROM {database}.{table} LIMIT 0",
            database=quoted(self._database),
            table=_full(table),
        )
        with translated_errors(self.url):
            try:
                empty = self._connection.execute(select)
            except duckdb.CatalogException:
                return None
            return empty.to_arrow_table().schema

    def create_table(self, table: TableName, columns: pa.Schema) -> None:
        if table.schema:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.schema)}")
        columns_sql = merge_sql.described(columns)
        self.execute(f"CREATE TABLE IF NOT EXISTS {_full(table)} ({columns_sql})")

    def add_column(self, table: TableName, column: Column) -> None:
        columns_sql = merge_sql.described(pa.schema([column]))
        self.execute(f"ALTER TABLE {_full(table)} ADD COLUMN {columns_sql}")

    def change_type(self, table: TableName, column: Column) -> None:
        known = self._known(table).field(column.name)
        self.execute(
            compose(
                "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {type} USING {value}",
                table=_full(table),
                name=Name(column.name),
                type=Sql(sql_type(column.type)),
                value=merge_sql.cast(known, column.type),
            )
        )

    def append(self, table: TableName, rows: pa.Table) -> None:
        with self._registered("_seil_rows", rows):
            insert = "INSERT INTO {table} BY NAME SELECT * FROM _seil_rows"
            self.execute(compose(insert, table=_full(table)))

    def replace(self, table: TableName, select: str) -> int:
        self.execute(f"CREATE OR REPLACE TABLE {_full(table)} AS {select}")
        counted = self.query(compose("SELECT count(*) AS n FROM {table}", table=_full(table)))
        return int(counted["n"][0].as_py())

    def rename(self, table: TableName, name: str) -> None:
        self.drop(TableName(table.schema, name))
        self.execute(f"ALTER TABLE {_full(table)} RENAME TO {quoted(name)}")

    def drop(self, table: TableName) -> None:
        self.execute(f"DROP TABLE IF EXISTS {_full(table)}")

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        self.execute(f"COMMENT ON TABLE {_full(table)} IS {literal(text)}")
        for name, described in columns.items():
            place = f"{_full(table)}.{quoted(name)}"
            self.execute(f"COMMENT ON COLUMN {place} IS {literal(described)}")

    def misfits(
        self, source: TableName | StagedFile, column: str, wanted: pa.DataType
    ) -> tuple[int, str]:
        if isinstance(source, TableName):
            return self._misfits(_full(source), column, wanted)
        with self._staged([source], pa.schema([pa.field(column, pa.string())])) as rows:
            return self._misfits(Sql(f"({rows})"), column, wanted)

    def _misfits(self, relation: Sql, column: str, wanted: pa.DataType) -> tuple[int, str]:
        found = self.query(merge_sql.misfits(relation, column, wanted)).to_pylist()[0]
        return int(found["number"]), str(found["example"] or "")

    def merge(
        self,
        table: TableName,
        files: Sequence[StagedFile],
        *,
        key: str,
        log: ChangeLog | None = None,
        every_version: bool = False,
    ) -> Mapping[str, Outcome]:
        known = self._known(table)
        columns = pa.schema([field for field in known if field.name not in (EXTRACTED_AT, FILE)])
        if every_version:
            key = merge_sql.version_key(key, columns)
        with self._staged(files, columns) as rows:
            merge = _Merge(self, table, rows, key, columns)
            counted = {} if log else merge.into_empty()
            if not counted:
                counted = merge.by_version(log)
        return {file.key: counted.get(n, Outcome()) for n, file in enumerate(files)}

    def _known(self, table: TableName) -> pa.Schema:
        columns = self.columns(table)
        if columns is None:
            raise StatementError(self.url, f"there is no table {table}")
        return columns

    @contextmanager
    def _staged(self, files: Sequence[StagedFile], columns: pa.Schema) -> Iterator[Sql]:
        """A SELECT over the rows of all files: read where they lie, or copied when remote."""
        numbered = list(enumerate(files))
        local = sorted((entry for entry in numbered if _is_local(entry[1])), key=_layout)
        parts = [
            merge_sql.rows_of(list(group), columns) for _, group in groupby(local, key=_layout)
        ]
        remote = [entry for entry in numbered if not _is_local(entry[1])]
        if remote:
            self.execute(merge_sql.staging_table(columns))
            parts.append(Sql("SELECT * FROM temp.main._seil_staged"))
        for number, file in remote:
            self._copy(number, file, columns)
        yield joined(" UNION ALL ", parts)
        if remote:
            self.execute("DROP TABLE temp.main._seil_staged")

    def _copy(self, number: int, file: StagedFile, columns: pa.Schema) -> None:
        """Under the table's names: those of the file can be any."""
        wanted = {name: file.columns[name] for name in columns.names if name in file.columns}
        named = replace(file, columns={name: wanted[name].with_name(name) for name in wanted})
        with (
            self._opened(file.url) as source,
            self._registered("_seil_batches", _numbered(source, wanted)),
        ):
            self.execute(merge_sql.copy_batches(number, named, columns))

    def _opened(self, url: str) -> AbstractContextManager[IO[bytes]]:
        if path := local_path(url):
            return path.open("rb")
        if self._open_url is None:
            raise WarehouseError(self.url, f"cannot read {url}: opened without a way to it")
        return self._open_url(url)

    @contextmanager
    def _registered(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> Iterator[None]:
        with translated_errors(self.url):
            self._connection.register(name, rows)
        try:
            yield
        finally:
            self._connection.unregister(name)


@dataclass(frozen=True)
class _Merge:
    """Of staged `rows`. The outcomes are by the files' numbers."""

    warehouse: EmbeddedWarehouse
    table: TableName
    rows: Sql
    key: str
    columns: pa.Schema

    def into_empty(self) -> dict[int, Outcome]:
        """Where nothing has to be compared: an empty table, and keys that come once. Elsewhere it
        does nothing. Ranking that many rows would take longer than reading them.
        """
        target = _full(self.table)
        if self.warehouse.query(compose("SELECT 1 FROM {table} LIMIT 1", table=target)).num_rows:
            return {}
        select = merge_sql.first_rows(self.rows, self.key, self.columns)
        found = self.warehouse.query(select).to_pylist()
        keys = {row.pop("_keys") for row in found}
        counted = {row.pop("_seil_file"): Outcome(**row) for row in found}
        if keys != {sum(outcome.rows for outcome in counted.values())}:
            return {}
        self.warehouse.execute(merge_sql.insert_winners(target, self.rows, all_win=True))
        return counted

    def by_version(self, log: ChangeLog | None) -> dict[int, Outcome]:
        target, execute = _full(self.table), self.warehouse.execute
        execute(merge_sql.ranked(self.rows, target, self.key, self.columns))
        outcomes = self.warehouse.query(merge_sql.OUTCOMES).to_pylist()
        replaced = sum(row.pop("_replaced") for row in outcomes)
        won = sum(row.pop("_won") for row in outcomes)
        counted = {row.pop("_seil_file"): Outcome(**row) for row in outcomes}
        if log and won:
            logged = (_full(log.table), log)
            execute(merge_sql.log_changes(target, self.rows, self.key, logged))
        if replaced:
            execute(merge_sql.delete_replaced(target, self.key))
        if won:
            all_win = won == sum(outcome.rows for outcome in counted.values())
            execute(merge_sql.insert_winners(target, self.rows, all_win=all_win))
        execute("DROP TABLE temp.main._seil_ranked")
        return counted


def _connect(
    file: Path, config: dict[str, _Setting], *, read_only: bool, wait: timedelta
) -> duckdb.DuckDBPyConnection:
    give_up = time.monotonic() + wait.total_seconds()
    while True:
        try:
            return duckdb.connect(str(file), read_only=read_only, config=config)
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            in_use = any(words in str(error) for words in _IN_USE)
            if not in_use or time.monotonic() >= give_up:
                raise
            time.sleep(_LOCK_POLL_SECONDS)


def _full(table: TableName) -> Sql:
    return quoted(TableName(table.schema or _DEFAULT_SCHEMA, table.name))


def _is_local(file: StagedFile) -> bool:
    """Whether DuckDB can read it where it lies: it would take a path with these characters for a
    pattern, and does not read a column beside one of its own of that name.
    """
    names = {column.name.lower() for column in file.columns.values()}
    path = local_path(file.url)
    is_plain = not _GLOB_CHARACTERS & set(str(path)) and not _UNREADABLE_NAMES & names
    return path is not None and is_plain


def _layout(numbered: tuple[int, StagedFile]) -> str:
    columns = numbered[1].columns.values()
    return repr(([(field.name, str(field.type)) for field in columns], sorted(numbered[1].ids)))


def _numbered(source: IO[bytes], wanted: Mapping[str, Column]) -> pa.RecordBatchReader:
    """The wanted columns under their new names, with each row's position in the file."""
    file = pq.ParquetFile(source)
    names = [column.name for column in wanted.values()]
    fields = [file.schema_arrow.field(column.name).with_name(new) for new, column in wanted.items()]
    schema = pa.schema([*fields, pa.field("_seil_row", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            rows = pa.array(range(first, first + batch.num_rows), pa.int64())
            columns = [batch.column(name) for name in names]
            yield pa.RecordBatch.from_arrays([*columns, rows], schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())
