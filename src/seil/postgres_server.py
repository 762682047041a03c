"""A PostgreSQL server: how the state and the warehouse reach it, and what it refuses, in words that
name the cause and what to do about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from seil.interruption import TerminatedError

if TYPE_CHECKING:
    from psycopg.abc import PQGen

    from seil.secret import Secret

ServerUse = Literal["state", "warehouse"]
"""Of the settings that name the server."""

LEAST_VERSION = 15
# What libpq waits for by default is a connection that is gone: minutes, or for ever.
_DEFAULTS: Mapping[str, Any] = {
    "application_name": "seil",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_CANCEL_SECONDS = 5.0

_LOGIN = "Correct the user in [{section}] url, or the secret that [{section}] password refers to"
_START = (
    "Check host and port in [{section}] url, and that the server runs; then run the same command"
)
_TLS = "Correct sslmode, sslrootcert and host in [{section}] url"
_BROKEN = (
    "The server or the network ended the connection: look into the server's log, and when it runs,"
    " run the same command again; nothing is lost"
)
_PRIMARY = (
    "Point [{section}] url at the primary server; of several hosts in it,"
    " target_session_attrs=read-write chooses that"
)
_WRITABLE = (
    f"{_PRIMARY}. If it is the primary, let that user write:"
    " `ALTER ROLE ... SET default_transaction_read_only = off`"
)
_DATABASE = "Create that database, or correct its name in [{section}] url"
_CONNECTIONS = "Raise the server's max_connections, or let other programs end"
_AGAIN = "Nothing was changed. Run the same command again"
_LIMIT = (
    "Nothing was changed. Lift that limit for the user of [{section}] url, as in"
    " `ALTER ROLE ... SET {limit} = {value}`, then run the same command again"
)

_HINTS: Mapping[type[psycopg.Error], str] = {
    errors.InvalidPassword: _LOGIN,
    errors.InvalidAuthorizationSpecification: _LOGIN,
    errors.InvalidCatalogName: _DATABASE,
    errors.ReadOnlySqlTransaction: _WRITABLE,
    errors.ObjectNotInPrerequisiteState: _PRIMARY,
    errors.DiskFull: "The server's disk is full: free some space, then run the same command again;"
    " nothing is lost",
    errors.TooManyConnections: _CONNECTIONS,
    errors.QueryCanceled: _AGAIN,
    errors.AdminShutdown: _AGAIN,
    errors.CrashShutdown: _AGAIN,
    errors.CannotConnectNow: "The server is starting or stopping: wait until it runs, then run the"
    " same command again",
}
_NO_LIMIT = {"temp_file_limit": "-1"}
# libpq reports a failed connection by its words alone, without a code. Those of one that breaks
# while it is used, over TLS too, stand before those that any refusal may contain.
_WORDS: tuple[tuple[str, str], ...] = (
    ("closed the connection unexpectedly", _BROKEN),
    ("connection has been closed unexpectedly", _BROKEN),
    ("SSL SYSCALL error", _BROKEN),
    ("could not receive data from server", _BROKEN),
    ("could not send data to server", _BROKEN),
    ("the connection is lost", _BROKEN),
    ("the connection is closed", _BROKEN),
    ("password authentication failed", _LOGIN),
    ("no password supplied", "Set [{section}] password to a reference: env:NAME or file:PATH"),
    ("certificate", _TLS),
    ("SSL", _TLS),
    ("too many connections", _CONNECTIONS),
    ("connection slots", _CONNECTIONS),
    ("role", _LOGIN),
    ("does not exist", _DATABASE),
    ("no pg_hba.conf entry", "Let the server's pg_hba.conf admit this user and machine"),
    ("too many", _CONNECTIONS),
    ("the database system is", _HINTS[errors.CannotConnectNow]),
    (
        "invalid URI",
        "Correct [{section}] url: postgresql://user@host:5432/database?sslmode=verify-full",
    ),
    ("invalid connection option", "Correct [{section}] url: its options are those of libpq"),
)
# The limit that ended a statement, a transaction or a session: by its code, and by its words where
# others share the code.
_LIMITS: Mapping[type[psycopg.Error], str] = {
    errors.IdleInTransactionSessionTimeout: "idle_in_transaction_session_timeout",
    errors.TransactionTimeout: "transaction_timeout",
    errors.IdleSessionTimeout: "idle_session_timeout",
}
_LIMIT_WORDS = {
    "statement timeout": "statement_timeout",
    "temp_file_limit": "temp_file_limit",
}
# The place says it already: connection to server at "127.0.0.1", port 5432 failed: FATAL: ...
_PREFIX = re.compile(
    r"^(.*\bconnection to server .*? failed: (FATAL: +)?"
    r"|(consuming input|sending [a-z ]+|receiving copy data|flushing) failed: )"
)


class ServerConnection(psycopg.Connection[TupleRow]):
    def wait(self, gen: PQGen[Any], *args: Any, **options: Any) -> Any:
        """On SIGTERM, too, the server stops: psycopg cancels on Ctrl-C alone, and a statement that
        nobody waits for would run to its end, with its locks.
        """
        try:
            return super().wait(gen, *args, **options)
        except TerminatedError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=_CANCEL_SECONDS)
                self.close()
            raise


def connect(url: str, password: Secret | None) -> ServerConnection:
    """In autocommit. Raises psycopg.Error."""
    options = {**_DEFAULTS, **psycopg.conninfo.conninfo_to_dict(url)}
    if password is not None:
        options["password"] = password.reveal()
    # A plan that the server keeps fails once the columns of its tables change.
    return ServerConnection.connect(autocommit=True, prepare_threshold=None, **options)


def server_place(url: str) -> str:
    """For messages."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [""])[0]
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?host={host}" if host else "")


def refusal(connection: psycopg.Connection, section: ServerUse) -> tuple[str, str] | None:
    """Why the server cannot be used, and what to do."""
    version = connection.info.server_version // 10_000
    encoding = connection.info.parameter_status("server_encoding")
    if version < LEAST_VERSION:
        reason = f"the server is PostgreSQL {version}, a {section} needs {LEAST_VERSION}"
        return reason, f"Upgrade the server, or point [{section}] url at another one"
    if encoding != "UTF8":
        reason = f"the database has the encoding {encoding}, a {section} needs UTF8"
        return reason, "Create a database with `createdb --encoding UTF8 --template template0`"
    return None


def server_reason(error: psycopg.Error) -> str:
    """One line; libpq repeats itself for each address that it tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
    return _PREFIX.sub("", text)


def server_hint(
    error: psycopg.Error, section: ServerUse, own: Mapping[type[psycopg.Error], str]
) -> str:
    """What to do about it, if that is known; `own` goes before what both sections share."""
    reason = server_reason(error)
    limits = [name for kind, name in _LIMITS.items() if isinstance(error, kind)]
    limits += [name for words, name in _LIMIT_WORDS.items() if words in reason]
    if limits:
        return _LIMIT.format(section=section, limit=limits[0], value=_NO_LIMIT.get(limits[0], "0"))
    hints = {**_HINTS, **own}
    hint = next((text for kind, text in hints.items() if isinstance(error, kind)), "")
    # What the driver cannot read has no code either.
    if not error.sqlstate and not hint and not isinstance(error, psycopg.DataError):
        hint = next((text for words, text in _WORDS if words in reason), _START)
    return hint.format(section=section)
