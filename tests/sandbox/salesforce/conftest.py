"""A small org with known records, served over HTTP on a free port."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS, until

from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.keys import certificate, key_pair
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore

VERSION = "62.0"

AUDIT = (
    SField.of("CreatedDate", "datetime", flags=["read_only"]),
    SField.of("CreatedById", "reference", reference_to=["User"], flags=["read_only"]),
    SField.of("LastModifiedDate", "datetime", flags=["read_only"]),
    SField.of("LastModifiedById", "reference", reference_to=["User"], flags=["read_only"]),
    SField.of("SystemModstamp", "datetime", flags=["read_only"]),
)
KEY = (
    SField.of("Id", "id", flags=["required", "read_only"]),
    SField.of("IsDeleted", "boolean", flags=["required", "read_only"]),
)
ADDRESS = (
    SField.of("BillingAddress", "address"),
    SField.of("BillingStreet", "textarea", length=255, compound="BillingAddress"),
    SField.of("BillingCity", "string", length=40, compound="BillingAddress"),
    SField.of("BillingPostalCode", "string", length=20, compound="BillingAddress"),
    SField.of("BillingLatitude", "double", precision=18, scale=15, compound="BillingAddress"),
)


def tiny_objects() -> list[SObject]:
    user = SObject.of(
        "User",
        [
            KEY[0],
            SField.of("Name", "string", flags=["name"]),
            SField.of("Username", "string", flags=["required", "unique"]),
            SField.of("ManagerId", "reference", reference_to=["User"]),
            *AUDIT,
        ],
        key_prefix="005",
    )
    organization = SObject.of(
        "Organization",
        [KEY[0], SField.of("Name", "string"), SField.of("IsSandbox", "boolean")],
        key_prefix="00D",
    )
    account = SObject.of(
        "Account",
        [
            *KEY,
            SField.of("Name", "string", flags=["name", "required"]),
            SField.of("Description", "textarea", length=32000),
            SField.of(
                "OwnerId", "reference", reference_to=["User"], flags=["required", "defaulted"]
            ),
            SField.of("ParentId", "reference", reference_to=["Account"]),
            SField.of("Ext__c", "string", length=40, flags=["external_id", "unique"]),
            SField.of("Code__c", "double", precision=18, scale=0, flags=["external_id"]),
            SField.of("Amount__c", "currency", precision=18, scale=2),
            SField.of("Staff__c", "int"),
            SField.of("Active__c", "boolean", flags=["required"]),
            SField.of("Since__c", "date"),
            SField.of("OpenAt__c", "time"),
            SField.of("Tags__c", "multipicklist", values=["red", "green", "blue"]),
            SField.of("Size__c", "string", flags=["calculated"]),
            *ADDRESS,
            *AUDIT,
        ],
        key_prefix="001",
    )
    contact = SObject.of(
        "Contact",
        [
            *KEY,
            SField.of("Name", "string", flags=["name", "read_only"]),
            SField.of("FirstName", "string"),
            SField.of("LastName", "string", flags=["required"]),
            SField.of("AccountId", "reference", reference_to=["Account"]),
            SField.of("Email", "email"),
            SField(
                {
                    **SField.of("Level__c", "picklist", values=["Primary", "Secondary"]).raw,
                    "restrictedPicklist": True,
                }
            ),
            *AUDIT,
        ],
        key_prefix="003",
    )
    line = SObject.of(
        "Line__c",
        [
            *KEY,
            SField.of("Name", "string", flags=["name", "auto_number", "read_only"]),
            SField.of(
                "Account__c", "reference", reference_to=["Account"], flags=["master", "required"]
            ),
            *AUDIT,
        ],
        key_prefix="a01",
    )
    task = SObject.of(
        "Task",
        [
            *KEY,
            SField.of("Subject", "string", flags=["name"]),
            SField.of("OwnerId", "reference", reference_to=["Group", "User"], flags=["defaulted"]),
            SField.of("WhatId", "reference", reference_to=["Account", "Line__c", "Case"]),
            SField.of("WhoId", "reference", reference_to=["Contact", "Lead"]),
            *AUDIT,
        ],
        key_prefix="00T",
    )
    version = SObject.of(
        "ContentVersion",
        [
            *KEY,
            SField.of("Title", "string", flags=["name", "required"]),
            SField.of("PathOnClient", "string"),
            SField.of("ContentDocumentId", "reference", reference_to=["ContentDocument"]),
            SField.of("ContentSize", "int", flags=["read_only"]),
            SField.of("VersionData", "base64"),
            *AUDIT,
        ],
        key_prefix="068",
    )
    locked = SObject.of("Locked__c", [KEY[0]], key_prefix="a02")
    locked = SObject({**locked.raw, "queryable": False}, locked.fields)
    return [user, organization, account, contact, line, task, version, locked]


ACCOUNTS = """
INSERT INTO main."Account" BY NAME
SELECT '0015g000000000' || n || 'AAA' AS "Id", deleted AS "IsDeleted", name AS "Name",
    '0055g0000000001AAA' AS "OwnerId", parent AS "ParentId", ext AS "Ext__c", code AS "Code__c",
    amount AS "Amount__c", staff AS "Staff__c", active AS "Active__c", since AS "Since__c",
    opens AS "OpenAt__c", tags AS "Tags__c", city AS "BillingCity", made AS "CreatedDate",
    made AS "LastModifiedDate", made AS "SystemModstamp", '0055g0000000001AAA' AS "CreatedById",
    '0055g0000000001AAA' AS "LastModifiedById", description AS "Description"
