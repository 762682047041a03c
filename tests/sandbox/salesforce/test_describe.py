from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org

from seil.salesforce.schema import parse_describe


def test_versions_and_resources(shared: Org) -> None:
    versions = httpx.get(f"{shared.server.url}/services/data", timeout=HANGS).json()
    newest = versions[-1]
    assert newest["url"] == f"/services/data/v{newest['version']}"
    assert {"62.0", "59.0", "31.0"} <= {entry["version"] for entry in versions}
    labels = {entry["version"]: entry["label"] for entry in versions}
    assert (labels["31.0"], labels["32.0"]) == ("Summer '14", "Winter '15")
    assert (labels["60.0"], labels["62.0"]) == ("Spring '24", "Winter '25")
    resources = shared.http.get("/").json()
    assert resources["query"] == "/services/data/v62.0/query"


def test_any_version_in_the_path(shared: Org) -> None:
    for version in ("v58.0", "v59.0", "v61.0"):
        url = f"{shared.server.url}/services/data/{version}/sobjects/Account/describe"
        urls = shared.http.get(url).json()["urls"]
        assert urls["sobject"] == f"/services/data/{version}/sobjects/Account"


def test_global_describe(shared: Org) -> None:
    answer = shared.http.get("/sobjects").json()
    assert (answer["encoding"], answer["maxBatchSize"]) == ("UTF-8", 200)
    objects = {entry["name"]: entry for entry in answer["sobjects"]}
    assert objects["Account"]["queryable"] is True
    assert objects["Locked__c"]["queryable"] is False
    assert "fields" not in objects["Account"]
    basic = shared.http.get("/sobjects/Account/").json()
    assert basic["objectDescribe"]["name"] == "Account"


def test_describe(shared: Org) -> None:
    answer: dict[str, Any] = shared.http.get("/sobjects/account/describe").json()
    assert answer["name"] == "Account"
    fields = {entry["name"]: entry for entry in answer["fields"]}
    assert fields["BillingCity"]["compoundFieldName"] == "BillingAddress"
    assert fields["Name"]["compoundFieldName"] is None
    amount = fields["Amount__c"]
    assert (amount["type"], amount["precision"], amount["scale"]) == ("currency", 18, 2)
    assert {"soapType", "calculated", "custom", "length", "digits", "nillable"} <= set(amount)
    children = {(c["childSObject"], c["field"]) for c in answer["childRelationships"]}
    assert {("Contact", "AccountId"), ("Account", "ParentId")} <= children
    assert "BillingAddress" in parse_describe(answer).left_out
    missing = shared.http.get("/sobjects/Nothing/describe")
    assert (missing.status_code, missing.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_describe_only_if_modified(org: Org) -> None:
    first = org.http.get("/sobjects/Account/describe")
    headers = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert org.http.get("/sobjects/Account/describe", headers=headers).status_code == 304
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    since = {"If-Modified-Since": earlier}
    assert org.http.get("/sobjects", headers=since).status_code == 200
    wrong = org.http.get("/sobjects", headers={"If-Modified-Since": "yesterday"})
    assert wrong.json()[0]["errorCode"] == "INVALID_HEADER"


def test_layouts(shared: Org) -> None:
    every = shared.http.get("/sobjects/Account/describe/layouts").json()
    assert every["layouts"][0]["detailLayoutSections"][0]["layoutRows"]
    one = shared.http.get("/sobjects/Account/describe/layouts/012000000000000AAA").json()
    assert one["id"] == "012000000000000AAA"
