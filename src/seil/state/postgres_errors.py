"""What PostgreSQL refuses, in words that name the cause and what to do about it."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from seil.errors import StateError

_RIGHTS = (
    "Let the database's owner run `CREATE SCHEMA seil_state AUTHORIZATION ...`"
    " with the user of [state] url"
)
_PRIMARY = (
    "Point [state] url at the primary server; of several hosts in it,"
    " target_session_attrs=read-write chooses that"
)
_LOGIN = "Correct the user in [state] url, or the secret that [state] password refers to"
_START = "Check host and port in [state] url, and that the server runs; then run the same command"
_TLS = "Correct sslmode, sslrootcert and host in [state] url: docs/state.md has an example"

_HINTS: dict[type[psycopg.Error], str] = {
    errors.InvalidPassword: _LOGIN,
    errors.InvalidAuthorizationSpecification: _LOGIN,
    errors.InvalidCatalogName: "Create that database, or correct its name in [state] url",
    errors.ReadOnlySqlTransaction: _PRIMARY,
    errors.ObjectNotInPrerequisiteState: _PRIMARY,
    errors.InsufficientPrivilege: _RIGHTS,
    errors.DiskFull: "The server's disk is full: free some space, then run the same command again",
    errors.TooManyConnections: "Raise the server's max_connections, or let other programs end",
    errors.LockNotAvailable: "Another process writes to it for long; run the same command again",
}
# libpq reports a failed connection by its words alone, without a code.
_WORDS: tuple[tuple[str, str], ...] = (
    ("password authentication failed", _LOGIN),
    ("no password supplied", "Set [state] password to a reference: env:NAME or file:PATH"),
    ("certificate", _TLS),
    ("SSL", _TLS),
    ("role", _LOGIN),
    ("does not exist", _HINTS[errors.InvalidCatalogName]),
    ("no pg_hba.conf entry", "Let the server's pg_hba.conf admit this user and machine"),
    ("too many", _HINTS[errors.TooManyConnections]),
    (
        "invalid URI",
        "Correct [state] url: postgresql://user@host:5432/database?sslmode=verify-full",
    ),
    ("invalid connection option", "Correct [state] url: its options are those of libpq"),
)

# The place says it already: connection to server at "127.0.0.1", port 5432 failed: FATAL: ...
_PREFIX = re.compile(r"^.*\bconnection to server .*? failed: (FATAL: +)?")


def state_error(error: psycopg.Error, place: str, operation: str) -> StateError:
    reason = _reason(error)
    hint = next((text for kind, text in _HINTS.items() if isinstance(error, kind)), "")
    if not error.sqlstate and not hint:
        operation = "connect to"
        hint = next((text for words, text in _WORDS if words in reason), _START)
    return StateError(place, operation, reason, hint=hint)


def refusal(version: int, encoding: str, least: int) -> tuple[str, str] | None:
    """Why a server cannot hold a state, and what to do; `version` as libpq has it: 150003."""
    if version // 10_000 < least:
        reason = f"the server is PostgreSQL {version // 10_000}, the state needs {least}"
        return reason, "Upgrade the server, or point [state] url at another one"
    if encoding != "UTF8":
        reason = f"the database has the encoding {encoding}, the state needs UTF8"
        return reason, "Create a database with `createdb --encoding UTF8 --template template0`"
    return None


def _reason(error: psycopg.Error) -> str:
    """One line; libpq repeats itself for each address that it tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = error.diag.message_primary or (lines[0] if lines else type(error).__name__)
    return _PREFIX.sub("", text)
