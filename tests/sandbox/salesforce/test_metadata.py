import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.catalog.fields import packaged_fields, packaged_objects
from seil.salesforce.schema import parse_describe
from seil.sandbox.salesforce.metadata import SField, SObject

REAL = sorted((Path(__file__).parents[4] / "shared" / "real" / "describe").glob("*.json"))
DUCKDB = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
    pa.time64("us"): "TIME",
    pa.string(): "VARCHAR",
}


def packaged(name: str) -> SObject:
    return SObject.of(name, (SField(entry) for entry in packaged_fields(name)))


def duckdb_type(arrow: pa.DataType) -> str:
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision},{arrow.scale})"
    return DUCKDB[arrow]


def real_objects() -> list[dict[str, Any]]:
    answers = [json.loads(file.read_text("utf-8")) for file in REAL]
    return [answer for answer in answers if "fields" in answer]


@pytest.mark.parametrize("name", packaged_objects())
def test_columns_have_the_types_that_are_read_back(name: str) -> None:
    entry = packaged(name)
    schema = parse_describe(entry.describe())
    assert [f.name for f in entry.stored_fields] == [f.name for f in schema.fields]
    assert [f.column_type for f in entry.stored_fields] == [
        duckdb_type(f.arrow) for f in schema.fields
    ]


@pytest.mark.parametrize(
    ("described", "column"),
    [
        ({"type": "double", "precision": 18, "scale": 15}, "DECIMAL(18,15)"),
        ({"type": "currency", "precision": 0, "scale": 0}, "DECIMAL(18,0)"),
        ({"type": "percent", "precision": 2, "scale": 4}, "DECIMAL(5,4)"),
        ({"type": "double", "precision": 60, "scale": 2}, "DECIMAL(38,2)"),
        ({"type": "long"}, "BIGINT"),
        ({"type": "time"}, "TIME"),
        ({"type": "anyType"}, "VARCHAR"),
        ({"type": "somethingNew"}, "VARCHAR"),
    ],
)
def test_column_type(described: dict[str, Any], column: str) -> None:
    assert SField({"name": "Value__c", **described}).column_type == column


@pytest.mark.parametrize("kind", ["address", "location", "complexvalue", "base64"])
def test_compound_and_binary_fields_have_no_column(kind: str) -> None:
    entry = SObject.of("Place__c", [SField.of("Id", "id"), SField.of("Where__c", kind)])
    assert [f.name for f in entry.stored_fields] == ["Id"]
    assert entry.field("where__C") is not None


def test_field_attributes() -> None:
    link = SField.of(
        "Order__c", "reference", reference_to=["Order"], flags=["master", "external_id", "unique"]
    )
    assert link.reference_to == ("Order",)
    assert link.relationship_name == "Order__r"
    assert (link.cascade_delete, link.external_id, link.id_lookup) == (True, True, True)
    assert (link.unique, link.updateable, link.createable) == (True, False, True)
    size = SField.of("Size__c", "picklist", values=["S", "M"], flags=["required"])
    assert (size.values, size.nillable, size.length) == (("S", "M"), False, 255)
    count = SField.of("Count__c", "int", flags=["calculated"])
    assert (count.digits, count.calculated, count.auto_number) == (9, True, False)
    assert (count.precision, count.scale, count.compound) == (0, 0, None)


def test_inactive_picklist_values_are_left_out() -> None:
    choices = [{"value": "Old", "active": False}, {"value": "New", "active": True}]
    entry = SField({"name": "State__c", "type": "picklist", "picklistValues": choices})
    assert entry.values == ("New",)


def test_describe_names_the_children_of_an_object() -> None:
    order, item = packaged("Order"), packaged("OrderItem")
    children = order.describe([order, item])["childRelationships"]
    child = next(c for c in children if c["childSObject"] == "OrderItem" and c["cascadeDelete"])
    assert child["field"] == "OrderId"
    assert item.describe()["childRelationships"] == []


