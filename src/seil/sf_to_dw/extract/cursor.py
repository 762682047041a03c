"""Which field a flow's windows are on."""

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
    """`name` is empty where every run has to read everything. `note` says why it is not the field
    that the catalog names; empty where it is.
    """

    name: str
    note: str = ""


def choose_cursor(flow: FlowSettings, schema: ObjectSchema) -> Cursor:
    """The flow's field, else the next best that the describe offers.

    A window can be cut only on a field that may be filtered on, and it loses the records in which
    the field is null. CreatedDate shows no change, so it is for records that cannot change and for
    objects that have no other.
    """
    wanted = schema.get(flow.cursor)
    reason = f"there is no field {flow.cursor}" if wanted is None else _unfit(wanted)
    if wanted and not reason:
        return Cursor(wanted.name)
    names = list(_MODIFIED)
    if schema.is_immutable or not any(map(schema.get, _MODIFIED)):
        names.append(_CREATED)
    for name in names:
        if (found := schema.get(name)) and not _unfit(found):
            return Cursor(found.name, f"{reason}: windows are on {found.name}")
    return Cursor("", f"{reason}: every run reads all records")


def _unfit(field: Field) -> str:
    if field.type != "datetime":
        return f"{field.name} is no date-time"
    if not field.filterable:
        return f"{field.name} cannot be filtered on"
    return f"{field.name} may be null" if field.nillable else ""
