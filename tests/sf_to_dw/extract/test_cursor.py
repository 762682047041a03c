"""Windows are on a field that can be filtered on and is never null, or nothing is windowed."""

from __future__ import annotations

from typing import Any

import pytest

from seil.catalog import FlowSettings
from seil.salesforce.schema import parse_describe
from seil.sf_to_dw.extract.cursor import choose_cursor

UNFIT = {"filterable": False}
NULL = {"nillable": True}


def chosen(fields: dict[str, Any], *, cursor: str = "SystemModstamp", **object_: Any) -> Any:
    described = [{"name": n, "type": "datetime", "nillable": False, **f} for n, f in fields.items()]
    id_field = {"name": "Id", "type": "id"}
    schema = parse_describe({"name": "X", "fields": [id_field, *described], **object_})
    return choose_cursor(FlowSettings(cursor=cursor), schema)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"systemmodstamp": {}, "LastModifiedDate": {}}, "systemmodstamp"),
        ({"LastModifiedDate": {}, "CreatedDate": {}}, "LastModifiedDate"),
        ({"CreatedDate": {}}, "CreatedDate"),
        ({}, ""),
        ({"SystemModstamp": UNFIT, "LastModifiedDate": {}}, "LastModifiedDate"),
        ({"SystemModstamp": NULL, "LastModifiedDate": {}}, "LastModifiedDate"),
        ({"SystemModstamp": UNFIT, "LastModifiedDate": NULL}, ""),
        ({"SystemModstamp": {"type": "string"}}, ""),
        # It does not move when a record changes.
        ({"SystemModstamp": UNFIT, "CreatedDate": {}}, ""),
    ],
)
def test_the_next_best_field_is_chosen(fields: dict[str, Any], expected: str) -> None:
    assert chosen(fields).name == expected


def test_of_an_object_that_cannot_change_the_creation_will_do() -> None:
    cursor_choice = chosen({"SystemModstamp": UNFIT, "CreatedDate": {}}, updateable=False)
    assert cursor_choice.name == "CreatedDate"
    assert cursor_choice.note == "SystemModstamp cannot be filtered on: windows are on CreatedDate"


@pytest.mark.parametrize(
    ("cursor", "fields", "note"),
    [
        ("Touched__c", {"SystemModstamp": {}, "Touched__c": {}}, ""),
        (
            "Touched__c",
            {"SystemModstamp": {}, "Touched__c": NULL},
            "Touched__c may be null: windows are on SystemModstamp",
        ),
        ("Touched__c", {"SystemModstamp": {}}, "there is no field Touched__c: windows are on"),
        ("SystemModstamp", {}, "there is no field SystemModstamp: every run reads all records"),
    ],
)
def test_another_field_than_the_catalog_names_is_reported(
    cursor: str, fields: dict[str, Any], note: str
) -> None:
    message = chosen(fields, cursor=cursor).note
    assert message.startswith(note) if note else not message
