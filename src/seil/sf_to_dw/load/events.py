"""The outcome of loading one object, as a report and as events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from seil.events.envelope import Event
from seil.events.file_events import SOURCE, event_id
from seil.sf_to_dw.load.arrivals import ArrivalKey
from seil.warehouse.bookkeeping import SchemaChange
from seil.warehouse.merges import MergeOutcome


@dataclass(frozen=True)
class ObjectLoad:
    """One object's load. `errors` name the files left out, with the reason; `pending` are the keys
    not merged or recorded, which the next load tries again.
    """

    object: str
    table: str
    files: int = 0
    runs: int = 0
    outcome: MergeOutcome = field(default_factory=MergeOutcome)
    changes: tuple[SchemaChange, ...] = ()
    errors: tuple[str, ...] = ()
    pending: frozenset[ArrivalKey] = frozenset()

    @property
    def rows(self) -> int:
        return self.outcome.rows

    @property
    def ok(self) -> bool:
        return not self.errors


def load_events(entry: ObjectLoad, load_id: str) -> Iterator[Event]:
    """Re-publishing the same load yields the same event ids."""
    about = {"object": entry.object, "table": entry.table}
    if entry.files or entry.errors:
        detail = {
            "state": "error" if entry.errors else "success",
            **about,
            "files": entry.files,
            "rows": entry.rows,
            **asdict(entry.outcome),
            "errors": list(entry.errors),
        }
        yield Event(SOURCE, "load", detail, id=event_id("load", entry.object, load_id))
    for change in entry.changes:
        detail = {**about, **asdict(change), "message": str(change)}
        change_id = event_id("schema-drift", load_id, *asdict(change).values())
        yield Event(SOURCE, "schema-drift", detail, id=change_id)
