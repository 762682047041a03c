"""What PostgreSQL refuses, in words that name the cause and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
from psycopg import errors

from seil.errors import StatementError, WarehouseError

_LOGIN = "Correct the user in [warehouse] url, or the secret that [warehouse] password refers to"
_START = (
    "Check host and port in [warehouse] url, and that the server runs; then run the same command"
)
_TLS = "Correct sslmode, sslrootcert and host in [warehouse] url"
_PRIMARY = (
    "Point [warehouse] url at the primary server; of several hosts in it,"
    " target_session_attrs=read-write chooses that"
)
_DATABASE = "Create that database, or correct its name in [warehouse] url"
_CONNECTIONS = "Raise the server's max_connections, or let other programs end"
_AGAIN = "Nothing was changed. Run the same command again"

_HINTS: dict[type[psycopg.Error], str] = {
    errors.InvalidPassword: _LOGIN,
    errors.InvalidAuthorizationSpecification: _LOGIN,
    errors.InvalidCatalogName: _DATABASE,
    errors.ReadOnlySqlTransaction: _PRIMARY,
    errors.InsufficientPrivilege: "Let the database's owner grant that right to the user of"
    " [warehouse] url",
    errors.DiskFull: "The server's disk is full: free some space, then run the same command again;"
    " nothing is lost",
    errors.DependentObjectsStillExist: "Change or drop what reads it, then run the same command"
    " again; nothing is lost",
    errors.OutOfMemory: "Let the server have more memory, or lower its work_mem",
    errors.TooManyConnections: _CONNECTIONS,
    errors.LockNotAvailable: "A reader's transaction holds the table: wait until it ends, then run"
    " the same command again; nothing is lost",
    errors.QueryCanceled: _AGAIN,
    errors.AdminShutdown: _AGAIN,
    errors.SerializationFailure: _AGAIN,
    errors.DeadlockDetected: _AGAIN,
}
# libpq reports a failed connection by its words alone, without a code.
_WORDS: tuple[tuple[str, str], ...] = (
    ("password authentication failed", _LOGIN),
    ("no password supplied", "Set [warehouse] password to a reference: env:NAME or file:PATH"),
    ("certificate", _TLS),
    ("SSL", _TLS),
    ("too many connections", _CONNECTIONS),
    ("connection slots", _CONNECTIONS),
    ("role", _LOGIN),
    ("does not exist", _DATABASE),
    ("no pg_hba.conf entry", "Let the server's pg_hba.conf admit this user and machine"),
    ("too many", _CONNECTIONS),
    (
        "invalid URI",
        "Correct [warehouse] url: postgresql://user@host:5432/database?sslmode=verify-full",
    ),
    ("invalid connection option", "Correct [warehouse] url: its options are those of libpq"),
)
_STATEMENT_ERRORS = (
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
)
# Their detail names what stands in the way.
_WITH_DETAIL = (errors.DependentObjectsStillExist, errors.FeatureNotSupported)
_PREFIX = re.compile(r"^.*\bconnection to server .*? failed: (FATAL: +)?")


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise warehouse_error(url, error) from error
    except pa.ArrowInvalid as error:
        raise StatementError(url, f"a value cannot be read: {error}") from error


def warehouse_error(url: str, error: psycopg.Error) -> WarehouseError:
    reason = _reason(error)
    hint = next((text for kind, text in _HINTS.items() if isinstance(error, kind)), "")
    if isinstance(error, errors.OutOfMemory):
        hint = error.diag.message_hint or hint  # Such as to raise max_locks_per_transaction.
    # What the driver cannot read has no code either.
    if not error.sqlstate and not hint and not isinstance(error, psycopg.DataError):
        hint = next((text for words, text in _WORDS if words in reason), _START)
    if not hint and isinstance(error, _STATEMENT_ERRORS):
        return StatementError(url, reason)
    return WarehouseError(url, reason, hint=hint)


def _reason(error: psycopg.Error) -> str:
    """One line; libpq repeats itself for each address that it tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
    if isinstance(error, _WITH_DETAIL) and error.diag.message_detail:
        text = f"{text}: {error.diag.message_detail.splitlines()[0]}"
    return _PREFIX.sub("", text)