def test_custom_children_are_reached_through_a_custom_relationship() -> None:
    parent = SObject.of("Ship__c", [SField.of("Id", "id")])
    child = SObject.of(
        "Sail__c", [SField.of("Ship__c", "reference", reference_to=["Ship__c"])], label="Sail"
    )
    (relationship,) = parent.describe([parent, child])["childRelationships"]
    assert relationship["relationshipName"] == "Sails__r"


def test_a_given_describe_keeps_the_child_relationships_it_names() -> None:
    sign = {"childSObject": "Contract", "field": "SignedId", "relationshipName": "ContractsSigned"}
    elsewhere = {"childSObject": "Case", "field": "ContactId", "relationshipName": "Cases"}
    answer = {"name": "Contact", "label": "Contact", "fields": []}
    contact = SObject.from_describe({**answer, "childRelationships": [sign, elsewhere]})
    fields = [
        SField.of(name, "reference", reference_to=["Contact"]) for name in ("SignedId", "OtherId")
    ]
    contract = SObject.of("Contract", fields)
    children = contact.describe([contact, contract])["childRelationships"]
    assert children[:2] == [sign, elsewhere]
    assert [child["field"] for child in children[2:]] == ["OtherId"]


def test_child_relationships_have_names_of_their_own() -> None:
    parent = SObject.of("Boat__c", [SField.of("Id", "id")])
    names = ("BoatId", "SpareId", "Other__c", "Third__c")
    fields = [SField.of(name, "reference", reference_to=["Boat__c"]) for name in names]
    children = parent.describe([SObject.of("Sail", fields)])["childRelationships"]
    assert [child["relationshipName"] for child in children] == [
        "Sails",
        None,
        "Sails__r",
        "Sails1__r",
    ]


def test_global_describe_has_no_fields() -> None:
    entry = packaged("Account").global_describe()
    assert entry["name"] == "Account"
    assert entry["queryable"] is True
    assert "fields" not in entry


def test_key_prefix_is_derived_where_none_is_given() -> None:
    answer: dict[str, Any] = {"name": "Comet__c", "label": "Comet", "keyPrefix": None, "fields": []}
    entry = SObject.from_describe(answer)
    assert entry.key_prefix == SObject.of("Comet__c", []).key_prefix
    assert len(entry.key_prefix) == 3
    assert entry.key_prefix.startswith("a")


def test_fields_are_added_replaced_and_removed() -> None:
    entry = SObject.of("Ship__c", [SField.of("Id", "id"), SField.of("Name", "string")])
    longer = entry.with_field(SField.of("NAME", "string", length=500))
    assert [f.name for f in longer.fields] == ["Id", "NAME"]
    assert [f.name for f in entry.with_field(SField.of("Age__c", "int")).fields] == [
        "Id",
        "Name",
        "Age__c",
    ]
    assert [f.name for f in entry.without_field("name").fields] == ["Id"]


def test_parts_of_a_compound_field() -> None:
    parts = packaged("Account").parts("billingaddress")
    assert {f.name for f in parts} >= {"BillingStreet", "BillingLatitude"}


def test_traits_of_an_object() -> None:
    account, user = packaged("Account"), packaged("User")
    assert (account.soft_deletes, user.soft_deletes) == (True, False)
    assert account.name_field is not None
    assert account.name_field.name == "Name"
    assert account.label == "Account"
    assert (account.custom, packaged("Usage__c").custom) == (False, True)


@pytest.mark.skipif(not REAL, reason="no real describe answers at hand")
def test_real_describes_come_back_as_they_were() -> None:
    for answer in real_objects():
        entry = SObject.from_describe(answer)
        again = entry.describe()
        assert again["fields"] == answer["fields"], entry.name
        assert {key: again[key] for key in answer} == answer
        assert parse_describe(again).fields


@pytest.mark.skipif(not REAL, reason="no real describe answers at hand")
def test_our_fields_have_the_types_of_real_ones() -> None:
    compared = 0
    for answer in real_objects():
        ours = packaged(answer["name"])
        for entry in answer["fields"]:
            mine = ours.field(entry["name"])
            assert mine is not None, f"{answer['name']}.{entry['name']}"
            assert mine.type == entry["type"], f"{answer['name']}.{entry['name']}"
            assert set(entry) == set(mine.raw)
            compared += 1
    assert compared > 150