FROM (VALUES
    (1, false, 'Acme', NULL, 'A-1', 10, 100.50, 5, true, DATE '2024-01-31', TIME '08:30:00',
     'red;green', 'Perth', TIMESTAMP '2024-01-01 00:00:00', 'says "hi", twice'),
    (2, false, 'ACME north', '0015g0000000001AAA', 'a-2', 20, 0.01, 50, false,
     DATE '2024-02-29', NULL, 'red', 'Sydney', TIMESTAMP '2024-06-01 12:00:00.5', NULL),
    (3, false, 'Zoë & Co_', '0015g0000000002AAA', NULL, 20, NULL, NULL, true, NULL, NULL, NULL,
     NULL, TIMESTAMP '2024-06-02 00:00:00', E'line one\\nline two'),
    (4, false, 'O''Brien 100%', NULL, 'x"y', NULL, -5.00, 0, false, DATE '2030-12-31', NULL,
     'blue;green', NULL, TIMESTAMP '2025-01-01 00:00:00', 'NA'),
    (5, true, 'Gone', NULL, 'gone', NULL, 7.00, 1, true, NULL, NULL, NULL, NULL,
     TIMESTAMP '2025-02-01 00:00:00', NULL)
) AS v(n, deleted, name, parent, ext, code, amount, staff, active, since, opens, tags, city, made,
    description)
"""
CONTACTS = """
INSERT INTO main."Contact" BY NAME
SELECT '0035g000000000' || n || 'AAA' AS "Id", false AS "IsDeleted", first || ' ' || last AS "Name",
    first AS "FirstName", last AS "LastName", '0015g000000000' || account || 'AAA' AS "AccountId",
    made AS "CreatedDate", made AS "SystemModstamp", made AS "LastModifiedDate"
FROM (VALUES (1, 'Ada', 'Lovelace', 1), (2, 'Alan', 'Turing', 1), (3, 'Grace', 'Hopper', 2))
    AS v(n, first, last, account), (SELECT TIMESTAMP '2024-03-01 00:00:00' AS made)
