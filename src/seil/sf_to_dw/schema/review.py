"""Schema drift in the org: which changes of fields flow through, and which need a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.schema.registry import SchemaDiff, SchemaRegistry, parse_type, schema_diff
from seil.state.decisions import Decision, DecisionStore, Policy, in_force
from seil.warehouse.types import TEXT, common_type, stored_type, type_name

DROPPED = "dropped by `seil schema accept`"
"""Why a field is left out of a schema, as documents say it."""


@dataclass(frozen=True)
class Review:
    """An object's fields in the org, compared with those last stored.

    `blocked` has the types before and after of columns whose new values do not fit the table's
    type, and on which nobody has decided.
    """

    schema: ObjectSchema
    diff: SchemaDiff
    blocked: Mapping[str, tuple[str, str]]
    is_accepted: bool

    def stops(self, obj: SyncedObject) -> bool:
        """Whether the object is not read until somebody decides."""
        return bool(self.blocked) or (
            obj.drift == "review" and bool(self.diff) and not self.is_accepted
        )


@dataclass(frozen=True)
class SchemaReview:
    """`readable` is what `registry.readable_schema` returns."""

    decisions: DecisionStore
    registry: SchemaRegistry

    def assess(
        self,
        obj: SyncedObject,
        readable: ObjectSchema,
        decisions: Sequence[Decision] | None = None,
    ) -> Review:
        """Under `decisions`; None: under those stored."""
        if decisions is None:
            decisions = self.decisions.get(obj.api_name)
        by_column = in_force(decisions)
        dropped = [name for name, entry in by_column.items() if entry.policy == "drop"]
        schema = readable.without(dropped, DROPPED)
        last = self.registry.get(obj)
        diff = _classify(schema_diff(last, schema)) if last else SchemaDiff()
        blocked = {
            name: (old, new)
            for name, (old, new) in diff.incompatible.items()
            if not _covers(by_column.get(name.lower()), new)
        }
        accepted = {entry.fingerprint for entry in decisions}
        return Review(schema, diff, blocked, schema.fingerprint in accepted)

    def admit(self, obj: SyncedObject, readable: ObjectSchema) -> ObjectSchema:
        """The fields to read. Raises ObjectRejectedError where a change needs a decision first."""
        review = self.assess(obj, readable)
        if not review.stops(obj):
            return review.schema
        name = obj.api_name
        if not review.blocked:
            changes = "; ".join(_lines(review.diff))
            hint = f"See `seil schema diff {name}`, then run `seil schema accept {name}`"
            raise ObjectRejectedError(name, f"its fields changed: {changes}", hint=hint)
        changes = "; ".join(
            f"{column} was {table_type_name(old)} and is {table_type_name(new)} now"
            for column, (old, new) in review.blocked.items()
        )
        first = next(iter(review.blocked))
        raise ObjectRejectedError(
            name,
            f"{changes}: incompatible with the table, so the object is not read",
            hint=f"Decide with `seil schema accept {name}.{first} --as text` (or column, or drop)",
        )


def as_text_columns(decisions: Iterable[Decision]) -> set[str]:
    return {entry.column for entry in decisions if entry.policy == "text"}


def is_blocking(old: str, new: str) -> bool:
    """Whether the table cannot hold both Arrow types in one column; text holds any."""
    before, now = _table_type(old), _table_type(new)
    return before not in (TEXT, now) and common_type(before, now) is None


def _classify(diff: SchemaDiff) -> SchemaDiff:
    """By the table's types: text holds any value, but a table's number does not become text."""
    changed = {**diff.widened, **diff.incompatible}
    blocking = {name: types for name, types in changed.items() if is_blocking(*types)}
    widened = {name: types for name, types in changed.items() if name not in blocking}
    return replace(diff, widened=widened, incompatible=blocking)


def _covers(decision: Decision | None, new: str) -> bool:
    return decision is not None and (decision.policy == "text" or decision.new == new)


def _table_type(arrow: str) -> pa.DataType:
    return stored_type(parse_type(arrow)) or TEXT


def table_type_name(arrow: str) -> str:
    """The table's type, as messages call it, for an Arrow type's text."""
    return type_name(parse_type(arrow))


def _lines(diff: SchemaDiff) -> Iterator[str]:
    for word in ("added", "removed", "widened", "incompatible"):
        names: Sequence[str] = list(getattr(diff, word))
        if names:
            yield f"{word} {', '.join(names)}"


def decision(
    policy: Policy | Literal["accept"], *, by: str, column: str = "", target: str = ""
) -> Decision:
    """Taken now; `column` is empty for the whole object."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Decision(column, policy, by, at, target=target)
