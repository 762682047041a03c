"""Incoming records, and their validation by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seil.sandbox.salesforce.conversion import RowError
from seil.sandbox.salesforce.metadata import SObject


@dataclass(eq=False)
class Draft:
    """`values` are converted, by the describe's field names; `id` is set once known."""

    sent: Mapping[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    created: bool = False
    error: RowError | None = None


def sound(drafts: Iterable[Draft]) -> list[Draft]:
    return [draft for draft in drafts if draft.error is None]


def check_writable(entity: SObject, draft: Draft, trait: str) -> RowError | None:
    """`trait` is createable or updateable."""
    if not entity.raw.get(trait, True):
        done = "inserted" if trait == "createable" else "updated"
        reason = f"entity type cannot be {done}: {entity.label}"
        return RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", reason)
    if trait == "createable" and draft.values.get("Id"):
        return RowError(
            "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ("Id",)
        )
    wrong = tuple(
        name
        for name in draft.values
        if name != "Id" and (column := entity.field(name)) and not column.raw.get(trait, True)
    )
    return not_writable(*wrong) if wrong else None


def not_writable(*names: str) -> RowError:
    return RowError(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of"
        " this field and verify that it is read/write for your profile or permission set.",
        names,
    )


def missing(entity: SObject, draft: Draft) -> RowError | None:
    absent = (
        column.name
        for column in entity.stored_fields
        if column.createable
        and not column.nillable
        and column.type != "boolean"
        and not column.raw.get("defaultedOnCreate")
        and column.type != "id"
        and draft.values.get(column.name) is None
    )
    return _missing_fields_error(tuple(absent))


def check_cleared(entity: SObject, draft: Draft) -> RowError | None:
    absent = (
        name
        for name, value in draft.values.items()
        if value is None and (column := entity.field(name)) and not column.nillable
    )
    return _missing_fields_error(tuple(absent))


def merged_by_id(drafts: Iterable[Draft]) -> list[Draft]:
    """Merges repeated records; later values win."""
    by_id: dict[str, Draft] = {}
    for draft in drafts:
        first = by_id.setdefault(str(draft.id), draft)
        first.values.update(draft.values)
    return list(by_id.values())


def columns_of(entity: SObject, drafts: Sequence[Draft]) -> list[str]:
    """The stored fields that a draft has a value for."""
    used = set().union(*(draft.values for draft in drafts))
    return [column.name for column in entity.stored_fields if column.name in used]


def _missing_fields_error(names: tuple[str, ...]) -> RowError | None:
    if not names:
        return None
    entries = ", ".join(names)
    return RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{entries}]", names)