"""


def fill(store: OrgStore) -> None:
    """Five accounts, the last one deleted; three contacts of two of them."""
    with store.write() as cursor:
        cursor.execute(
            """INSERT INTO main."User" BY NAME SELECT '0055g0000000001AAA' AS "Id",
            'Uma User' AS "Name", 'uma@sandbox.example' AS "Username" """
        )
        cursor.execute(
            """INSERT INTO main."Organization" BY NAME SELECT '00D5g0000000001EAA' AS "Id",
            'Tiny' AS "Name", true AS "IsSandbox" """
        )
        cursor.execute(ACCOUNTS)
        cursor.execute(CONTACTS)
        for name, used in (("User", 1), ("Organization", 1), ("Account", 9), ("Contact", 9)):
            store.draw_numbers(name, used)


def make_org(folder: Path) -> Path:
    with OrgStore.create(folder, tiny_objects()) as store:
        fill(store)
    return folder


@dataclass
class Org:
    """A logged-in client of a server; paths are relative to /services/data/v62.0."""

    server: OrgServer
    http: httpx.Client

    @classmethod
    def of(cls, server: OrgServer, *, version: str = VERSION) -> Org:
        token = login(server)["access_token"]
        client = httpx.Client(
            base_url=f"{server.url}/services/data/v{version}",
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            timeout=HANGS,
        )
        return cls(server, client)

    def query(self, soql: str, *, deleted_too: bool = False) -> list[dict[str, Any]]:
        path = "/queryAll" if deleted_too else "/query"
        answer = self.http.get(path, params={"q": soql})
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["records"]
        return [{k: v for k, v in record.items() if k != "attributes"} for record in records]

    def refused(self, soql: str) -> dict[str, Any]:
        answer = self.http.get("/query", params={"q": soql})
        assert answer.status_code == 400, answer.text
        (error,) = answer.json()
        return dict(error)

    def query_job(self, soql: str, **details: Any) -> str:
        body = {"operation": "query", "query": soql, **details}
        answer = self.http.post("/jobs/query", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def finished(self, kind: str, job: str) -> dict[str, Any]:
        job_document = until(lambda: _ended(self.http.get(f"/jobs/{kind}/{job}").json()))
        return dict(job_document)

    def csv(self, soql: str, **details: Any) -> str:
        job = self.query_job(soql, **details)
        assert self.finished("query", job)["state"] == "JobComplete"
        return self.http.get(f"/jobs/query/{job}/results").content.decode()

    def ingest(
        self, name: str, operation: str, text: str | bytes, **details: Any
    ) -> dict[str, Any]:
        body = {"operation": operation, "object": name, "contentType": "CSV", **details}
        job = self.http.post("/jobs/ingest", json=body).json()["id"]
        url = f"/jobs/ingest/{job}"
        data = text if isinstance(text, bytes) else text.encode()
        put = self.http.put(f"{url}/batches", content=data, headers={"Content-Type": "text/csv"})
        assert put.status_code == 201, put.text
        self.http.patch(url, json={"state": "UploadComplete"})
        return self.finished("ingest", job)

    def ingest_result(self, job: dict[str, Any], which: str) -> str:
        return self.http.get(f"/jobs/ingest/{job['id']}/{which}").content.decode()


def login(server: OrgServer, **form: str) -> dict[str, Any]:
    credentials = server.options.credentials
    fields = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        **form,
    }
    answer = httpx.post(f"{server.url}/services/oauth2/token", data=fields, timeout=HANGS)
    return dict(answer.json())


def _ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["state"] in ("JobComplete", "Failed", "Aborted") else None


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A believable org of 10 orders; to be copied by who changes it."""
    folder = tmp_path_factory.mktemp("generated") / "org"
    generate(folder, orders=10, seed=7, as_of=date(2026, 11, 22)).close()
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small org with its keys made, which take longest."""
    folder = make_org(tmp_path_factory.mktemp("template") / "org")
    key_pair(folder)
    certificate(folder, "localhost")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "org"))


@pytest.fixture
def store(folder: Path) -> Iterator[OrgStore]:
    with OrgStore.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgServer]:
    """For tests that leave the org as it is."""
    folder = shutil.copytree(template, tmp_path_factory.mktemp("shared") / "org")
    with OrgServer(Path(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def shared(shared_server: OrgServer) -> Iterator[Org]:
    org = Org.of(shared_server)
    yield org
    org.http.close()


@pytest.fixture
def org(folder: Path) -> Iterator[Org]:
    """For tests that change it."""
    with OrgServer(folder) as server:
        org = Org.of(server)
        yield org
        org.http.close()


@pytest.fixture
def serving(folder: Path) -> Iterator[Callable[..., Org]]:
    """Starts a server on the folder with options of choice; one at a time."""
    running: list[Org] = []

    def stop() -> None:
        while running:
            org = running.pop()
            org.http.close()
            org.server.stop()

    def start(options: OrgOptions | None = None, **details: Any) -> Org:
        stop()
        running.append(Org.of(OrgServer(folder, options=options, **details).start()))
        return running[-1]

    yield start
    stop()
