"""Records in JSON are refused where Salesforce refuses them, before anything is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.json_text import JsonSource, parse

ONE = "0015g0000000001AAA"
ACCOUNT = "/sobjects/Account"
_JSON = {"Content-Type": "application/json"}


def _error(answer: Any) -> tuple[int, str, str]:
    (error,) = answer.json()
    return answer.status_code, error["errorCode"], error["message"]


@pytest.mark.parametrize(
    ("name", "value", "kind", "token", "text"),
    [
        ("Active__c", "true", "boolean", "VALUE_STRING", "true"),
        ("Active__c", 1, "boolean", "VALUE_NUMBER_INT", "1"),
        ("Staff__c", "many", "int", "VALUE_STRING", "many"),
        ("Staff__c", 1.5, "int", "VALUE_NUMBER_FLOAT", "1.5"),
        ("Staff__c", True, "int", "VALUE_TRUE", "true"),
        ("Amount__c", "12.5 AUD", "currency", "VALUE_STRING", "12.5 AUD"),
        ("Amount__c", "", "currency", "VALUE_STRING", ""),
        ("Amount__c", False, "currency", "VALUE_FALSE", "false"),
        ("Code__c", {"a": 1}, "double", "START_OBJECT", "{"),
        ("Name", 12, "string", "VALUE_NUMBER_INT", "12"),
        ("ParentId", 1, "reference", "VALUE_NUMBER_INT", "1"),
        ("Since__c", "2024-13-01", "date", "VALUE_STRING", "2024-13-01"),
        ("Since__c", "2024-02-30", "date", "VALUE_STRING", "2024-02-30"),
        ("Since__c", "31.01.2024", "date", "VALUE_STRING", "31.01.2024"),
        ("Since__c", 20240131, "date", "VALUE_NUMBER_INT", "20240131"),
        ("CreatedDate", "2024-01-31 10:00:00", "datetime", "VALUE_STRING", "2024-01-31 10:00:00"),
        ("CreatedDate", "2024-01-31", "datetime", "VALUE_STRING", "2024-01-31"),
        ("OpenAt__c", "25:00:00Z", "time", "VALUE_STRING", "25:00:00Z"),
        ("BillingAddress", "Perth", "address", "VALUE_STRING", "Perth"),
        ("Parent", ONE, "sobject", "VALUE_STRING", ONE),
        ("attributes", "Account", "attributes", "VALUE_STRING", "Account"),
    ],
)
def test_a_value_of_another_type(
    shared: Org, name: str, value: Any, kind: str, token: str, text: str
) -> None:
    answer = shared.http.post(
        ACCOUNT, content=json.dumps({"Ext__c": "x", name: value}), headers=_JSON
    )
    column = len('{"Ext__c": "x", ') + len(f'"{name}": ') + 1
    reason = (
        f"Cannot deserialize instance of {kind} from {token} value {text} or request may be"
        f" missing a required field at [line:1, column:{column}]"
    )
    assert _error(answer) == (400, "JSON_PARSER_ERROR", reason)


@pytest.mark.parametrize(("name", "kind"), [("Name", "string"), ("Tags__c", "multipicklist")])
def test_a_list_for_a_value(shared: Org, name: str, kind: str) -> None:
    """In words of their own: https://github.com/verbb/formie/issues/2124"""
    answer = shared.http.post(ACCOUNT, json={name: ["x"]})
    place = f"[line:1, column:{len(name) + 5}]"
    reason = f"Cannot deserialize instance of {kind} from START_ARRAY value {place}"
    assert _error(answer) == (400, "JSON_PARSER_ERROR", reason)


