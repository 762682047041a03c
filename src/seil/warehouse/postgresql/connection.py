"""The connection to a PostgreSQL warehouse: statements, transactions, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlglot
from psycopg.errors import Diagnostic, NameTooLong
from psycopg.pq import TransactionStatus
from sqlglot.errors import SqlglotError

from seil.errors import StatementError, WarehouseError
from seil.postgres_server import connect, refusal, server_place
from seil.warehouse.postgresql.arrow import result_batch, result_schema, stored_columns
from seil.warehouse.postgresql.copying import copy_in, copy_out
from seil.warehouse.postgresql.errors import LEAVE_OUT, translated_errors
from seil.warehouse.postgresql.forms import PostgresForms
from seil.warehouse.postgresql.pooler import shares_sessions
from seil.warehouse.postgresql.readers import readers_set_aside, replace_view
from seil.warehouse.postgresql.rights import copy_table_rights
from seil.warehouse.postgresql.statistics import ROUGH, Statistics
from seil.warehouse.relational.fencing import admit, stored_token
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    import psycopg

    from seil.secret import Secret
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import MergeOutcome, Misfits, StagedFile
    from seil.warehouse.postgresql.staging import Staging
    from seil.warehouse.relational.merge_sql import RowKey
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column

_BATCH_ROWS = 16_384
# Whatever a role's or a database's settings say. A reader's open transaction holds up a change of
# columns, which would hold up every other reader behind it: without a limit of the user's own, for
# 30 seconds at most. What is committed is noted elsewhere as well, so that it has to last.
_SESSION = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
SET extra_float_digits = 1; SET client_min_messages = 'notice';
SET standard_conforming_strings = on; SET transform_null_equals = off;
SET default_transaction_isolation = 'read committed';
SELECT set_config('lock_timeout', '30s', false) WHERE current_setting('lock_timeout') = '0';
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'"""
# A policy that hides rows from SEIL would have it merge them again: then a statement fails.
_WRITING = "SET row_security = off"
_READING = "SET default_transaction_read_only = on"
# PostgreSQL has 1,600; the stage of a merge and the view of a history need some more of them.
# https://www.postgresql.org/docs/current/limits.html
_MOST_COLUMNS = 1_590
_REPLACED = "__replaced"
# PostgreSQL has 63 bytes; builds append `__candidate`, and others as much.
_LONGEST_NAME = 51
_SHORTER = f"Choose a name of at most {_LONGEST_NAME} bytes for a table, of 63 for a column"
_NO_ROWS = "SELECT * FROM {relation} AS result LIMIT 0"
# A domain is the type that it restricts.
_COLUMNS = """
SELECT a.attname AS name,
       CAST(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END AS bigint) AS kind,
       CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass({table}) AND a.attnum > 0 ORDER BY a.attnum"""
_CHANGES_TABLES = re.compile(r"\b(CREATE|ALTER|DROP|ROLLBACK)\b")


