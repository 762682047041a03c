from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.salesforce.conftest import Org

ONE = "0015g0000000001AAA"


def _batch(org: Org, *requests: dict[str, Any], **details: Any) -> dict[str, Any]:
    answer = org.http.post("/composite/batch", json={"batchRequests": requests, **details})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_batch_of_describes(shared: Org) -> None:
    url = "/services/data/v60.0/sobjects/{}/describe"
    names = ("Account", "Contact", "Nothing")
    answer = _batch(shared, *({"method": "GET", "url": url.format(name)} for name in names))
    assert answer["hasErrors"] is True
    assert [result["statusCode"] for result in answer["results"]] == [200, 200, 404]
    assert answer["results"][0]["result"]["name"] == "Account"
    assert answer["results"][2]["result"][0]["errorCode"] == "NOT_FOUND"


def test_batch_writes_and_queries(org: Org) -> None:
    answer = _batch(
        org,
        {
            "method": "PATCH",
            "url": f"v62.0/sobjects/Account/{ONE}",
            "richInput": {"Name": "Changed"},
        },
        {"method": "GET", "url": "v62.0/query/?q=SELECT+Name+FROM+Account+LIMIT+1"},
    )
    assert answer["hasErrors"] is False
    written, queried = answer["results"]
    assert written == {"statusCode": 204, "result": None}
    assert queried["result"]["records"][0]["Name"] == "Changed"


def test_batch_halts_on_error_where_requested(org: Org) -> None:
    wrong = {"method": "GET", "url": "v62.0/nothing"}
    create = {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {"Name": "x"}}
    answer = _batch(org, wrong, create, haltOnError=True)
    assert [result["statusCode"] for result in answer["results"]] == [404, 412]
    assert org.query("SELECT Id FROM Account WHERE Name = 'x'") == []


@pytest.mark.parametrize(
    "requests", [None, [], "x", [5], [{"method": "GET", "url": "v62.0/limits"}] * 26]
)
def test_batch_refused(shared: Org, requests: Any) -> None:
    answer = shared.http.post("/composite/batch", json={"batchRequests": requests})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_BATCH_REQUEST")


def _composite(org: Org, *requests: dict[str, Any], **details: Any) -> list[dict[str, Any]]:
    answer = org.http.post("/composite", json={"compositeRequest": requests, **details})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["compositeResponse"])