@pytest.mark.parametrize(
    ("row", "field", "stored"),
    [
        ({"Staff__c": "7"}, "Staff__c", 7),
        ({"Amount__c": "1.5"}, "Amount__c", 1.5),
        ({"Amount__c": 3}, "Amount__c", 3.0),
        ({"Since__c": "2024-02-29"}, "Since__c", "2024-02-29"),
        ({"Since__c": "2024-02-29T10:00:00.000Z"}, "Since__c", "2024-02-29"),
        ({"OpenAt__c": "08:30:00Z"}, "OpenAt__c", "08:30:00.000Z"),
        ({"attributes": {"type": "Account"}, "Active__c": True}, "Active__c", True),
        ({"Parent": {"Ext__c": "a-2"}}, "ParentId", "0015g0000000002AAA"),
        ({"Amount__c": None, "Name": "x"}, "Amount__c", None),
    ],
)
def test_values_that_are_taken(org: Org, row: dict[str, Any], field: str, stored: Any) -> None:
    assert org.http.patch(f"{ACCOUNT}/{ONE}", json=row).status_code == 204
    assert org.http.get(f"{ACCOUNT}/{ONE}").json()[field] == stored


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("", "JSON_PARSER_ERROR", "this request has no entity body"),
        ("[]", "INVALID_FIELD", "Json Deserialization failed on token 'null'"),
        ('[{"Name": "x"}]', "INVALID_FIELD", "Json Deserialization failed on token 'null'"),
        ('{"Name": "x"', "JSON_PARSER_ERROR", "Unexpected end-of-input"),
        ("{'Name': 'x'}", "JSON_PARSER_ERROR", "Unexpected character (''' (code 39))"),
        ('{"Name": x}', "JSON_PARSER_ERROR", "[line:1, column:10]"),
        ('{"Amount__c": NaN}', "JSON_PARSER_ERROR", "NaN"),
        (r'{"Name": "\ud800"}', "JSON_PARSER_ERROR", "surrogates"),
        ('{"Name": ' + "[" * 100_000, "JSON_PARSER_ERROR", ""),
        ('{"Foo": 1}', "INVALID_FIELD", "No such column 'Foo' on sobject of type Account"),
    ],
)
def test_bodies_that_are_no_record(shared: Org, body: str, code: str, words: str) -> None:
    status, error_code, message = _error(shared.http.post(ACCOUNT, content=body, headers=_JSON))
    assert (status, error_code) == (400, code)
    assert words in message


def test_what_the_address_says_is_not_in_the_body(shared: Org) -> None:
    answer = shared.http.patch(f"{ACCOUNT}/Ext__c/A-1", json={"Ext__c": "A-1"})
    reason = "The Ext__c field should not be specified in the sobject data."
    assert _error(answer) == (400, "INVALID_FIELD", reason)


def test_a_collection_is_refused_whole(org: Org) -> None:
    kind = {"attributes": {"type": "Account"}}
    rows = [{**kind, "Name": "fine"}, {**kind, "Name": "wrong", "Active__c": "no"}]
    body = json.dumps({"records": rows}, indent=1)
    answer = org.http.post("/composite/sobjects", content=body, headers=_JSON)
    status, code, message = _error(answer)
    assert (status, code) == (400, "JSON_PARSER_ERROR")
    line = 1 + next(n for n, text in enumerate(body.splitlines()) if "Active__c" in text)
    assert f"[line:{line}, column:" in message
    assert org.query("SELECT Id FROM Account WHERE Name = 'fine'") == []


@pytest.mark.parametrize(
    "email", ["nobody", "a@b", "a b@example.com", "@example.com", "a@example..com", "a@b@c.de"]
)
def test_an_address_that_is_no_email(org: Org, email: str) -> None:
    answer = org.http.post("/sobjects/Contact", json={"LastName": "x", "Email": email})
    reason = f"Email: invalid email address: {email}"
    assert _error(answer) == (400, "INVALID_EMAIL_ADDRESS", reason)
    assert answer.json()[0]["fields"] == ["Email"]
    job = org.ingest("Contact", "insert", f"LastName,Email\nx,{email}\n")
    assert "INVALID_EMAIL_ADDRESS" in org.ingest_result(job, "failedResults")


def test_a_value_that_a_restricted_picklist_has_not(org: Org) -> None:
    wrong = org.http.post("/sobjects/Contact", json={"LastName": "x", "Level__c": "Tertiary"})
    assert _error(wrong)[1:] == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Level: bad value for restricted picklist field: Tertiary",
    )
    right = org.http.post("/sobjects/Contact", json={"LastName": "x", "Level__c": "Primary"})
    assert right.status_code == 201


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_the_place_is_that_of_the_value(row: dict[str, Any], indent: int | None) -> None:
    text = json.dumps({"records": [1, row]}, indent=indent, ensure_ascii=False)
    lines = text.split("\n")
    for name, value in row.items():
        place = JsonSource(text, ("records", 1)).inside(name).place
        line, column = (int(part.partition(":")[2]) for part in place.strip("[]").split(", "))
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value


def test_parse_points_at_what_is_wrong() -> None:
    with pytest.raises(OrgApiError, match=r"\[line:2, column:5\]"):
        parse('{"a":\n    oops}')
