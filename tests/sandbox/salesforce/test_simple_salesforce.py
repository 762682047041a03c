"""simple-salesforce, unmodified: only its addresses are pointed at the stand-in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org, login

from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer

ONE = "0015g0000000001AAA"


def _connected(**details: Any) -> Any:
    """Untyped, since what it offers depends on the names asked for."""
    return Salesforce(**details)


@pytest.fixture
def salesforce(folder: Path) -> Iterator[Any]:
    """Over HTTPS, which it insists on; nothing but the certificate is special."""
    options = OrgOptions(tls=True, query_page_rows=2)
    with (
        OrgServer(folder, host="localhost", options=options) as server,
        requests.Session() as session,
    ):
        session.trust_env = False  # a certificate bundle in the environment would go first
        session.verify = str(folder / "tls.crt")
        answer = session.post(
            f"{server.url}/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": "seil-sandbox",
                "client_secret": "sandbox-secret",
            },
        ).json()
        yield _connected(
            instance_url=answer["instance_url"],
            session_id=answer["access_token"],
            session=session,
        )


def test_queries(salesforce: Any) -> None:
    result = salesforce.query_all("SELECT Id, Name FROM Account ORDER BY Id")
    assert result["totalSize"] == 4
    assert result["records"][0]["Name"] == "Acme"
    every = salesforce.query_all("SELECT Id FROM Account", include_deleted=True)
    assert every["totalSize"] == 5
    first = salesforce.query("SELECT Id FROM Account")
    assert (first["done"], len(first["records"])) == (False, 2)
    rest = salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert (rest["done"], len(rest["records"])) == (True, 2)
    locator = first["nextRecordsUrl"].rpartition("/")[2]
    assert salesforce.query_more(locator)["records"] == rest["records"]
    assert salesforce.is_sandbox() is True


def test_records(salesforce: Any) -> None:
    account = salesforce.Account
    created = account.create({"Name": "Made", "Ext__c": "made one"})
    assert created["success"] is True
    assert account.get(created["id"])["Name"] == "Made"
    assert account.update(created["id"], {"Staff__c": 3}) == 204
    assert account.get_by_custom_id("Ext__c", "made one")["Staff__c"] == 3
    assert account.upsert("Ext__c/made one", {"Name": "Again"}) == 200
    assert account.upsert("Ext__c/other", {"Name": "Other"}) == 201
    assert account.delete(created["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        account.get(created["id"])
    with pytest.raises(SalesforceMoreThanOneRecord):
        account.get_by_custom_id("Code__c", "20")
    with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        account.create({})
    now = datetime.now(UTC)
    window = (now - timedelta(minutes=5), now + timedelta(minutes=5))
    deleted = [record["id"] for record in account.deleted(*window)["deletedRecords"]]
    assert deleted == [created["id"]]
    assert len(account.updated(*window)["ids"]) == 1


def test_metadata_and_limits(salesforce: Any) -> None:
    assert "Account" in {entry["name"] for entry in salesforce.describe()["sobjects"]}
    assert salesforce.Account.describe()["fields"][0]["name"] == "Id"
    assert salesforce.Account.metadata()["objectDescribe"]["name"] == "Account"
    assert salesforce.Account.describe_layout("012000000000000AAA")["detailLayoutSections"]
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 100_000
    assert salesforce.api_usage["api-usage"].total == 100_000
    usages = salesforce.apexecute(
        "UsageSummary/fetchUsages/x", method="POST", data={"usageDate": "2026-11-22"}
    )
    assert usages.startswith("SELECT Id")


def test_bulk_query_and_download(salesforce: Any, tmp_path: Path) -> None:
    pages = list(salesforce.bulk2.Account.query("SELECT Id FROM Account", max_records=3, wait=0.05))
    assert [len(page.splitlines()) for page in pages] == [4, 2]
    every = list(salesforce.bulk2.Account.query_all("SELECT Id FROM Account", wait=0.05))
    assert len(every[0].splitlines()) == 6
    target = tmp_path / "download"
    target.mkdir()
    files = salesforce.bulk2.Account.download(
        "SELECT Id, Name FROM Account", path=str(target), max_records=2, wait=0.05
    )
    assert [file["number_of_records"] for file in files] == [2, 2]


def test_bulk_writes(salesforce: Any) -> None:
    bulk = salesforce.bulk2.Account
    inserted = bulk.insert(
        records=[{"Name": "b1", "Ext__c": "b1"}, {"Name": "", "Ext__c": "b2"}], wait=0.05
    )
    assert (inserted[0]["numberRecordsProcessed"], inserted[0]["numberRecordsFailed"]) == (2, 1)
    failed = list(csv.DictReader(io.StringIO(bulk.get_failed_records(inserted[0]["job_id"]))))
    assert failed[0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING")
    good = list(csv.DictReader(io.StringIO(bulk.get_successful_records(inserted[0]["job_id"]))))
    created = good[0]["sf__Id"]
    assert (
        bulk.update(records=[{"Id": created, "Staff__c": "9"}], wait=0.05)[0]["numberRecordsFailed"]
        == 0
    )
    upserted = bulk.upsert(
        records=[{"Ext__c": "b1", "Name": "B1"}, {"Ext__c": "b3", "Name": "B3"}],
        external_id_field="Ext__c",
        wait=0.05,
    )
    assert upserted[0]["numberRecordsFailed"] == 0
    assert bulk.delete(records=[{"Id": created}], wait=0.05)[0]["numberRecordsFailed"] == 0
    assert bulk.hard_delete(records=[{"Id": created}], wait=0.05)[0]["numberRecordsFailed"] == 0
    names = [r["Name"] for r in salesforce.query_all("SELECT Name FROM Account")["records"]]
    assert "B3" in names
    assert "B1" not in names


def test_soap_login(shared: Org) -> None:
    from simple_salesforce import login as simple_login

    session_id, instance = simple_login.SalesforceLogin(
        username="integration@sandbox.example",
        password="sandbox-password",
        security_token="sandbox-token",
        scratch_url=shared.server.url,
    )
    assert shared.server.url == f"http://{instance}"
    url = f"{shared.server.url}/services/data/v59.0/limits"
    answer = requests.get(url, headers={"Authorization": f"Bearer {session_id}"}, timeout=HANGS)
    assert answer.status_code == 200


def test_plain_http_by_its_overrides(shared: Org) -> None:
    token = login(shared.server)["access_token"]
    with requests.Session() as session:
        salesforce = _connected(instance_url=shared.server.url, session_id=token, session=session)
        salesforce.base_url = f"{shared.server.url}/services/data/v59.0/"
        salesforce.bulk2_url = f"{shared.server.url}/services/data/v59.0/jobs/"
        assert salesforce.query("SELECT COUNT() FROM Account")["totalSize"] == 4
        (page,) = salesforce.bulk2.Contact.query("SELECT Id FROM Contact", wait=0.05)
        assert len(page.splitlines()) == 4
