"""Deciding on changes of an object's fields, and telling what was decided.

What counts is written in one step. History and journal are told behind it; what a kill leaves
untold is told by whoever looks at the object next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
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

_WORDS = {"timestamp with time zone": "timestamp"}


def accept(
    review: SchemaReview, obj: SyncedObject, readable: ObjectSchema, wanted: Decision
) -> list[Decision]:
    """Decides on what is blocked, or on the column of `wanted`; once nothing is blocked any more,
    all changes are accepted. Returns the decisions; one that holds already is not taken again.
    Returns none where nothing has changed.

    Raises ObjectRejectedError when `wanted` is no policy for what it is about.
    """
    kept = review.decisions.get(obj.api_name)
    last = {entry.column: entry for entry in kept}
    if wanted.policy == "read":
        _check_dropped(obj, wanted.column, last)
    found = review.of(obj, readable, kept)
    columns: Mapping[str, tuple[str, str]] = found.blocked
    if wanted.column:
        columns = _chosen(obj, (found, readable), wanted, last)
    if columns and wanted.policy == "accept":
        needed = ", ".join(columns)
        first = f"{obj.api_name}.{next(iter(columns))}"
        hint = f"Say how: `seil schema accept {first} --as text` (or column, or drop)"
        raise ObjectRejectedError(obj.api_name, f"{needed} cannot be taken as is", hint=hint)
    if not columns and not found.diff:
        return []
    made = [_on_column(wanted, column, types, last) for column, types in columns.items()]
    then = review.of(obj, readable, [*kept, *made])
    if not then.blocked:
        made.append(_on_all(wanted, then.schema.fingerprint, kept))
    if new := [entry for entry in made if entry not in kept]:
        review.decisions.add(obj.api_name, new)
    return made


def publish_decisions(
    review: SchemaReview, obj: SyncedObject, readable: ObjectSchema, bus: Bus
) -> None:
    """An event for the decisions that were taken together, and an entry of the history for each,
    where they are missing.
    """
    kept = review.decisions.get(obj.api_name)
    untold = _unpublished(kept, review.registry.history(obj)) if kept else []
    if not untold:
        return
    for _, some in groupby(kept, key=lambda entry: (entry.at, entry.by)):
        together = list(some)
        if any(entry in untold for entry in together):
            bus.publish([_event(obj, together)])
    before = review.of(obj, readable, [entry for entry in kept if entry not in untold])
    for entry in untold:
        review.registry.note(obj, before.diff, source=str(entry))


def _unpublished(
    decisions: Sequence[Decision], history: Sequence[Mapping[str, str]]
) -> list[Decision]:
    """Those without an entry; what is older than the history may have had one."""
    begun = history[0]["at"] if history else ""

    def is_told(decision: Decision) -> bool:
        return decision.at < begun or any(
            entry["source"] == str(decision) and entry["at"] >= decision.at for entry in history
        )

    return [decision for decision in decisions if not is_told(decision)]


def _event(obj: SyncedObject, together: Sequence[Decision]) -> Event:
    """The same event, however often it is told."""
    detail = {"object": obj.api_name, "decisions": [asdict(entry) for entry in together]}
    at = together[0].at
    about = [obj.api_name, at, *map(str, together)]
    return Event(
        SOURCE,
        "schema-accepted",
        detail,
        id=event_id("schema-accepted", *about),
        time=datetime.fromisoformat(at),
    )


def _chosen(
    obj: SyncedObject,
    found: tuple[Review, ObjectSchema],
    wanted: Decision,
    last: Mapping[str, Decision],
) -> dict[str, tuple[str, str]]:
    review, readable = found
    for column, types in review.blocked.items():
        if column.lower() == wanted.column.lower():
            return {column: types}
    field = readable.get(wanted.column)
    if field is None or wanted.policy == "accept":
        reason = f"{wanted.column} has no change that has to be decided"
        raise ObjectRejectedError(
            obj.api_name, reason, hint=f"See `seil schema diff {obj.api_name}`"
        )
    before, now = last.get(field.name.lower()), str(field.arrow)
    # Deciding otherwise, or once more, is about the same change.
    old = before.old if before and before.new == now else ""
    return {field.name: (old, now)}


def _on_column(
    wanted: Decision, column: str, types: tuple[str, str], last: Mapping[str, Decision]
) -> Decision:
    old, new = types
    target = _target(wanted, column, new)
    made = replace(wanted, column=column.lower(), old=old, new=new, target=target)
    before = last.get(made.column)
    is_known = before and replace(made, at=before.at, by=before.by) == before
    return before if before and is_known else made


def _on_all(wanted: Decision, fingerprint: str, kept: Sequence[Decision]) -> Decision:
    known = (entry for entry in kept if entry.fingerprint == fingerprint)
    whole = replace(wanted, column="", policy="accept", target="", fingerprint=fingerprint)
    return next(known, whole)


def _target(wanted: Decision, column: str, new: str) -> str:
    if wanted.policy != "column":
        return ""
    word = _WORDS.get(table_type_name(new), table_type_name(new)).partition("(")[0]
    return (wanted.target or f"{column}_{word}").lower()


def _check_dropped(obj: SyncedObject, column: str, last: Mapping[str, Decision]) -> None:
    decided = last.get(column.lower())
    if decided is None or decided.policy != "drop":
        hint = (
            ""
            if column
            else f"Name the column: `seil schema accept {obj.api_name}.<column> --as read`"
        )
        reason = f"{column or 'the object'} was not dropped: there is nothing to take back"
        raise ObjectRejectedError(obj.api_name, reason, hint=hint)
