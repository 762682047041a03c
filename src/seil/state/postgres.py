"""The state in a PostgreSQL database, in the schema `seil_state`.

Writers take turns by an advisory lock of the transaction, as SQLite's do by its one write lock.
Settings are those of the transaction, too (SET LOCAL), so that a pooler such as PgBouncer may lie
between.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from seil.errors import StateError, StateLostError
from seil.postgres_server import connect, refusal, server_hint, server_place, server_reason
from seil.secret import Secret
from seil.state.database import Row, storable
from seil.state.schema import is_current, migrate, read_meta

SCHEMA = "seil_state"
_LOCK = 0x5345494C  # "SEIL": an advisory lock is a number, within one database.
_PATIENCE = 60.0
_PATH = f"SET LOCAL search_path TO {SCHEMA}"
_READ = f"BEGIN READ ONLY; {_PATH}"
_SNAPSHOT = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_PATH}"
# A process that is stopped in a transaction must not keep the others waiting for ever.
_WRITE = (
    f"BEGIN READ WRITE; {_PATH}; SET LOCAL lock_timeout TO '30s'; "
    "SET LOCAL idle_in_transaction_session_timeout TO '60s'; "
    "{durability}"
    f"SELECT pg_advisory_xact_lock({_LOCK}), pg_current_xact_id()::text"
)
# It survives the server's process, but perhaps not its machine.
_NOT_DURABLE = "SET LOCAL synchronous_commit TO off; "
_EXISTS = f"SELECT to_regclass('{SCHEMA}.meta') IS NOT NULL"
_HAS_SCHEMA = f"SELECT to_regnamespace('{SCHEMA}') IS NOT NULL"
_HINTS: Mapping[type[psycopg.Error], str] = {
    errors.InsufficientPrivilege: "Let the database's owner run"
    " `CREATE SCHEMA seil_state AUTHORIZATION ...` with the user of [state] url",
    errors.LockNotAvailable: "Another process writes to it for long; run the same command again",
}
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_TEXT = re.compile(r"\bTEXT\b")

T = TypeVar("T")


class PostgresDatabase:
    """One connection, shared by the threads of a process; made at first use, and again when it was
    lost. `url` is libpq's, without a password.
    """

    def __init__(self, url: str, password: Secret | None = None) -> None:
        self._url = url
        self._password = password
        self._lock = threading.RLock()
        self._connection: psycopg.Connection | None = None
        self._transaction: PostgresTransaction | None = None
        self._is_current = False
        self._was_connected = False

    @property
    def place(self) -> str:
        return server_place(self._url)

    @property
    def is_stored(self) -> bool:
        with self._lock, self._translated("read"):
            return bool(self._repeated(lambda: self._connected().execute(_EXISTS).fetchone()[0]))  # type: ignore[index]

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        with self._lock, self._translated("read"):
            if self._transaction:
                return self._transaction.rows(sql, **parameters)
            return self._repeated(lambda: self._read(sql, parameters))

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[PostgresTransaction]:
        with self._lock, self._translated("write to"):
            self._migrate()
            with self._writing(durable=durable) as transaction:
                yield transaction

    @contextmanager
    def snapshot(self) -> Iterator[PostgresTransaction]:
        with self._lock, self._translated("read"):
            self._migrate()
            connection = self._repeated(lambda: self._begin(_SNAPSHOT)[0])
            try:
                yield PostgresTransaction(connection)
            finally:
                _roll_back(connection)

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _read(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        self._migrate()
        connection, _ = self._begin(_READ)
        try:
            return PostgresTransaction(connection).rows(sql, **parameters)
        finally:
            _roll_back(connection)

    def _migrate(self) -> None:
        """Looked at once a connection: a server can be put back to an earlier state."""
        if self._is_current and self._connection and not self._connection.closed:
            return
        if not self._repeated(self._look):
            with self._writing() as transaction:
                if not transaction.rows(_HAS_SCHEMA)[0][0]:
                    transaction.execute(f"CREATE SCHEMA {SCHEMA}")
                migrate(self.place, transaction)
        self._is_current = True

    def _look(self) -> bool:
        """Whether the tables are those of this version. Raises NewerSiteError."""
        connection, _ = self._begin(_READ)
        transaction = PostgresTransaction(connection)
        try:
            exists = transaction.rows(_EXISTS)[0][0]
            return bool(exists) and is_current(self.place, read_meta(transaction.rows))
        finally:
            _roll_back(connection)

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[PostgresTransaction]:
        begin = _WRITE.format(durability="" if durable else _NOT_DURABLE)
        connection, transaction_id = self._repeated(lambda: self._begin(begin))
        self._transaction = PostgresTransaction(connection)
        try:
            yield self._transaction
            self._commit(connection, transaction_id)
        except psycopg.Error as error:
            if not connection.closed:
                raise
            raise self._lost("the connection was lost before the commit") from error
        finally:
            self._transaction = None
            _roll_back(connection)

    def _commit(self, connection: psycopg.Connection, transaction_id: str) -> None:
        try:
            connection.execute("COMMIT")
        except psycopg.Error:
            # Lost with the answer: the server still knows what became of it.
            if not connection.closed or not self._is_committed(transaction_id):
                raise

    def _is_committed(self, transaction_id: str) -> bool:
        """Raises StateError where the server does not know."""
        sql = "SELECT pg_xact_status(%s::xid8)"

        def ask() -> str | None:
            row = self._connected().execute(sql, (transaction_id,)).fetchone()
            return str(row[0]) if row and row[0] else None

        for _ in Retrying(stop=stop_after_delay(_PATIENCE), wait=_WAIT):
            status = self._repeated(ask)
            if status != "in progress":
                break
        if status in ("committed", "aborted"):
            return status == "committed"
        reason = "the connection was lost during a commit, and whether it was stored is not known"
        hint = "`seil runs` and `seil schema diff` show what is stored"
        raise StateError(self.place, "write to", reason, hint=hint)

    def _begin(self, statements: str) -> tuple[psycopg.Connection, str]:
        """The last statement's last value is of use only to a writer: the transaction's id."""
        connection = self._connected()
        try:
            cursor = connection.execute(statements)
            while cursor.nextset():
                pass
            row = cursor.fetchone() if cursor.description else None
        except psycopg.Error:
            _roll_back(connection)
            raise
        return connection, str(row[-1]) if row else ""

    def _repeated(self, call: Callable[[], T]) -> T:
        """For what changes nothing: once more on a new connection when it was lost. A server that
        was never reached is not waited for.
        """
        retrying = Retrying(
            retry=retry_if_exception(self._is_lost),
            stop=stop_after_delay(_PATIENCE),
            wait=_WAIT,
            reraise=True,
        )
        return retrying(call)

    def _is_lost(self, error: BaseException) -> bool:
        is_gone = self._connection is None or self._connection.closed
        return isinstance(error, psycopg.Error) and self._was_connected and bool(is_gone)

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection, self._is_current = None, False
            self._connection = self._connect()
            self._was_connected = True
        return self._connection

    def _connect(self) -> psycopg.Connection:
        connection = connect(self._url, self._password)
        if problem := refusal(connection, "state"):
            connection.close()
            raise StateError(self.place, "open", problem[0], hint=problem[1])
        return connection

    def _lost(self, reason: str) -> StateLostError:
        hint = "Nothing of it was stored; run the same command again"
        return StateLostError(self.place, "write to", reason, hint=hint)

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise _state_error(error, self.place, operation) from error


class PostgresTransaction:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        return self._connection.execute(_translation(sql), storable(parameters)).fetchall()

    def stream(self, sql: str) -> Iterator[Row]:
        with self._connection.cursor(name="seil_stream") as cursor:
            cursor.itersize = 2000
            yield from cursor.execute(_translation(sql))

    def execute(self, sql: str, **parameters: Any) -> int:
        return self._connection.execute(_translation(sql), storable(parameters)).rowcount

    def execute_many(self, sql: str, many: Iterable[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_translation(sql), map(storable, many))


def _state_error(error: psycopg.Error, place: str, operation: str) -> StateError:
    hint = server_hint(error, "state", _HINTS)
    # A connection that failed has no code.
    operation = operation if error.sqlstate else "connect to"
    return StateError(place, operation, server_reason(error), hint=hint)


_WAIT = wait_random_exponential(multiplier=0.1, max=5)


@lru_cache
def _translation(sql: str) -> str:
    """With psycopg's parameters; texts sort by code point, as in SQLite."""
    if sql.lstrip().startswith(("CREATE TABLE", "ALTER TABLE")):
        sql = _TEXT.sub('TEXT COLLATE "C"', sql)
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


def _roll_back(connection: psycopg.Connection) -> None:
    """Ends whatever transaction is open; a connection that is gone has none."""
    if not connection.closed and connection.info.transaction_status:
        connection.execute("ROLLBACK")
