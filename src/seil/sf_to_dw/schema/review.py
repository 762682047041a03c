"""Changes of an object's fields: which of them flow through, and which wait for a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.schema.registry import SchemaDiff, SchemaRegistry, compare, stored_type
from seil.state.decisions import Decision, DecisionStore, Policy, in_force
from seil.warehouse.types import TEXT, common_type, type_name
from seil.warehouse.types import stored_type as kept_as


@dataclass(frozen=True)
class Review:
    """An object's fields as they are in the org, against those that were last accepted.

    `blocked` are the columns whose new type the table cannot take in, without a decision yet.
    """

    schema: ObjectSchema
    diff: SchemaDiff
    blocked: Mapping[str, tuple[str, str]]
    is_accepted: bool

    def stops(self, obj: SyncedObject) -> bool:
        return bool(self.blocked) or (
            obj.drift == "review" and bool(self.diff) and not self.is_accepted
        )


@dataclass(frozen=True)
class SchemaReview:
    """`readable` is, throughout, the org's describe without what the catalog excludes."""

    decisions: DecisionStore
    registry: SchemaRegistry

    def of(
        self,
        obj: SyncedObject,
        readable: ObjectSchema,
        decisions: Sequence[Decision] | None = None,
    ) -> Review:
        """With those `decisions` instead of the ones that were taken."""
        if decisions is None:
            decisions = self.decisions.get(obj.api_name)
        decided = in_force(decisions)
        dropped = [name for name, entry in decided.items() if entry.policy == "drop"]
        schema = readable.without(dropped, "dropped by `seil schema accept`")
        known = self.registry.get(obj)
        diff = _classify(compare(known, schema)) if known else SchemaDiff()
        blocked = {
            name: (old, new)
            for name, (old, new) in diff.incompatible.items()
            if not _is_decided(decided.get(name.lower()), new)
        }
        accepted = {entry.fingerprint for entry in decisions}
        return Review(schema, diff, blocked, schema.fingerprint in accepted)

    def admit(self, obj: SyncedObject, readable: ObjectSchema) -> ObjectSchema:
        """The fields to read. Raises ObjectRejectedError where a change needs a decision first."""
        found = self.of(obj, readable)
        if not found.stops(obj):
            return found.schema
        name = obj.api_name
        if not found.blocked:
            changes = "; ".join(_lines(found.diff))
            hint = f"See `seil schema diff {name}`, then run `seil schema accept {name}`"
            raise ObjectRejectedError(name, f"its fields changed: {changes}", hint=hint)
        changes = "; ".join(
            f"{column} was {table_type_name(old)} and is {table_type_name(new)} now"
            for column, (old, new) in found.blocked.items()
        )
        first = next(iter(found.blocked))
        raise ObjectRejectedError(
            name,
            f"{changes}: the table cannot take that in, nothing of the object is read",
            hint=f"Decide with `seil schema accept {name}.{first} --as text` (or column, or drop)",
        )


def as_text_columns(decisions: Iterable[Decision]) -> set[str]:
    return {entry.column for entry in decisions if entry.policy == "text"}


def is_blocking(old: str, new: str) -> bool:
    """A text column takes anything; others what has a type in common with theirs."""
    before, now = _table_type(old), _table_type(new)
    return before not in (TEXT, now) and common_type(before, now) is None


def _classify(diff: SchemaDiff) -> SchemaDiff:
    """By what the table takes: text holds any value, but a table's number does not become text."""
    changed = {**diff.widened, **diff.incompatible}
    blocking = {name: types for name, types in changed.items() if is_blocking(*types)}
    widened = {name: types for name, types in changed.items() if name not in blocking}
    return replace(diff, widened=widened, incompatible=blocking)


def _is_decided(decision: Decision | None, new: str) -> bool:
    return decision is not None and (decision.policy == "text" or decision.new == new)


def _table_type(name: str) -> pa.DataType:
    return kept_as(stored_type(name)) or TEXT


def table_type_name(name: str) -> str:
    return type_name(stored_type(name))


def _lines(diff: SchemaDiff) -> Iterator[str]:
    for word in ("added", "removed", "widened", "incompatible"):
        names: Sequence[str] = list(getattr(diff, word))
        if names:
            yield f"{word} {', '.join(names)}"


def decision(
    policy: Policy | Literal["accept"], *, by: str, column: str = "", target: str = ""
) -> Decision:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Decision(column, policy, by, at, target=target)
