"""What PostgreSQL refuses, as errors of the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
from psycopg import errors

from seil.errors import StatementError, TableInUseError, WarehouseError
from seil.postgres_server import server_hint, server_reason

LEAVE_OUT = (
    "Leave out columns, by `exclude` in objects.toml or in the model's SELECT (docs/postgresql.md,"
    " Limits)"
)
_AGAIN = "Nothing was changed. Run the same command again"
_HINTS: dict[type[psycopg.Error], str] = {
    errors.InsufficientPrivilege: "Let its owner grant that right to the user of [warehouse] url,"
    " or make that user the owner: `seil doctor` names what belongs to others",
    errors.DependentObjectsStillExist: "Change or drop what reads it, then run the same command"
    " again; nothing is lost",
    errors.OutOfMemory: "Let the server have more memory, or lower its work_mem",
    errors.SerializationFailure: _AGAIN,
    errors.DeadlockDetected: _AGAIN,
    errors.ProgramLimitExceeded: LEAVE_OUT,
    errors.TooManyColumns: LEAVE_OUT,
}
# Rows, tables and index entries that are too large: the statement's content, hence one file's or
# one model's. https://www.postgresql.org/docs/current/errcodes-appendix.html
_LIMIT_CLASS = "54"
_POLICY = "row-level security policy"
_HIDDEN = (
    "SEIL has to see every row: let its user own the table without FORCE ROW LEVEL SECURITY, or"
    " have BYPASSRLS"
)
_IN_USE = (
    "A reader's transaction holds the table, `seil doctor` names it: wait until it ends, then run"
    " the same command again; nothing is lost"
)
_STATEMENT_ERRORS = (
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
)
# Their detail names what stands in the way.
_WITH_DETAIL = (errors.DependentObjectsStillExist, errors.FeatureNotSupported)


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise warehouse_error(url, error) from error
    except pa.ArrowInvalid as error:
        raise StatementError(url, f"a value cannot be read: {error}") from error


def warehouse_error(url: str, error: psycopg.Error) -> WarehouseError:
    reason = server_reason(error)
    if isinstance(error, _WITH_DETAIL) and error.diag.message_detail:
        reason = f"{reason}: {error.diag.message_detail.splitlines()[0]}"
    if isinstance(error, errors.LockNotAvailable):
        return TableInUseError(url, reason, hint=_IN_USE)
    hint = server_hint(error, "warehouse", _HINTS)
    if _POLICY in reason:
        hint = _HIDDEN
    if isinstance(error, errors.OutOfMemory):
        hint = error.diag.message_hint or hint  # Such as to raise max_locks_per_transaction.
    is_limit = (error.sqlstate or "").startswith(_LIMIT_CLASS)
    if is_limit or (not hint and isinstance(error, _STATEMENT_ERRORS)):
        return StatementError(url, reason, hint=hint)
    return WarehouseError(url, reason, hint=hint)
