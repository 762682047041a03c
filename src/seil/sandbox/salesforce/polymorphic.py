"""Polymorphic references, which queries read through the Name object's fields.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm
"""

from __future__ import annotations

from collections.abc import Mapping

from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import ident

NAME = SObject.of(
    "Name",
    [
        SField.of("Id", "id"),
        SField.of("Alias", "string", length=8),
        SField.of("Email", "email"),
        SField.of("FirstName", "string", length=40),
        SField.of("IsActive", "boolean"),
        SField.of("LastName", "string", length=80),
        SField.of("Name", "string", flags=["name"]),
        SField.of("Phone", "phone"),
        SField.of("ProfileId", "reference", reference_to=["Profile"]),
        SField.of("RecordTypeId", "reference", reference_to=["RecordType"]),
        SField.of("Title", "string", length=128),
        SField.of("Type", "string", length=40),
        SField.of("UserRoleId", "reference", reference_to=["UserRole"]),
        SField.of("Username", "string", length=80),
    ],
)
_OF_PEOPLE = frozenset({"FirstName", "LastName", "Phone", "Title"})
_OF_USERS = frozenset({"Alias", "Email", "IsActive", "ProfileId", "UserRoleId", "Username"})
_OF_ALL = frozenset({"Id", "RecordTypeId"})
_FIELDS: Mapping[str, frozenset[str]] = {
    "User": _OF_ALL | _OF_PEOPLE | _OF_USERS,
    "Contact": _OF_ALL | _OF_PEOPLE,
    "Lead": _OF_ALL | _OF_PEOPLE,
}


def is_polymorphic(reference: SField) -> bool:
    return len(reference.reference_to) > 1 or bool(reference.raw.get("namePointing"))


def name_table(objects: Mapping[str, SObject], reference: SField) -> str:
    """All records that the reference can point at, as a table of Names."""
    current = [objects[name] for name in reference.reference_to if name in objects]
    selects = [f"SELECT {_columns(entity)} FROM main.{ident(entity.name)}" for entity in current]  # noqa: S608  (quoted)
    nobody = ", ".join(f"NULL::{f.column_type} AS {ident(f.name)}" for f in NAME.fields)
    return f"({' UNION ALL '.join(selects) or f'SELECT {nobody} LIMIT 0'})"


def _columns(entity: SObject) -> str:
    return ", ".join(f"{_value(entity, entry)} AS {ident(entry.name)}" for entry in NAME.fields)


def _value(entity: SObject, entry: SField) -> str:
    if entry.name == "Type":
        return f"'{entity.name}'"
    source = entity.name_field if entry.name == "Name" else entity.field(entry.name)
    is_visible = entry.name == "Name" or entry.name in _FIELDS.get(entity.name, _OF_ALL)
    value = ident(source.name) if source and source.stored and is_visible else "NULL"
    return f"CAST({value} AS {entry.column_type})"
