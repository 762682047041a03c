"""Whether a pooler lies between that hands a session's server process to others.

https://www.pgbouncer.org/features.html: in transaction mode, settings and temporary tables of one
client are met by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psycopg

_TRIES = 5


def shares_sessions(
    connection: psycopg.Connection, another: Callable[[], psycopg.Connection]
) -> bool:
    """Both are in autocommit; `another` is called where a pooler lies between."""
    if _process(connection) == connection.info.backend_pid:
        return False
    # It hands out the process that was freed last. One that has none to spare refuses.
    with suppress(psycopg.OperationalError), another() as other:
        return any(_process(connection) == _process(other) for _ in range(_TRIES))
    return False


def _process(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0