class PostgresConnection:
    """`url` is libpq's, without a password; `schema` holds the tables of the default schema."""

    forms = PostgresForms()

    def __init__(
        self,
        url: str,
        *,
        schema: str,
        password: Secret | None = None,
        read_only: bool = False,
        fence: Fence | None = None,
    ) -> None:
        self.url = server_place(url)
        self.schema = schema
        self.read_only = read_only
        self._fence = fence
        self._in_transaction = False
        self._is_streaming = False
        self._cut_name = ""
        # Of this transaction; what changes tables clears it.
        self._columns: dict[str, pa.Schema | None] = {}
        self.is_one_transaction = False
        self._statistics = Statistics(self, schema)
        self.staging: Staging | None = None
        with translated_errors(self.url):
            self._connection = connect(url, password)
        try:
            self._check_server(lambda: connect(url, password))
            self._begin_session()
        except BaseException:
            self.close()
            raise

    def _check_server(self, another: Callable[[], psycopg.Connection]) -> None:
        """Its version first, which takes no statement."""
        if problem := refusal(self._connection, "warehouse"):
            raise WarehouseError(self.url, problem[0], hint=problem[1])
        with translated_errors(self.url):
            is_shared = shares_sessions(self._connection, another)
        if is_shared:
            reason = "a pooler in transaction mode lies between, where sessions do not last"
            hint = "Set pool_mode = session for this database, or point [warehouse] url at the"
            raise WarehouseError(self.url, reason, hint=f"{hint} server itself")

    def _begin_session(self) -> None:
        self._connection.add_notice_handler(self._note)
        self.execute(f"{ROUGH}; {_SESSION}")
        self.execute(f"SET search_path = {quote(self.schema)}")
        self.execute(_READING if self.read_only else _WRITING)

    def close(self) -> None:
        if self.staging:
            self.staging.close()
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.is_one_transaction:
            with self.savepoint():
                yield
                self._conclude()
            return
        self.execute("BEGIN")
        self._statistics.forget()
        self._in_transaction = True
        try:
            if self._fence:
                admit(self, self._fence)
            yield
            self._conclude()
            if self._fence:
                self._fence.check()
                hold_fence(self, self._fence)
            self._commit()
        except BaseException:
            with suppress(WarehouseError):
                self.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False
            self._columns.clear()

    def begin(self) -> None:
        """Until `end`, every `transaction` is a part of one."""
        self.execute("BEGIN")
        self._statistics.forget()
        self._in_transaction = self.is_one_transaction = True

    def end(self, *, commit: bool) -> None:
        if commit:
            self._commit()
        else:
            self.execute("ROLLBACK")
        self._in_transaction = self.is_one_transaction = False
        self._columns.clear()

    def _conclude(self) -> None:
        """The last statements of a transaction's part."""
        if self._connection.info.transaction_status == TransactionStatus.INERROR:
            raise WarehouseError(self.url, "a statement of the transaction failed before its end")
        self._statistics.refresh()

    def _commit(self) -> None:
        try:
            with self._errors():
                self._connection.execute("COMMIT")
        except WarehouseError as error:
            if not self._connection.closed:
                raise
            reason = f"the connection was lost in a commit of unknown outcome: {error.reason}"
            hint = "Run the same command again: what is stored already is not stored twice"
            raise WarehouseError(self.url, reason, hint=hint) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """PostgreSQL cuts a name that is too long, which can be that of another table then."""
        if self._is_streaming:  # The driver would wait for ever.
            raise WarehouseError(self.url, "the rows of another statement are still being read")
        self._cut_name = ""
        with translated_errors(self.url):
            yield
        if self._cut_name:
            raise StatementError(self.url, self._cut_name, hint=_SHORTER)

    def _note(self, notice: Diagnostic) -> None:
        if notice.sqlstate == NameTooLong.sqlstate:
            self._cut_name = notice.message_primary or ""

    def execute(self, sql: str) -> None:
        if _CHANGES_TABLES.search(sql):
            self._columns.clear()
        self._run(sql)

    def _run(self, sql: str) -> None:
        with self._errors():
            self._connection.execute(_encoded(sql))

    def query(self, sql: str) -> pa.Table:
        with self._errors(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(_encoded(sql))
            if cursor.description is None:
                raise StatementError(self.url, "it returns no rows")
            schema = result_schema(cursor.description)
            batches = []
            while rows := cursor.fetchmany(_BATCH_ROWS):
                batches.append(result_batch(rows, schema))
        return pa.Table.from_batches(batches, schema=schema)

    @contextmanager
    def stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        select = _without_semicolon(_encoded(sql).decode())
        schema = self._columns_of(Sql(f"(\n{select}\n)"))
        with (
            self._connection.cursor() as cursor,
            # A copy that is not read to its end would block the connection.
            closing(copy_out(cursor, select, schema)) as batches,
        ):
            try:
                yield pa.RecordBatchReader.from_batches(schema, self._batches(batches))
            finally:
                self._is_streaming = False

    def _batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with translated_errors(self.url):
            self._is_streaming = True
            yield from batches
            self._is_streaming = False

    def tables(self, schema: str = "") -> list[str]:
        select = """
            SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p') ORDER BY c.relname"""
        rows = self.query(compose(select, schema=schema or self.schema))
        return [str(name) for name in rows["relname"].to_pylist()]

    def columns(self, table: TableName) -> pa.Schema | None:
        place = self.qualify(table)
        if place not in self._columns:
            rows = self.query(compose(_COLUMNS, table=literal(place))).to_pylist()
            entries = [(row["name"], row["kind"], row["modifier"]) for row in rows]
            columns = stored_columns(entries) if entries else None
            if not self._in_transaction:
                return columns
            self._columns[place] = columns
        return self._columns[place]

    def _columns_of(self, relation: Sql) -> pa.Schema:
        # The binary protocol admits one statement: what a person wrote cannot end this one.
        with self._errors(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(compose(_NO_ROWS, relation=relation).encode())
            return result_schema(cursor.description or [])

    def existing_columns(self, table: TableName) -> pa.Schema:
        """Raises StatementError if there is no such table."""
        columns = self.columns(table)
        if columns is None:
            raise StatementError(self.url, f"there is no table {table}")
        return columns

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str = "") -> None:
        if self.columns(table) is not None:
            return
        self.check_name(table)
        self._check_width(table, len(columns))
        self.create_schema(table.schema or self.schema)
        parts = [self._column(column) for column in columns]
        if key:
            parts.append(compose("PRIMARY KEY ({key})", key=SqlName(key)))
        self._run(f"CREATE TABLE IF NOT EXISTS {self.qualify(table)} ({', '.join(parts)})")
        self._columns.pop(self.qualify(table), None)

    @contextmanager
    def replaced_table(
        self, table: TableName, columns: pa.Schema, *, key: str = ""
    ) -> Iterator[None]:
        """Without a lock that waits for readers where it has these columns. What a DBA granted on
        the table stays.
        """
        existing = self.columns(table)
        if existing is not None and existing.equals(columns):
            self.execute(compose("DELETE FROM {table}", table=self.qualify(table)))
            yield
            return
        place = self.qualify(table)
        replaced = table._replace(name=f"{table.name}{_REPLACED}")
        with readers_set_aside(self, place):
            if existing is not None:
                self.execute(f"ALTER TABLE {place} RENAME TO {quote(replaced.name)}")
            self.create_table(table, columns, key=key)
            if existing is not None:
                copy_table_rights(self, self.qualify(replaced), place)
                self.drop(replaced)
            yield

    def create_schema(self, schema: str) -> None:
        """Without the right to create one, an existing one does."""
        select = compose("SELECT 1 FROM pg_namespace WHERE nspname = {schema}", schema=schema)
        if not self.query(select).num_rows:
            self._run(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")

    def check_name(self, table: TableName) -> None:
        """Of a table that others are named after, not of those."""
        if len(table.name.encode()) > _LONGEST_NAME and not table.schema.startswith("seil_"):
            raise StatementError(self.url, f"the name {table} is too long", hint=_SHORTER)

    def _check_width(self, table: TableName, columns: int) -> None:
        if columns > _MOST_COLUMNS:
            reason = f"{table} would have {columns:,} columns, of at most {_MOST_COLUMNS:,}"
            raise StatementError(self.url, reason, hint=LEAVE_OUT)

    def add_column(self, table: TableName, column: Column) -> None:
        self._check_width(table, len(self.existing_columns(table)) + 1)
        self.execute(f"ALTER TABLE {self.qualify(table)} ADD COLUMN {self._column(column)}")

    def change_type(self, table: TableName, column: Column) -> None:
        current = self.existing_columns(table).field(column.name)
        value = compose("{name}", name=SqlName(column.name))
        if stored_type(current.type) == TEXT:
            template = "nullif({v}, '')" if column.type == TEXT else "nullif(trim({v}), '')"
            value = compose(template, v=value)
        change = compose(
            "ALTER TABLE {table} ALTER COLUMN {name} SET DATA TYPE {type} "
            "USING CAST({value} AS {cast})",
            table=self.qualify(table),
            name=SqlName(column.name),
            type=self.forms.column_type(column.type),
            value=value,
            cast=self.forms.type_name(column.type),
        )
        with readers_set_aside(self, self.qualify(table)):
            self.execute(change)

    def append(self, table: TableName | Sql, rows: pa.Table | pa.RecordBatchReader) -> None:
        if isinstance(table, Sql):
            place, stored = table, self._columns.get(table) or self._columns_of(table)
        else:
            place, stored = self.qualify(table), self.existing_columns(table)
        schema = pa.schema([stored.field(name) for name in rows.schema.names])
        batches = rows.to_batches(_BATCH_ROWS) if isinstance(rows, pa.Table) else rows
        with self._errors(), self._connection.cursor() as cursor:
            copy_in(cursor, place, schema, batches)

    def create_temporary(self, name: str, content: Sql | pa.Schema) -> None:
        """`_run`, since other tables keep their columns."""
        self._run(f"DROP TABLE IF EXISTS {self.forms.temporary(name)}")
        self._columns.pop(self.forms.temporary(name), None)
        if isinstance(content, Sql):
            self._run(f"CREATE TEMPORARY TABLE {quote(name)} AS {content}")
            self._run(f"ANALYZE {self.forms.temporary(name)}")
        else:
            columns = join(", ", map(self._column, content))
            self._run(f"CREATE TEMPORARY TABLE {quote(name)} ({columns})")
            self._columns[self.forms.temporary(name)] = content

    def drop_temporary(self, name: str) -> None:
        self._run(f"DROP TABLE {self.forms.temporary(name)}")
        self._columns.pop(self.forms.temporary(name), None)

    def create_temporary_view(self, name: str, select: Sql) -> None:
        self._run(f"CREATE TEMPORARY VIEW {quote(name)} AS {select}")

    def drop_temporary_view(self, name: str) -> None:
        self._run(f"DROP VIEW {self.forms.temporary(name)}")

    def create_view(self, view: TableName, select: Sql) -> None:
        """PostgreSQL replaces a view only by one with the same columns before new ones."""
        self.create_schema(view.schema or self.schema)
        try:
            with self.savepoint():
                self.execute(f"CREATE OR REPLACE VIEW {self.qualify(view)} AS {select}")
        except StatementError:
            replace_view(self, self.qualify(view), "view", f"AS {select}")

    def drop(self, table: TableName) -> None:
        self.execute(f"DROP TABLE IF EXISTS {self.qualify(table)}")

    def drop_view(self, view: TableName) -> None:
        if self.columns(view) is not None and view.name not in self.tables(view.schema):
            self.execute(f"DROP VIEW {self.qualify(view)}")

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        kind = "TABLE" if table.name in self.tables(table.schema) else "VIEW"
        statements = [f"COMMENT ON {kind} {self.qualify(table)} IS {literal(text)}"]
        for name, description in columns.items():
            place = f"{self.qualify(table)}.{quote(name)}"
            statements.append(f"COMMENT ON COLUMN {place} IS {literal(description)}")
        self.execute("; ".join(statements))

    def staged_rows(
        self, files: Sequence[StagedFile], columns: pa.Schema
    ) -> AbstractContextManager[Sql]:
        return self._staged().rows(self, files, columns)

    def append_new(
        self, table: TableName, files: Sequence[StagedFile], columns: pa.Schema, *, key: RowKey
    ) -> Mapping[int, MergeOutcome]:
        return self._staged().append_new(self, table, files, columns, key=key)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        return self._staged().misfits(self, source, column, target)

    def qualify(self, table: TableName) -> Sql:
        return quote(table._replace(schema=table.schema or self.schema))

    def _staged(self) -> Staging:
        if self.staging is None:
            raise WarehouseError(self.url, "was opened for reading")
        return self.staging

    def _column(self, column: Column) -> Sql:
        kind = self.forms.column_type(column.type)
        return compose("{name} {type}", name=SqlName(column.name), type=kind)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        if not self._in_transaction:
            yield
            return
        self.execute("SAVEPOINT seil")
        try:
            yield
        except BaseException:
            with suppress(WarehouseError):
                self.execute("ROLLBACK TO SAVEPOINT seil")
            raise
        self.execute("RELEASE SAVEPOINT seil")


def hold_fence(database: PostgresConnection, fence: Fence) -> None:
    """Locks the token until the transaction ends. Raises LeaseLostError if a later run has
    committed since it began; one that commits now waits.
    """
    if fence.token is not None:
        database.execute("SELECT token FROM seil.fence FOR UPDATE")
        fence.admit(database.url, stored_token(database) or 0)


def _encoded(sql: str) -> bytes:
    """A statement ends at a NUL, which is stored as in `seil.warehouse.postgresql.copying`."""
    return sql.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")


def _without_semicolon(sql: str) -> str:
    """So that it can stand in another statement."""
    with suppress(SqlglotError):
        tokens = sqlglot.tokenize(sql, read="postgres")
        while tokens and tokens[-1].token_type == sqlglot.TokenType.SEMICOLON:
            sql = sql[: tokens.pop().start]
    return sql
