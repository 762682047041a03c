"""The state of a site: its stores, and the database that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from seil.closing import Closing
from seil.extras import requires
from seil.sqlite_file import IN_MEMORY
from seil.state.decisions import Decisions
from seil.state.marks import Marks
from seil.state.runs import RunStore
from seil.state.sqlite import SqliteDatabase
from seil.state.streams import StreamPositions
from seil.state.troubles import Troubles

if TYPE_CHECKING:
    from seil.settings import StateSettings
    from seil.state.billing import BillingStore
    from seil.state.database import Database
    from seil.state.events import StoredEvents
    from seil.state.outcomes import Outcomes


@dataclass(frozen=True)
class State(Closing):
    database: Database

    @cached_property
    def runs(self) -> RunStore:
        return RunStore(self.database)

    @cached_property
    def troubles(self) -> Troubles:
        return Troubles(self.database)

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.database)

    @cached_property
    def marks(self) -> Marks:
        return Marks(self.database)

    @cached_property
    def outcomes(self) -> Outcomes:
        # Its rows are Arrow's, which takes long to import.
        from seil.state.outcomes import Outcomes

        return Outcomes(self.database)

    @cached_property
    def billing(self) -> BillingStore:
        from seil.state.billing import BillingStore

        return BillingStore(self.database)

    @cached_property
    def streams(self) -> StreamPositions:
        return StreamPositions(self.database)

    @cached_property
    def events(self) -> StoredEvents:
        from seil.state.events import StoredEvents

        return StoredEvents(self.database)

    def close(self) -> None:
        self.database.close()


def open_state(settings: StateSettings) -> State:
    """Connects at first use. Raises MissingExtraError."""
    engine, _, rest = settings.url.partition(":")
    if engine == "sqlite":
        return State(SqliteDatabase(Path(rest)))
    with requires("postgres"):
        from seil.state.postgres import PostgresDatabase
    return State(PostgresDatabase(settings.url, settings.password))


def state_in_memory() -> State:
    """Empty, and gone with the process: for reading a site that has none yet."""
    return State(SqliteDatabase(Path(IN_MEMORY)))
