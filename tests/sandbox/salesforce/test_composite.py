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
    written, found = answer["results"]
    assert written == {"statusCode": 204, "result": None}
    assert found["result"]["records"][0]["Name"] == "Changed"


def test_batch_halts_on_error_when_told_to(org: Org) -> None:
    wrong = {"method": "GET", "url": "v62.0/nothing"}
    create = {"method": "POST", "url": "v62.0/sobjects/Account", "richInput": {"Name": "x"}}
    answer = _batch(org, wrong, create, haltOnError=True)
    assert [result["statusCode"] for result in answer["results"]] == [404, 412]
    assert org.query("SELECT Id FROM Account WHERE Name = 'x'") == []


@pytest.mark.parametrize(
    "requests", [None, [], "x", [{"method": "GET", "url": "v62.0/limits"}] * 26]
)
def test_batch_refused(shared: Org, requests: Any) -> None:
    answer = shared.http.post("/composite/batch", json={"batchRequests": requests})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_BATCH_REQUEST")
