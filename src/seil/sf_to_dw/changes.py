"""What events say has changed, collected by object: Ids to read, deletions, gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from seil.salesforce.ids import full_id
from seil.sf_to_dw.extract.by_id import ChangedIds

if TYPE_CHECKING:
    from seil.salesforce.pubsub.events import ChangeHeader, StreamEvent

_REMEMBERED = 20_000
# Salesforce keeps events for 72 hours, on clocks of its own.
_KEPT = timedelta(hours=73)


@dataclass
class Changes:
    """Of one object, in any order: the org says what is true of each Id."""

    ids: set[str] = field(default_factory=set)
    deleted: dict[str, datetime] = field(default_factory=dict)
    schema_ids: set[str] = field(default_factory=set)
    has_overflow: bool = False

    def add(self, header: ChangeHeader, schema_id: str) -> None:
        if header.is_overflow:
            self.has_overflow = True
            return
        self.schema_ids.add(schema_id)
        for text in header.record_ids:
            record_id = full_id(text) or text
            self.ids.add(record_id)
            if header.is_deletion:
                last = self.deleted.get(record_id, header.committed_at)
                self.deleted[record_id] = max(last, header.committed_at)

    def changed(self, *, with_deletions: bool) -> ChangedIds:
        deleted = dict(self.deleted) if with_deletions else {}
        return ChangedIds(frozenset(self.ids), deleted, frozenset(self.schema_ids))


class RecentEvents:
    """Ids of the last events: one may be delivered again under another replay id."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, event_id: str) -> bool:
        """False where it is there already."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]
        return True


def is_earlier(event: StreamEvent, since: datetime | None, now: datetime) -> bool:
    """Of a platform event, whether it was published before `since`; `now` is on the org's clock.

    A date from before all that is kept is a publisher's own: over the Pub/Sub API it fills in
    CreatedDate itself (https://github.com/forcedotcom/pub-sub-api/issues/42).
    """
    created = event.fields.get("CreatedDate")
    if since is None or not isinstance(created, int):
        return False
    return (now - _KEPT).timestamp() * 1000 <= created < since.timestamp() * 1000


def change_topic(api_name: str) -> str:
    """The channel of an object's change events."""
    base = api_name.removesuffix("c") if api_name.endswith("__c") else api_name
    return f"/data/{base}ChangeEvent"


def event_topic(name: str) -> str:
    """Of a platform event, by its API name."""
    return f"/event/{name}"
