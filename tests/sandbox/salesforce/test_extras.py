"""The Apex service, the files' contents and the stand-in's own levers."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore

ONE = "0015g0000000001AAA"


def test_usages_of_a_day(shared: Org) -> None:
    url = f"{shared.server.url}/services/apexrest/UsageSummary/fetchUsages/"
    answer = shared.http.post(url, json={"usageDate": "2026-11-22"})
    assert answer.status_code == 200
    assert answer.json().startswith("SELECT Id, GAM_LineItemID__c")
    assert answer.json().endswith("FROM Usage__c WHERE Usage_Date__c = 2026-11-22")
    again = shared.http.get(f"{url}anything", params={"usageDate": "2026-11-22"})
    assert again.json() == answer.json()
    assert "Sforce-Limit-Info" in again.headers
    for wrong in ({}, {"usageDate": "22.11.2026"}, {"usageDate": "2026-02-30"}):
        assert shared.http.post(url, json=wrong).json()[0]["errorCode"] == "APEX_ERROR"


def test_uploaded_content_comes_back(org: Org) -> None:
    data = bytes(range(256))
    row = {"Title": "a/b c", "VersionData": base64.b64encode(data).decode()}
    created = org.http.post("/sobjects/ContentVersion", json=row)
    assert created.status_code == 201
    identifier = created.json()["id"]
    for url in (
        f"/sobjects/ContentVersion/{identifier}/VersionData",
        f"/connect/files/{identifier}/content",
    ):
        answer = org.http.get(url)
        assert answer.content == data
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a_b_c"'
    (record,) = org.query("SELECT ContentSize, VersionData FROM ContentVersion")
    assert record["ContentSize"] == 256
    assert record["VersionData"].endswith(f"/sobjects/ContentVersion/{identifier}/VersionData")


def test_content_refused(org: Org) -> None:
    wrong = org.http.post("/sobjects/ContentVersion", json={"Title": "x", "VersionData": "!"})
    assert wrong.json()[0]["errorCode"] == "INVALID_BASE64"
    untitled = org.http.post("/sobjects/ContentVersion", json={"VersionData": ""})
    assert untitled.json()[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    for missing in ("0685g0000000001AAA", "nonsense"):
        assert org.http.get(f"/connect/files/{missing}/content").status_code == 404


def test_the_orgs_own_files_are_billing_extracts(folder: Path) -> None:
    line = SObject.of(
        "blng__InvoiceLine__c",
        [
            SField.of("Id", "id"),
            SField.of("Name", "string"),
            SField.of("blng__Invoice__c", "string"),
            SField.of("CreatedDate", "datetime"),
        ],
    )
    with OrgStore.open(folder) as store, store.write() as cursor:
        store.add_object(line)
        cursor.execute("""INSERT INTO main."blng__InvoiceLine__c" BY NAME
            SELECT 'line ' || n AS "Id" FROM range(1000) r(n)""")
        cursor.execute("""INSERT INTO main."ContentVersion" BY NAME
            SELECT '0685g0000000001AAA' AS "Id", 'Billing' AS "Title", false AS "IsDeleted" """)
    with OrgServer(folder) as server:
        org = Org.of(server)
        answer = org.http.get("/connect/files/0685g0000000001/content")
        org.http.close()
    assert answer.headers["Content-Type"] == "text/csv; charset=UTF-8"
    lines = answer.text.splitlines()
    assert lines[0] == '"Id","Name","blng__Invoice__c","CreatedDate"'
    assert len(lines) == 501


def test_summary_counts_what_is_there(shared: Org) -> None:
    summary = httpx.get(f"{shared.server.url}/sandbox/summary", timeout=HANGS).json()
    assert summary["objects"]["Account"] == {"live": 4, "deleted": 1}
    assert summary["rows"] == 10
    assert "DailyApiRequests" in summary["limits"]


@pytest.mark.parametrize("wishes", [{"foo": 1}, {"now": "soon"}, {"share": "much"}])
def test_tick_refused(shared: Org, wishes: dict[str, Any]) -> None:
    answer = httpx.post(f"{shared.server.url}/sandbox/tick", json=wishes, timeout=HANGS)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_TICK")


def test_schema_changes_show_at_once(org: Org) -> None:
    url = f"{org.server.url}/sandbox/schema"

    def change(**body: Any) -> httpx.Response:
        return httpx.post(url, json={"object": "account", **body}, timeout=HANGS)

    assert change(action="add", field="New__c", type="currency", precision=10, scale=1).is_success
    org.http.patch(f"/sobjects/Account/{ONE}", json={"New__c": 7.5})
    assert org.csv(f"SELECT New__c FROM Account WHERE Id = '{ONE}'") == '"New__c"\n"7.5"\n'
    assert change(action="change", field="New__c", type="string", length=30).is_success
    described = org.http.get("/sobjects/Account/describe").json()["fields"]
    assert {"string"} == {f["type"] for f in described if f["name"] == "New__c"}
    assert org.query(f"SELECT New__c FROM Account WHERE Id = '{ONE}'") == [{"New__c": "7.5"}]
    assert change(action="drop", field="New__c").is_success
    assert org.refused("SELECT New__c FROM Account")["errorCode"] == "INVALID_FIELD"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"object": "Nothing", "field": "x"}, 404),
        ({"object": "Account", "field": "Name"}, 400),
        ({"object": "Account", "field": "Nope", "action": "drop"}, 400),
        ({"object": "Account", "field": "Nope", "action": "change"}, 400),
        ({"object": "Account", "field": "x", "action": "rename"}, 400),
        ({"object": "Account", "field": "x", "colour": "red"}, 400),
    ],
)
def test_schema_refused(shared: Org, body: dict[str, Any], status: int) -> None:
    assert (
        httpx.post(f"{shared.server.url}/sandbox/schema", json=body, timeout=HANGS).status_code
        == status
    )
