"""When the state became an earlier one, or an empty one: it does not know what was done since."""

from __future__ import annotations

from datetime import UTC, datetime

from seil.state.database import Database, Transaction, moment_or_none, stamp
from seil.state.schema import meta_value, set_meta

_RESTORED_AT = "restored_at"


def mark_restored(transaction: Transaction) -> None:
    set_meta(transaction, _RESTORED_AT, stamp(datetime.now(UTC)))


def restored_at(database: Database) -> datetime | None:
    """The last time; None where it never was."""
    return moment_or_none(meta_value(database, _RESTORED_AT))
