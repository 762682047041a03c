"""An object's fields in three places: last read, in the org now, in the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seil.catalog import SyncedObject
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.schema.registry import SchemaRegistry, stored_type
from seil.sf_to_dw.schema.review import Review, SchemaReview
from seil.state.decisions import DecisionStore
from seil.warehouse.types import type_name

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ColumnChange:
    """`change` is added, removed, widened or incompatible; or not-loaded, where only the warehouse
    differs. `effect` is what becomes of it.
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
    def lines(self) -> Iterator[tuple[Any, ...]]:
        """The history: version, when, from where, what."""
        for entry in self.history:
            said = "; ".join(
                f"{word} {', '.join(entry[word])}"
                for word in ("added", "removed", "widened", "incompatible")
                if entry.get(word)
            )
            yield entry["version"], entry["at"], entry["source"], said[:200]

    def document(self, *, history: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "object": self.object,
            "is_read": self.is_read,
            "stops": self.stops,
            "changes": [dict(vars(change)) for change in self.changes],
        }
        return {**body, "history": list(self.history)} if history else body


def object_diff(
    decisions: DecisionStore,
    registry: SchemaRegistry,
    obj: SyncedObject,
    found: tuple[ObjectSchema, pa.Schema | None],
) -> ObjectDiff:
    """`found` are the readable fields of the org, and the columns of the table, if there is one."""
    readable, columns = found
    review = SchemaReview(decisions, registry).of(obj, readable)
    is_read = registry.get(obj) is not None
    changes = (*_changes(obj, review), *_not_loaded(review, columns)) if is_read else ()
    history = tuple(registry.history(obj))
    return ObjectDiff(obj.api_name, is_read, review.stops(obj), changes, history)


def _changes(obj: SyncedObject, review: Review) -> Iterator[ColumnChange]:
    waits = "stops the object until accepted" if review.stops(obj) else ""
    for name, kind in review.diff.added.items():
        yield ColumnChange(name, "added", "", _type_text(kind), waits or "becomes a new column")
    for name, kind in review.diff.removed.items():
        yield ColumnChange(name, "removed", _type_text(kind), "", waits or "stays as last read")
    for name, (old, new) in review.diff.widened.items():
        effect = waits or "the column is widened, or wide enough"
        yield ColumnChange(name, "widened", _type_text(old), _type_text(new), effect)
    for name, (old, new) in review.diff.incompatible.items():
        effect = waits or "as it was decided"
        if name in review.blocked:
            command = f"seil schema accept {obj.api_name}.{name} --as text"
            effect = f"decide: `{command}` (or column, drop)"
        yield ColumnChange(name, "incompatible", _type_text(old), _type_text(new), effect)


def _not_loaded(review: Review, columns: pa.Schema | None) -> Iterator[ColumnChange]:
    if columns is None:
        return
    changed = {*review.diff.added, *review.diff.widened, *review.diff.incompatible}
    for field in review.schema.fields:
        if field.name not in changed and field.name.lower() not in columns.names:
            now = type_name(field.arrow)
            yield ColumnChange(field.name, "not-loaded", "", now, "comes with the next load")


def _type_text(kind: str) -> str:
    return type_name(stored_type(kind))