def _sub(reference: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    request = {"method": method, "url": f"/services/data/v62.0/{path}", "referenceId": reference}
    return request if body is None else {**request, "body": body}


def _new_account(reference: str = "refAccount", **values: Any) -> dict[str, Any]:
    return _sub(reference, "POST", "sobjects/Account", {"Name": "Composed", **values})


def _count(org: Org, name: str) -> int:
    return len(org.query(f"SELECT Id FROM Account WHERE Name = '{name}'"))


def test_composite_hands_answers_on(org: Org) -> None:
    contact = {"LastName": "Child", "AccountId": "@{refAccount.id}"}
    query = "query?q=SELECT+Id,+Name,+Staff__c+FROM+Account+WHERE+Id='@{refAccount.id}'"
    results = _composite(
        org,
        _new_account(Staff__c=7),
        _sub("refContact", "POST", "sobjects/Contact", contact),
        _sub("refQuery", "GET", query),
        _sub(
            "refUpdate",
            "PATCH",
            "sobjects/Account/@{refQuery.records[0].Id}",
            {"Code__c": "@{refQuery.records[0].Staff__c}", "Description": "of @{refContact.id}!"},
        ),
    )
    assert [result["httpStatusCode"] for result in results] == [201, 201, 200, 204]
    account = results[0]["body"]["id"]
    assert results[0] == {
        "body": {"id": account, "success": True, "errors": []},
        "httpHeaders": {"Location": f"/services/data/v62.0/sobjects/Account/{account}"},
        "httpStatusCode": 201,
        "referenceId": "refAccount",
    }
    assert (results[3]["body"], results[3]["httpHeaders"]) == (None, {})
    record = org.http.get(f"/sobjects/Account/{account}").json()
    assert (record["Code__c"], record["Description"]) == (7.0, f"of {results[1]['body']['id']}!")
    child = org.http.get(f"/sobjects/Contact/{results[1]['body']['id']}").json()
    assert child["AccountId"] == account


def test_composite_goes_on_past_what_fails(org: Org) -> None:
    results = _composite(
        org,
        _sub("bad", "POST", "sobjects/Contact", {"LastName": "x", "Email": "no email"}),
        _sub("child", "GET", "sobjects/Contact/@{bad.id}"),
        _new_account(),
    )
    assert [result["httpStatusCode"] for result in results] == [400, 400, 201]
    assert results[0]["body"][0]["errorCode"] == "INVALID_EMAIL_ADDRESS"
    assert results[1]["body"] == [
        {
            "errorCode": "PROCESSING_HALTED",
            "message": "Invalid reference specified. No value for bad.id found in bad.",
        }
    ]
    assert _count(org, "Composed") == 1


def test_composite_all_or_none(org: Org) -> None:
    wrong = _sub("wrong", "POST", "sobjects/Account", {})
    results = _composite(org, _new_account(), wrong, _new_account("last"), allOrNone=True)
    assert [result["httpStatusCode"] for result in results] == [400, 400, 400]
    codes = [result["body"][0]["errorCode"] for result in results]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert (
        "since another operation in the same transaction failed"
        in (results[0]["body"][0]["message"])
    )
    assert _count(org, "Composed") == 0
    done = _composite(org, _new_account(), _new_account("second"), allOrNone=True)
    assert [result["httpStatusCode"] for result in done] == [201, 201]
    assert _count(org, "Composed") == 2


def test_composite_all_or_none_with_a_collection_of_which_some_fail(org: Org) -> None:
    rows = [{"attributes": {"type": "Account"}, **values} for values in ({"Name": "c1"}, {})]
    many = _sub("many", "POST", "composite/sobjects", {"records": rows, "allOrNone": True})
    first, second = _composite(org, _new_account(), many, allOrNone=True)
    assert first["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert [outcome["success"] for outcome in second["body"]] == [False, False]
    assert (_count(org, "Composed"), _count(org, "c1")) == (0, 0)


def test_composite_of_collections_upserts_and_deletes(org: Org) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": name} for name in ("c1", "c2")]
    results = _composite(
        org,
        _sub("many", "POST", "composite/sobjects", {"records": rows}),
        _sub("keyed", "PATCH", "sobjects/Account/Ext__c/A-1", {"Staff__c": 8}),
        _sub("gone", "DELETE", "sobjects/Account/@{many[1].id}"),
        {**_sub("cached", "GET", "sobjects/Account/describe"), "httpHeaders": {"X-Any": "1"}},
        _sub("nested", "POST", "composite", {"compositeRequest": []}),
    )
    assert [result["httpStatusCode"] for result in results] == [200, 200, 204, 200, 404]
    assert results[1]["body"]["created"] is False
    assert (_count(org, "c1"), _count(org, "c2")) == (1, 0)


@pytest.mark.parametrize("reference", ["ref-1", "_x", "é", "a.b"])
def test_composite_refuses_a_name(shared: Org, reference: str) -> None:
    (result,) = _composite(shared, _sub(reference, "GET", f"sobjects/Account/{ONE}"))
    assert result["httpStatusCode"] == 400
    reason = f"Provided referenceId ('{reference}') must start with a letter or a number"
    assert result["body"][0]["message"].startswith(reason)


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        (None, "JSON_PARSER_ERROR"),
        ([], "JSON_PARSER_ERROR"),
        ([{"method": "GET", "url": "/services/data/v62.0/limits"}], "JSON_PARSER_ERROR"),
        ([{**_sub("r", "GET", "sobjects"), "httpHeaders": 5}], "JSON_PARSER_ERROR"),
        ([_sub(f"r{n}", "GET", "sobjects") for n in range(26)], "LIMIT_EXCEEDED"),
        ([_sub(f"r{n}", "GET", "query?q=x") for n in range(6)], "LIMIT_EXCEEDED"),
        ([_sub("r", "GET", "sobjects"), _sub("r", "GET", "sobjects")], "INVALID_INPUT"),
    ],
    ids=["none", "empty", "no-reference", "headers", "26", "six-queries", "one-name-twice"],
)
def test_composite_refused(shared: Org, requests: Any, code: str) -> None:
    answer = shared.http.post("/composite", json={"compositeRequest": requests})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


