"""Open failures, which `seil status` shows: each until its step succeeds again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from seil.errors import SeilError, error_type
from seil.state.database import Database, Row, Transaction, moment, stamp, write

TroubleStep = Literal["stop", "extract", "ingest", "load", "build", "sync", "publish"]

_LOGIN = ("login", "other_org")
_ALL = """
SELECT step, about, kind, message, hint, since, run_id, command
FROM troubles ORDER BY since, step, about"""
# A repeated failure of the same kind keeps its `since`.
_PUT = """
INSERT INTO troubles (step, about, kind, message, hint, since, run_id, command)
VALUES (:step, :about, :kind, :message, :hint, :since, :run_id, :command)
ON CONFLICT (step, about) DO UPDATE SET
    since = CASE WHEN troubles.kind = excluded.kind THEN troubles.since ELSE excluded.since END,
    kind = excluded.kind, message = excluded.message, hint = excluded.hint,
    run_id = excluded.run_id, command = excluded.command"""
_DELETE = "DELETE FROM troubles WHERE step = :step AND about = :about"


@dataclass(frozen=True)
class Trouble:
    """An open failure. `about` is the object, the table, or the error type that ended a run;
    `since` when it failed first without a success in between.
    """

    step: TroubleStep
    about: str
    kind: str
    message: str
    hint: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: str = ""
    command: str = ""


@dataclass(frozen=True)
class Troubles:
    database: Database

    def all(self) -> list[Trouble]:
        """Oldest first."""
        return [_trouble(row) for row in self.database.rows(_ALL)]

    def note_stop(self, command: str, error: SeilError) -> None:
        """For a command that continues by itself, until `clear_stops`."""
        kind = error_type(error)
        self.store(Trouble("stop", kind, kind, error.message, error.hint, command=command))

    def store(self, trouble: Trouble) -> None:
        write(self.database, lambda transaction: store_trouble(transaction, trouble))

    def clear_stops(self, command: str) -> None:
        self._clear("command = :command", command=command)

    def clear_login(self) -> None:
        """The login to the site's own org works; cleared at once, as a run can take hours."""
        self._clear("kind IN (:login, :other)", login=_LOGIN[0], other=_LOGIN[1])

    def _clear(self, condition: str, **values: Any) -> None:
        among = f"troubles WHERE step = 'stop' AND {condition}"
        if self.database.rows(f"SELECT 1 FROM {among}", **values):  # noqa: S608
            delete = f"DELETE FROM {among}"  # noqa: S608
            write(self.database, lambda transaction: transaction.execute(delete, **values))


def store_trouble(transaction: Transaction, trouble: Trouble) -> None:
    transaction.execute(_PUT, **{**vars(trouble), "since": stamp(trouble.since)})


def delete_trouble(transaction: Transaction, trouble: Trouble) -> None:
    transaction.execute(_DELETE, step=trouble.step, about=trouble.about)


def _trouble(row: Row) -> Trouble:
    step, about, kind, message, hint, since, run_id, command = row
    return Trouble(step, about, kind, message, hint, moment(since), run_id, command)
