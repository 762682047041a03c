"""Decisions on changes of an object's fields: taking them, and publishing them.

The decisions are stored in one transaction. Their history entries and event follow; what a kill
leaves unpublished, the next run of the object publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import SOURCE, event_id
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.schema.review import Review, SchemaReview, table_type_name
from seil.state.decisions import Decision

# As in a column's name: `amount_timestamp`.
_SHORT_TYPES = {"timestamp with time zone": "timestamp"}


def accept(
    review: SchemaReview, obj: SyncedObject, readable: ObjectSchema, request: Decision
) -> list[Decision]:
    """Decides on the blocked columns, or on the column of `request`; once no column is blocked, all
    changes are accepted.

    Returns the decisions; those already in force are among them, and not stored again. Returns none
    where nothing has changed. Raises ObjectRejectedError when the policy of `request` does not fit.
    """
    stored = review.decisions.get(obj.api_name)
    acceptance = _Acceptance(obj, request, stored)
    acceptance.check_dropped()
    current = review.assess(obj, readable, stored)
    columns: Mapping[str, tuple[str, str]] = current.blocked
    if request.column:
        columns = acceptance.requested_column(current, readable)
    acceptance.check_policy(columns)
    if not columns and not current.diff:
        return []
    decisions = [acceptance.on_column(column, types) for column, types in columns.items()]
    after = review.assess(obj, readable, [*stored, *decisions])
    if not after.blocked:
        decisions.append(acceptance.on_object(after.schema.fingerprint))
    if new := [entry for entry in decisions if entry not in stored]:
        review.decisions.add(obj.api_name, new)
    return decisions


def publish_decisions(
    review: SchemaReview, obj: SyncedObject, readable: ObjectSchema, bus: Bus
) -> None:
    """Idempotent: writes the missing history entries, and one event for the decisions that were
    taken together.
    """
    stored = review.decisions.get(obj.api_name)
    unpublished = _unpublished(stored, review.registry.history(obj)) if stored else []
    if not unpublished:
        return
    for _, group in groupby(stored, key=lambda entry: (entry.at, entry.by)):
        together = list(group)
        if any(entry in unpublished for entry in together):
            bus.publish([_event(obj, together)])
    before = review.assess(obj, readable, [entry for entry in stored if entry not in unpublished])
    for entry in unpublished:
        review.registry.add_history(obj, before.diff, source=str(entry))


def _unpublished(
    decisions: Sequence[Decision], history: Sequence[Mapping[str, str]]
) -> list[Decision]:
    """Those without a history entry; the history is bounded, so older ones count as published."""
    oldest = history[0]["at"] if history else ""

    def is_published(decision: Decision) -> bool:
        return decision.at < oldest or any(
            entry["source"] == str(decision) and entry["at"] >= decision.at for entry in history
        )

    return [decision for decision in decisions if not is_published(decision)]


def _event(obj: SyncedObject, together: Sequence[Decision]) -> Event:
    """Re-publishing the same decisions yields the same event id."""
    detail = {"object": obj.api_name, "decisions": [asdict(entry) for entry in together]}
    at = together[0].at
    identity = [obj.api_name, at, *map(str, together)]
    return Event(
        SOURCE,
        "schema-accepted",
        detail,
        id=event_id("schema-accepted", *identity),
        time=datetime.fromisoformat(at),
    )


@dataclass(frozen=True)
class _Acceptance:
    """`request` says policy, author and time, and the column if it is about one; `stored` are the
    object's decisions so far.
    """

    obj: SyncedObject
    request: Decision
    stored: Sequence[Decision]

    def check_dropped(self) -> None:
        column, name = self.request.column, self.obj.api_name
        if self.request.policy != "read":
            return
        latest = self._latest(column.lower())
        if latest is None or latest.policy != "drop":
            hint = f"Name the column: `seil schema accept {name}.<column> --as read`"
            reason = f"{column or 'the object'} was not dropped: there is nothing to take back"
            raise ObjectRejectedError(name, reason, hint="" if column else hint)

    def check_policy(self, columns: Mapping[str, tuple[str, str]]) -> None:
        if columns and self.request.policy == "accept":
            name = self.obj.api_name
            first = f"{name}.{next(iter(columns))}"
            hint = f"Say how: `seil schema accept {first} --as text` (or column, or drop)"
            raise ObjectRejectedError(
                name, f"{', '.join(columns)} cannot be taken as is", hint=hint
            )

    def requested_column(
        self, review: Review, readable: ObjectSchema
    ) -> dict[str, tuple[str, str]]:
        """Its types before and after, by its name in the org."""
        for column, types in review.blocked.items():
            if column.lower() == self.request.column.lower():
                return {column: types}
        field = readable.get(self.request.column)
        if field is None or self.request.policy == "accept":
            name = self.obj.api_name
            reason = f"{self.request.column} has no change that needs a decision"
            raise ObjectRejectedError(name, reason, hint=f"See `seil schema diff {name}`")
        latest, new = self._latest(field.name.lower()), str(field.arrow)
        # A second decision on one change refers to the types of the first.
        old = latest.old if latest and latest.new == new else ""
        return {field.name: (old, new)}

    def on_column(self, column: str, types: tuple[str, str]) -> Decision:
        old, new = types
        target = ""
        if self.request.policy == "column":
            full = table_type_name(new)
            suffix = _SHORT_TYPES.get(full, full).partition("(")[0]
            target = (self.request.target or f"{column}_{suffix}").lower()
        decision = replace(self.request, column=column.lower(), old=old, new=new, target=target)
        latest = self._latest(decision.column)
        if latest and replace(decision, at=latest.at, by=latest.by) == latest:
            return latest
        return decision

    def on_object(self, fingerprint: str) -> Decision:
        """Accepts all changes up to the schema with this fingerprint."""
        same = (entry for entry in self.stored if entry.fingerprint == fingerprint)
        return next(same, None) or replace(
            self.request, column="", policy="accept", target="", fingerprint=fingerprint
        )

    def _latest(self, column: str) -> Decision | None:
        return next((entry for entry in reversed(self.stored) if entry.column == column), None)
