"""Single facts that a flow keeps from one run to the next, such as when it last did something."""

from __future__ import annotations

from dataclasses import dataclass

from seil.state.database import Database, Transaction, write
from seil.state.schema import meta_value, set_meta

_PREFIX = "mark."


@dataclass(frozen=True)
class Marks:
    database: Database

    def get(self, name: str) -> str:
        """Empty if it was never set."""
        return meta_value(self.database, _PREFIX + name)

    def set(self, name: str, value: str) -> None:
        def store(transaction: Transaction) -> None:
            set_meta(transaction, _PREFIX + name, value)

        write(self.database, store)
