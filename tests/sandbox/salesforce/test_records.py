"""Single records and collections over REST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.sandbox.salesforce.conftest import Org

USER = "0055g0000000001AAA"
ONE, TWO, THREE, FOUR, FIVE = (f"0015g000000000{n}AAA" for n in range(1, 6))
ACCOUNT = "/sobjects/Account"


def _account(org: Org, identifier: str) -> dict[str, Any]:
    answer = org.http.get(f"{ACCOUNT}/{identifier}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _error(answer: Any) -> tuple[int, str, str]:
    (error,) = answer.json()
    return answer.status_code, error["errorCode"], error["message"]


def test_create_get_update_delete(org: Org) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    created = org.http.post(f"{ACCOUNT}/", json={"Name": "New", "Amount__c": 3.5, "Tags__c": ""})
    assert created.status_code == 201
    identifier = created.json()["id"]
    assert created.json() == {"id": identifier, "success": True, "errors": []}
    record = _account(org, identifier)
    assert record["attributes"]["url"] == f"/services/data/v62.0/sobjects/Account/{identifier}"
    assert (record["Name"], record["Amount__c"], record["Tags__c"]) == ("New", 3.5, None)
    assert (record["Active__c"], record["IsDeleted"]) == (False, False)
    assert record["OwnerId"] == record["CreatedById"] == "0055g0000000001AAA"
    stamp = datetime.fromisoformat(record["SystemModstamp"])
    assert before <= stamp <= before + timedelta(seconds=30)

    url = f"{ACCOUNT}/{identifier[:15]}"
    changed = org.http.patch(url, json={"Name": "Newer", "Since__c": "2024-02-29"})
    assert (changed.status_code, changed.content) == (204, b"")
    assert _account(org, identifier)["Since__c"] == "2024-02-29"
    posted = org.http.post(url, params={"_HttpMethod": "PATCH"}, json={"Staff__c": 7})
    assert posted.status_code == 204
    assert _account(org, identifier)["Staff__c"] == 7

    assert org.http.delete(url).status_code == 204
    assert org.http.get(url).status_code == 404
    assert _error(org.http.delete(url))[:2] == (404, "ENTITY_IS_DELETED")
    (deleted,) = org.query(
        f"SELECT IsDeleted, Name FROM Account WHERE Id = '{identifier}'", deleted_too=True
    )
    assert deleted == {"IsDeleted": True, "Name": "Newer"}


def test_get_takes_chosen_fields(org: Org) -> None:
    answer = org.http.get(f"{ACCOUNT}/{ONE}", params={"fields": "Name,Owner.Name"}).json()
    assert answer["Owner"]["Name"] == "Uma User"
    assert "Id" not in answer
    wrong = org.http.get(f"{ACCOUNT}/{ONE}", params={"fields": "Foo"})
    assert _error(wrong)[1] == "INVALID_FIELD"
    unsafe = org.http.get(f"{ACCOUNT}/{ONE}", params={"fields": "Id FROM Contact--"})
    assert _error(unsafe)[1] == "INVALID_FIELD"


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ({}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]"),
        ({"Name": ""}, "REQUIRED_FIELD_MISSING", "[Name]"),
        ({"Name": "x", "Foo": 1}, "INVALID_FIELD", "No such column 'Foo' on sobject of type Acc"),
        (
            {"Name": "x", "BillingAddress": {"city": "x"}},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "update fields: BillingAddress",
        ),
        ({"Name": "x", "Id": ONE}, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id"),
        (
            {"Name": "x", "Size__c": "L"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "update fields: Size__c",
        ),
        ({"Name": "x" * 256}, "STRING_TOO_LONG", "max length=255"),
        ({"Name": "x", "Amount__c": 1e17}, "NUMBER_OUTSIDE_VALID_RANGE", "1e+17"),
        ({"Name": "x", "Staff__c": 10**30}, "NUMBER_OUTSIDE_VALID_RANGE", "Staff"),
        ({"Name": "x", "ParentId": "x"}, "MALFORMED_ID", "id value of incorrect type: x"),
        ({"Name": "x", "ParentId": FIVE}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference"),
        ({"Name": "x", "ParentId": USER}, "FIELD_INTEGRITY_EXCEPTION", f"incorrect type: {USER}"),
        ({"Name": "x", "Ext__c": "a-1"}, "DUPLICATE_VALUE", f"record with id: {ONE}"),
        ({"Name": "x", "Parent": {"Ext__c": "none"}}, "INVALID_FIELD", "Foreign key external ID"),
        ({"Name": "x", "Parent": {"Foo": "none"}}, "INVALID_FIELD", "No such column 'Foo'"),
        (
            {"Name": "x", "Parent": {"attributes": "x", "Ext__c": "none"}},
            "INVALID_FIELD",
            "Foreign key external ID",
        ),
        ({"Name": "x", "Foo": {"Ext__c": "none"}}, "INVALID_FIELD", "No such column 'Foo'"),
    ],
)
def test_create_refused(shared: Org, row: dict[str, Any], code: str, words: str) -> None:
    status, error_code, message = _error(shared.http.post(ACCOUNT, json=row))
    assert (status, error_code) == (400, code)
    assert words in message


def test_create_converts_what_clients_send(org: Org) -> None:
    row = {
        "attributes": {"type": "Account"},
        "Name": "x",
        "Active__c": True,
        "Staff__c": "7",
        "Amount__c": "1.005",
        "OpenAt__c": "08:30:00Z",
        "Parent": {"attributes": {"type": "Account"}, "Ext__c": "A-1"},
    }
    created = org.http.post(ACCOUNT, json=row).json()["id"]
    record = _account(org, created)
    assert record["ParentId"] == ONE
    assert (record["Active__c"], record["Staff__c"], record["Amount__c"]) == (True, 7, 1.01)
    assert record["OpenAt__c"] == "08:30:00.000Z"


def test_create_fills_what_the_org_makes(org: Org) -> None:
    person = org.http.post("/sobjects/Contact", json={"FirstName": "Ada", "LastName": "Byron"})
    (contact,) = org.query(f"SELECT Name FROM Contact WHERE Id = '{person.json()['id']}'")
    assert contact == {"Name": "Ada Byron"}
    line = org.http.post("/sobjects/Line__c", json={"Account__c": ONE})
    (numbered,) = org.query(f"SELECT Name FROM Line__c WHERE Id = '{line.json()['id']}'")
    assert numbered == {"Name": "00000001"}


@pytest.mark.parametrize(
    ("identifier", "row", "status", "code"),
    [
        (ONE, {"Id": ONE}, 400, "INVALID_FIELD"),
        (ONE, {"Name": None}, 400, "REQUIRED_FIELD_MISSING"),
        (ONE, {"Ext__c": 'X"Y'}, 400, "DUPLICATE_VALUE"),
        (ONE, {"CreatedDate": "2024-01-01T00:00:00Z"}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (FIVE, {"Name": "x"}, 404, "ENTITY_IS_DELETED"),
        ("0015g0000000099AAA", {"Name": "x"}, 404, "NOT_FOUND"),
        ("nonsense", {"Name": "x"}, 404, "NOT_FOUND"),
    ],
)
def test_update_refused(
    shared: Org, identifier: str, row: dict[str, Any], status: int, code: str
) -> None:
    assert _error(shared.http.patch(f"{ACCOUNT}/{identifier}", json=row))[:2] == (status, code)


def test_by_external_id(org: Org) -> None:
    assert org.http.get(f"{ACCOUNT}/Ext__c/a-1").json()["Id"] == ONE
    assert org.http.get(f"{ACCOUNT}/Ext__c/x%22y").json()["Id"] == FOUR
    assert org.http.get(f"{ACCOUNT}/Ext__c/none").status_code == 404
    assert org.http.get(f"{ACCOUNT}/Code__c/10").json()["Id"] == ONE
    several = org.http.get(f"{ACCOUNT}/Code__c/20")
    assert several.status_code == 300
    assert [url.rpartition("/")[2] for url in several.json()] == [TWO, THREE]
    assert _error(org.http.get(f"{ACCOUNT}/Staff__c/5"))[:2] == (404, "NOT_FOUND")
    assert org.http.delete(f"{ACCOUNT}/Ext__c/A-2").status_code == 204
    assert org.http.get(f"{ACCOUNT}/{TWO}").status_code == 404


def test_upsert_by_external_id(org: Org) -> None:
    created = org.http.patch(f"{ACCOUNT}/Ext__c/new one", json={"Name": "New"})
    assert created.status_code == 201
    assert created.json()["created"] is True
    again = org.http.patch(f"{ACCOUNT}/Ext__c/NEW ONE", json={"Name": "Newer"})
    assert (again.status_code, again.json()["created"]) == (200, False)
    record = _account(org, created.json()["id"])
    assert (record["Name"], record["Ext__c"]) == ("Newer", "NEW ONE")
    several = org.http.patch(f"{ACCOUNT}/Code__c/20", json={"Name": "x"})
    assert several.status_code == 300
    assert len(several.json()) == 2
    assert org.http.patch(f"{ACCOUNT}/Staff__c/5", json={}).status_code == 404
    assert _error(org.http.patch(f"{ACCOUNT}/Ext__c/other", json={}))[1] == "REQUIRED_FIELD_MISSING"


@pytest.mark.parametrize(("version", "status"), [("45.0", 204), ("46.0", 200), ("68.0", 200)])
def test_upsert_of_a_record_that_is_there(org: Org, version: str, status: int) -> None:
    url = f"{org.server.url}/services/data/v{version}/sobjects/Account/Ext__c/A-1"
    answer = org.http.patch(url, json={"Staff__c": 6})
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"id": ONE, "success": True, "errors": [], "created": False}
    assert _account(org, ONE)["Staff__c"] == 6


def test_upsert_that_shall_only_update_creates_nothing(org: Org) -> None:
    address, only = f"{ACCOUNT}/Ext__c/", {"updateOnly": "true"}
    assert org.http.patch(f"{address}A-1", json={"Staff__c": 3}, params=only).status_code == 200
    refused = org.http.patch(f"{address}new", json={"Name": "New"}, params=only)
    assert _error(refused)[:2] == (404, "NOT_FOUND")
    assert org.query("SELECT Id FROM Account WHERE Name = 'New'") == []


def test_upsert_by_an_id_that_is_not_sent_creates(org: Org) -> None:
    answer = org.http.post(f"{ACCOUNT}/Id", json={"Name": "New"})
    assert (answer.status_code, answer.json()["created"]) == (201, True)
    assert _account(org, answer.json()["id"])["Name"] == "New"


def test_a_binary_field_has_the_address_that_queries_name(org: Org) -> None:
    change = {"object": "Account", "action": "add", "field": "Scan__c", "type": "base64"}
    assert org.http.post(f"{org.server.url}/sandbox/schema", json=change).is_success
    (record,) = org.query("SELECT Scan__c FROM Account WHERE Ext__c = 'A-1'")
    answer = org.http.get(f"{org.server.url}{record['Scan__c']}")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content
    assert org.http.get(f"{ACCOUNT}/0015g000000zzzzAAA/Scan__c").status_code == 404


def test_deleting_takes_details_along(org: Org) -> None:
    line = org.http.post("/sobjects/Line__c", json={"Account__c": ONE}).json()["id"]
    assert org.http.delete(f"{ACCOUNT}/{ONE}").status_code == 204
    assert org.query("SELECT Id FROM Line__c") == []
    assert org.query("SELECT Id, IsDeleted FROM Line__c", deleted_too=True) == [
        {"Id": line, "IsDeleted": True}
    ]


def test_what_changed_and_went_in_a_time(org: Org) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    window = {"start": start.isoformat(), "end": (start + timedelta(minutes=1)).isoformat()}
    created = org.http.post(ACCOUNT, json={"Name": "New"}).json()["id"]
    org.http.delete(f"{ACCOUNT}/{TWO}")
    deleted = org.http.get(f"{ACCOUNT}/deleted/", params=window).json()
    assert [record["id"] for record in deleted["deletedRecords"]] == [TWO]
    assert {"earliestDateAvailable", "latestDateCovered"} <= set(deleted)
    updated = org.http.get(f"{ACCOUNT}/updated/", params=window).json()
    assert updated["ids"] == [created]
    assert updated["latestDateCovered"] < window["end"]
    user = org.http.get("/sobjects/User/deleted", params=window).json()
    assert user["deletedRecords"] == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"start": "x", "end": "2024-01-01T00:00:00Z"}, "INVALID_REPLICATION_DATE"),
        (
            {"start": "2024-01-02T00:00:00Z", "end": "2024-01-01T00:00:00"},
            "INVALID_REPLICATION_DATE",
        ),
    ],
)
def test_what_changed_refused(shared: Org, params: dict[str, str], code: str) -> None:
    assert _error(shared.http.get(f"{ACCOUNT}/deleted", params=params))[1] == code


def test_what_changed_needs_a_timestamp(shared: Org) -> None:
    window = {"start": "2024-01-01T00:00:00Z", "end": "2024-01-02T00:00:00Z"}
    answer = shared.http.get("/sobjects/Organization/updated", params=window)
    assert _error(answer)[1] == "INVALID_TYPE"


def test_collections(org: Org) -> None:
    def rows(*names: str | None) -> list[dict[str, Any]]:
        return [{"attributes": {"type": "Account"}, "Name": name} for name in names]

    created = org.http.post("/composite/sobjects", json={"records": rows("a", None, "b")}).json()
    assert [result["success"] for result in created] == [True, False, True]
    assert created[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    ids = [created[0]["id"], created[2]["id"]]
    changes = [{**row, "Id": i} for row, i in zip(rows("A", "B"), ids, strict=True)]
    changed = org.http.patch("/composite/sobjects", json={"records": changes}).json()
    assert [result["success"] for result in changed] == [True, True]
    keyed = [{**rows("c")[0], "Ext__c": "c"}, {**rows("d")[0], "Ext__c": "A-1"}]
    upserted = org.http.patch("/composite/sobjects/Account/Ext__c", json={"records": keyed}).json()
    assert [result["created"] for result in upserted] == [True, False]
    assert upserted[1] == {"id": ONE, "success": True, "errors": [], "created": False}
    deletions = org.http.delete("/composite/sobjects", params={"ids": ",".join(ids)}).json()
    assert [result["success"] for result in deletions] == [True, True]


def test_collections_are_read_in_the_order_of_the_ids(shared: Org) -> None:
    url = "/composite/sobjects/Account"
    ids = [TWO, "0015g0000000099AAA", ONE[:15], FIVE, "nonsense"]
    query = {"ids": ",".join(ids), "fields": "id,name,Owner.Name"}
    got = shared.http.get(url, params=query).json()
    assert [record and record["Name"] for record in got] == ["ACME north", None, "Acme", None, None]
    assert list(got[0]) == ["attributes", "Id", "Name", "Owner"]
    assert got[0]["attributes"]["url"].endswith(f"/sobjects/Account/{TWO}")
    posted = shared.http.post(url, json={"ids": ids, "fields": ["Staff__c"]}).json()
    assert [record and record["Staff__c"] for record in posted] == [50, None, 5, None, None]
    assert list(posted[0]) == ["attributes", "Staff__c"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ids": ONE}, "MISSING_ARGUMENT"),
        ({"fields": "Name"}, "MISSING_ARGUMENT"),
        ({"ids": ONE, "fields": "Foo"}, "INVALID_FIELD"),
        ({"ids": ONE, "fields": "Name,Name"}, None),
    ],
)
def test_collections_read_refused(shared: Org, params: dict[str, str], code: str | None) -> None:
    answer = shared.http.get("/composite/sobjects/Account", params=params)
    assert answer.status_code == (400 if code else 200)
    if code:
        assert _error(answer)[1] == code


def test_collections_delete_what_they_can(org: Org) -> None:
    ids = [ONE, "nonsense", "0015g0000000099AAA", FIVE]
    results = org.http.delete("/composite/sobjects", params={"ids": ",".join(ids)}).json()
    codes = [r["success"] or r["errors"][0]["statusCode"] for r in results]
    assert codes == [True, "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"]


def test_collections_are_of_few_runs_of_an_object(shared: Org) -> None:
    kinds = ["Account", "Contact"] * 6
    rows = [{"attributes": {"type": kind}} for kind in kinds]
    answer = shared.http.post("/composite/sobjects", json={"records": rows})
    _, code, message = _error(answer)
    assert code == "LIMIT_EXCEEDED"
    assert message.startswith("Cannot have more than 10 chunks in a single operation.")


@pytest.mark.parametrize(
    ("identifier", "code", "words"),
    [
        (FIVE, "ENTITY_IS_DELETED", "entity is deleted"),
        ("0015g0000000099AAA", "NOT_FOUND", "The requested resource does not exist"),
        ("nonsense", "NOT_FOUND", "does not exist or is not accessible: nonsense"),
    ],
)
def test_a_record_that_is_not_there(shared: Org, identifier: str, code: str, words: str) -> None:
    status, error_code, message = _error(shared.http.get(f"{ACCOUNT}/{identifier}"))
    assert (status, error_code) == (404, code)
    assert words in message


def test_collections_all_or_none(org: Org) -> None:
    body = {
        "allOrNone": True,
        "records": [
            {"attributes": {"type": "Account"}, "Name": "kept?"},
            {"attributes": {"type": "Account"}},
        ],
    }
    results = org.http.post("/composite/sobjects", json=body).json()
    assert [result["success"] for result in results] == [False, False]
    assert results[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert org.query("SELECT Id FROM Account WHERE Name = 'kept?'") == []


def test_collections_refused(shared: Org) -> None:
    too_many = {"records": [{"attributes": {"type": "Account"}}] * 201}
    answer = shared.http.post("/composite/sobjects", json=too_many)
    assert _error(answer)[1] == "EXCEEDED_ID_LIMIT"
    assert shared.http.post("/composite/sobjects", json={"records": "x"}).status_code == 400
    assert _error(shared.http.delete("/composite/sobjects"))[1] == "MISSING_ARGUMENT"
    other = {"records": [{"attributes": {"type": "Contact"}, "LastName": "x"}]}
    mixed = shared.http.patch("/composite/sobjects/Account/Ext__c", json=other)
    assert _error(mixed)[:2] == (400, "INVALID_TYPE")
    unknown = {"records": [{"attributes": {"type": "Foo"}}]}
    assert shared.http.post("/composite/sobjects", json=unknown).status_code == 404


def test_a_record_sent_twice_takes_the_later_values(org: Org) -> None:
    rows = [
        {"attributes": {"type": "Account"}, "Id": ONE, "Name": "first", "Staff__c": 1},
        {"attributes": {"type": "Account"}, "Id": ONE, "Name": "second"},
    ]
    org.http.patch("/composite/sobjects", json={"records": rows})
    record = _account(org, ONE)
    assert (record["Name"], record["Staff__c"]) == ("second", 1)


def test_unknown_object_or_bad_body(shared: Org) -> None:
    assert shared.http.post("/sobjects/Foo", json={}).status_code == 404
    assert shared.http.get(f"/sobjects/Foo/{ONE}").status_code == 404
    assert shared.http.get(f"{ACCOUNT}/nonsense").status_code == 404
    headers = {"Content-Type": "application/json"}
    broken = shared.http.post(ACCOUNT, content=b"{", headers=headers)
    assert _error(broken)[:2] == (400, "JSON_PARSER_ERROR")
    latin = shared.http.post(ACCOUNT, content=b'{"Name": "\xe9"}', headers=headers)
    assert _error(latin)[1] == "JSON_PARSER_ERROR"
    posted = shared.http.post(f"{ACCOUNT}/{ONE}", json={})
    assert _error(posted)[:2] == (405, "METHOD_NOT_ALLOWED")
