from pathlib import Path

import pytest

from seil.catalog import load_catalog
from seil.catalog.fields import describe_field, packaged_fields, packaged_objects
from seil.salesforce.schema import parse_describe

FACTS = Path(__file__).parents[3] / "shared" / "facts"
LISTED = {
    "salesforce_account": "Account",
    "salesforce_account_ad_server": "vlocity_cmt__AccountAdServer__c",
    "salesforce_ad_server": "vlocity_cmt__AdServer__c",
    "salesforce_contact": "Contact",
    "salesforce_contract": "Contract",
    "salesforce_media_plan_placement": "vlocity_cmt__MediaPlanPlacement__c",
    "salesforce_opportunity": "Opportunity",
    "salesforce_order": "Order",
    "salesforce_order_ad_placement": "vlocity_cmt__OrderItemAdPlacement__c",
    "salesforce_order_product": "OrderItem",
    "salesforce_pricelist": "vlocity_cmt__PriceList__c",
    "salesforce_product": "Product2",
    "salesforce_quote": "Quote",
    "salesforce_quote_line_item": "QuoteLineItem",
    "salesforce_user": "User",
}


def field(object_name: str, name: str) -> dict[str, object]:
    return next(f for f in packaged_fields(object_name) if f["name"] == name)


def test_packaged_objects_hold_the_whole_catalog() -> None:
    assert set(load_catalog()) <= set(packaged_objects())


@pytest.mark.parametrize("name", packaged_objects())
def test_packaged_fields_have_what_every_sync_needs(name: str) -> None:
    names = [entry["name"] for entry in packaged_fields(name)]
    assert {"Id", "SystemModstamp", "LastModifiedDate", "CreatedDate"} <= set(names)
    assert len({entry.lower() for entry in names}) == len(names)
    without = {"User", "Organization", "RecordType", "Profile", "UserRole"}
    assert ("IsDeleted" in names) == (name not in without)


@pytest.mark.parametrize("name", packaged_objects())
def test_packaged_fields_make_a_schema(name: str) -> None:
    schema = parse_describe({"name": name, "fields": packaged_fields(name)})
    assert len(schema.fields) + len(schema.left_out) == len(packaged_fields(name))


@pytest.mark.parametrize(("table", "name"), LISTED.items())
def test_packaged_fields_hold_every_known_one(table: str, name: str) -> None:
    file = FACTS / "fields" / f"{table}.txt"
    if not file.exists():
        pytest.skip("the list of known fields is not at hand")
    packaged = {entry["name"].lower() for entry in packaged_fields(name)}
    assert not set(file.read_text("utf-8").split()) - packaged


def test_packaged_fields_name_compounds_that_exist() -> None:
    for name in packaged_objects():
        names = {entry["name"] for entry in packaged_fields(name)}
        parents = {entry["compoundFieldName"] for entry in packaged_fields(name)} - {None}
        assert parents <= names, name


def test_packaged_fields_are_found_without_regard_to_case() -> None:
    assert packaged_fields("orderITEM") == packaged_fields("OrderItem")


def test_packaged_fields_of_an_unknown_object_are_none() -> None:
    assert packaged_fields("Spaceship__c") == []


@pytest.mark.parametrize(
    ("object_name", "name", "expected"),
    [
        ("Order", "TotalAmount", {"type": "currency", "precision": 18, "scale": 2}),
        ("Account", "BillingLatitude", {"type": "double", "precision": 18, "scale": 15}),
        ("Account", "BillingCity", {"length": 40, "compoundFieldName": "BillingAddress"}),
        ("Account", "AnnualRevenue", {"type": "currency", "precision": 18, "scale": 0}),
        ("Account", "Description", {"type": "textarea", "length": 32000, "filterable": False}),
        ("Account", "ns__LinkedAccount__c", {"referenceTo": ["Account"], "nillable": True}),
        ("Account", "OwnerId", {"nillable": False, "defaultedOnCreate": True}),
        ("Account", "Primary_Contact__c", {"relationshipName": "Primary_Contact__r"}),
        ("OrderItem", "OrderId", {"referenceTo": ["Order"], "cascadeDelete": True}),
        ("AdOrderItem", "OrderItemId", {"referenceTo": ["OrderItem"], "nillable": False}),
        ("Opportunity", "Probability", {"type": "percent", "precision": 3, "scale": 0}),
        ("Order", "SWM_GAM_Lines__c", {"calculated": True, "createable": False}),
        ("Order", "OrderNumber", {"autoNumber": True, "updateable": False}),
        ("ContentVersion", "VersionData", {"type": "base64", "soapType": "xsd:base64Binary"}),
        ("User", "Username", {"unique": True}),
        ("Account", "Name", {"nameField": True, "idLookup": True}),
        (
            "vlocity_cmt__OrderItemAdPlacement__c",
            "vlocity_cmt__AdServerOrderLineIdentiifier__c",
            {"type": "string", "custom": True, "externalId": True},
        ),
    ],
)
def test_packaged_fields_describe(object_name: str, name: str, expected: dict[str, object]) -> None:
    entry = field(object_name, name)
    assert {key: entry[key] for key in expected} == expected


def test_packaged_references_stay_inside_the_org_where_the_models_join() -> None:
    for object_name, name, target in (
        ("Order", "AccountId", "Account"),
        ("Order", "vlocity_cmt__QuoteId__c", "Quote"),
        ("Contract", "vlocity_cmt__OrderId__c", "Order"),
        ("vlocity_cmt__MediaPlanPlacement__c", "vlocity_cmt__QuoteLineItemId__c", "QuoteLineItem"),
        ("vlocity_cmt__AccountAdServer__c", "vlocity_cmt__AdvertiserId__c", "Account"),
        ("vlocity_cmt__AdSpaceSpecification__c", "vlocity_cmt__Product2Id__c", "Product2"),
    ):
        assert field(object_name, name)["referenceTo"] == [target]


def test_described_field_refuses_unknown_flags() -> None:
    with pytest.raises(ValueError, match="Size__c: unknown flags shiny"):
        describe_field("Size__c", "string", flags=["shiny"])


def test_described_field_takes_the_defaults_of_its_type() -> None:
    entry = describe_field("Big_Note__c", "textarea")
    assert (entry["length"], entry["byteLength"], entry["label"]) == (32768, 98304, "Big Note")
    assert describe_field("Net__c", "currency", scale=4)["scale"] == 4
