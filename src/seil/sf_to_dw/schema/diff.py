"""An object's fields in three places: as last read, in the org now, in the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.catalog import SyncedObject
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.schema.review import Review, SchemaReview, table_type_name
from seil.sf_to_dw.schema.vanished import VANISHED, vanished_fields
from seil.warehouse.types import type_name

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ColumnChange:
    """`change` is added, removed, widened or incompatible; not-loaded, where the table lacks the
    column; or vanished, where an earlier run read the field. `effect` says what the next run does
    about it.
    """

    column: str
    change: str
    before: str
    now: str
    effect: str


@dataclass(frozen=True)
class ObjectDiff:
    """`is_read` is false where no run has read the object's fields yet: nothing can differ."""

    object: str
    is_read: bool
    stops: bool
    changes: tuple[ColumnChange, ...]
    history: tuple[dict[str, Any], ...]

    @property
    def history_rows(self) -> Iterator[tuple[Any, ...]]:
        """Of each entry: version, time, source, changes as text."""
        for entry in self.history:
            changes = "; ".join(
                f"{word} {', '.join(entry[word])}"
                for word in ("added", "removed", "widened", "incompatible")
                if entry.get(word)
            )
            yield entry["version"], entry["at"], entry["source"], changes[:200]

    def document(self, *, history: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "object": self.object,
            "is_read": self.is_read,
            "stops": self.stops,
            "changes": [dict(vars(change)) for change in self.changes],
        }
        return {**body, "history": list(self.history)} if history else body


def object_diff(
    schemas: SchemaReview, obj: SyncedObject, readable: ObjectSchema, columns: pa.Schema | None
) -> ObjectDiff:
    """`columns` are the table's; None where there is no table."""
    review = schemas.assess(obj, readable)
    is_read = schemas.registry.get(obj) is not None
    vanished = vanished_fields(schemas.registry.lake, obj)
    changes = (
        (*_changes(obj, review), *_not_loaded(review, columns), *_vanished(vanished))
        if is_read
        else ()
    )
    history = tuple(schemas.registry.history(obj))
    return ObjectDiff(obj.api_name, is_read, review.stops(obj), changes, history)


def _changes(obj: SyncedObject, review: Review) -> Iterator[ColumnChange]:
    waits = "stops the object until accepted" if review.stops(obj) else ""
    text = table_type_name
    for name, kind in review.diff.added.items():
        yield ColumnChange(name, "added", "", text(kind), waits or "becomes a new column")
    for name, kind in review.diff.removed.items():
        yield ColumnChange(name, "removed", text(kind), "", waits or "stays as last read")
    for name, (old, new) in review.diff.widened.items():
        effect = waits or "the column is widened, or wide enough"
        yield ColumnChange(name, "widened", text(old), text(new), effect)
    for name, (old, new) in review.diff.incompatible.items():
        effect = waits or "as it was decided"
        if name in review.blocked:
            command = f"seil schema accept {obj.api_name}.{name} --as text"
            effect = f"decide: `{command}` (or column, drop)"
        yield ColumnChange(name, "incompatible", text(old), text(new), effect)


def _vanished(fields: Mapping[str, datetime]) -> Iterator[ColumnChange]:
    for name, since in fields.items():
        effect = f"keeps its last values since {since:%Y-%m-%d}: {VANISHED}"
        yield ColumnChange(name, "vanished", "", "", effect)


def _not_loaded(review: Review, columns: pa.Schema | None) -> Iterator[ColumnChange]:
    if columns is None:
        return
    changed = {*review.diff.added, *review.diff.widened, *review.diff.incompatible}
    for field in review.schema.fields:
        if field.name not in changed and field.name.lower() not in columns.names:
            now = type_name(field.arrow)
            yield ColumnChange(field.name, "not-loaded", "", now, "comes with the next load")
