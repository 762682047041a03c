"""The cursor: the field that a flow's windows are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.catalog import FlowSettings
    from seil.salesforce.schema import Field, ObjectSchema

_MODIFIED = ("SystemModstamp", "LastModifiedDate")
_CREATED = "CreatedDate"


@dataclass(frozen=True)
class Cursor:
    """`name` is empty where every run reads all records. `note` gives the reason where it is not
    the field that the catalog names.
    """

    name: str
    note: str = ""


def choose_cursor(flow: FlowSettings, schema: ObjectSchema) -> Cursor:
    """The catalog's field, else the best of the describe.

    A cursor has to be filterable and never null: a window loses the records in which it is null.
    CreatedDate does not move on an update, so it serves only where records are immutable or there
    is nothing else.
    """
    configured = schema.get(flow.cursor)
    reason = f"there is no field {flow.cursor}" if configured is None else _defect(configured)
    if configured and not reason:
        return Cursor(configured.name)
    names = list(_MODIFIED)
    if schema.is_immutable or not any(map(schema.get, _MODIFIED)):
        names.append(_CREATED)
    for name in names:
        if (field := schema.get(name)) and not _defect(field):
            return Cursor(field.name, f"{reason}: windows are on {field.name}")
    return Cursor("", f"{reason}: every run reads all records")


def _defect(field: Field) -> str:
    """Why it cannot be a cursor; empty where it can."""
    if field.type != "datetime":
        return f"{field.name} is no date-time"
    if not field.filterable:
        return f"{field.name} cannot be filtered on"
    return f"{field.name} may be null" if field.nillable else ""