_RECORD = {"attributes": {"type": "Account"}, "Name": "x"}
_LIMITS = {"method": "GET", "url": "v62.0/limits"}
_GRAPH = {"graphId": "g", "compositeRequest": [_sub("r", "GET", f"sobjects/Account/{ONE}")]}


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("sobjects", {"allOrNone": "false", "records": [_RECORD]}, "JSON", "of boolean from"),
        ("sobjects", {"allOrNothing": True, "records": [_RECORD]}, "JSON", '"allOrNothing" at [li'),
        ("", {"allOrNone": 1, **_GRAPH}, "JSON", "graphId"),
        ("", {"allOrNone": 1, "compositeRequest": []}, "JSON", "VALUE_NUMBER_INT value 1"),
        (
            "",
            {"compositeRequest": [{**_sub("r", "GET", "sobjects"), "headers": {}}]},
            "JSON",
            'Unrecognized field "headers" at [line:1, column:',
        ),
        ("batch", {"batchRequests": [_LIMITS], "haltOnError": "no"}, "JSON", "value no or"),
        ("batch", {"batchRequests": [{"method": "GET"}]}, "JSON", "missing a required field"),
        ("graph", {"graphs": [{**_GRAPH, "graphId": None}]}, "JSON", "missing a required field"),
        ("graph", {"graphs": [_GRAPH, _GRAPH]}, "INVALID_INPUT", "Duplicate graphId"),
        ("tree/Account", {"allOrNone": True, "records": [_RECORD]}, "JSON", '"allOrNone"'),
    ],
)
def test_what_a_request_does_not_have_is_refused(
    shared: Org, path: str, body: dict[str, Any], code: str, words: str
) -> None:
    answer = shared.http.post(f"/composite/{path}", json=body)
    (error,) = answer.json()
    assert (answer.status_code, words in error["message"]) == (400, True), error
    assert error["errorCode"].startswith(code)


def test_graphs_are_done_whole_or_not_at_all(org: Org) -> None:
    contact = {"LastName": "x", "AccountId": "@{refAccount.id}"}
    bad = _sub("bad", "POST", "sobjects/Contact", {**contact, "Email": "no email"})
    good = _sub("good", "POST", "sobjects/Contact", contact)
    body = {
        "graphs": [
            {"graphId": "1", "compositeRequest": [_new_account(), bad]},
            {"graphId": "2", "compositeRequest": [_new_account(), good]},
        ]
    }
    failed, done = org.http.post("/composite/graph", json=body).json()["graphs"]
    assert (failed["graphId"], failed["isSuccessful"]) == ("1", False)
    codes = [
        entry["body"][0]["errorCode"] for entry in failed["graphResponse"]["compositeResponse"]
    ]
    assert codes == ["PROCESSING_HALTED", "INVALID_EMAIL_ADDRESS"]
    assert (done["graphId"], done["isSuccessful"]) == ("2", True)
    statuses = [e["httpStatusCode"] for e in done["graphResponse"]["compositeResponse"]]
    assert (statuses, _count(org, "Composed")) == ([201, 201], 1)
    old = org.http.post(f"{org.server.url}/services/data/v49.0/composite/graph", json=body)
    assert old.status_code == 404


def _branch(reference: str, kind: str, **values: Any) -> dict[str, Any]:
    return {"attributes": {"type": kind, "referenceId": reference}, **values}


def test_trees_are_created_with_what_is_below_them(org: Org) -> None:
    people = [_branch("p1", "Contact", LastName="One"), _branch("p2", "Contact", LastName="Two")]
    body = {
        "records": [
            _branch("a1", "Account", Name="Grown", Contacts={"records": people}),
            _branch("a2", "Account", Name="Grown"),
        ]
    }
    answer = org.http.post("/composite/tree/Account", json=body)
    assert (answer.status_code, answer.json()["hasErrors"]) == (201, False)
    results = answer.json()["results"]
    assert [result["referenceId"] for result in results] == ["a1", "a2", "p1", "p2"]
    person = org.http.get(f"/sobjects/Contact/{results[2]['id']}").json()
    assert person["AccountId"] == results[0]["id"]


def test_trees_are_created_whole_or_not_at_all(org: Org) -> None:
    wrong = [_branch("p1", "Contact", LastName="x", Email="123")]
    body = {"records": [_branch("a1", "Account", Name="Grown", Contacts={"records": wrong})]}
    answer = org.http.post("/composite/tree/Account", json=body)
    assert (answer.status_code, answer.json()["hasErrors"]) == (400, True)
    (result,) = answer.json()["results"]
    assert result == {
        "referenceId": "p1",
        "errors": [
            {
                "statusCode": "INVALID_EMAIL_ADDRESS",
                "message": "Email: invalid email address: 123",
                "fields": ["Email"],
            }
        ],
    }
    assert _count(org, "Grown") == 0


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"Name": "x"}], "Include a reference ID for each record in the request."),
        ([_branch("r", "Account", Name="x")] * 2, "Duplicate ReferenceId provided in the request."),
        (
            [_branch("r", "Account", Name="x", Active__c="no")],
            "Cannot deserialize instance of bool",
        ),
        ([_branch("r", "Account", Name="x", Foos={"records": [{}]})], "No such column 'Foos'"),
        ("x", "must be a list"),
    ],
    ids=["no-reference", "one-twice", "wrong-type", "no-relationship", "no-list"],
)
def test_trees_refused(shared: Org, records: Any, words: str) -> None:
    answer = shared.http.post("/composite/tree/Account", json={"records": records})
    assert answer.status_code == 400
    assert words in answer.text
