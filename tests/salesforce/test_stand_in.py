"""The client and the stand-in org, which were written apart, understand each other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.limits import HANGS
from tests.rest_writes import write

from seil.errors import (
    LoginError,
    ObjectRejectedError,
    QuotaExhaustedError,
    UnavailableError,
)
from seil.salesforce.bulk import JobFailedError, JobGoneError
from seil.salesforce.org import Org
from seil.salesforce.schema import parse_describe
from seil.salesforce.soql import select, window_condition
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.options import OrgOptions, Quotas
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.secret import Secret
from seil.settings import SalesforceSettings

NAME = "Booking__c"
SYSTEM = [
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("Name", "string", flags=("name",)),
    SField.of("CreatedDate", "datetime", flags=("read_only",)),
    SField.of("LastModifiedDate", "datetime", flags=("read_only",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
]
OWN = [
    SField.of("Key__c", "string", flags=("external_id", "unique")),
    SField.of("Note__c", "textarea"),
    SField.of("Amount__c", "currency", precision=18, scale=2),
    SField.of("Count__c", "double", precision=18, scale=0),
    SField.of("Day__c", "date"),
    SField.of("Clock__c", "time"),
    SField.of("Flag__c", "boolean"),
]
NOTES = ["NA", "null", "01234", 'say "hi", twice', "line\nbreak", "é\U0001f600", "x" * 30_000]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An org with a record for each note, and their ids; each test works on a copy."""
    folder = tmp_path_factory.mktemp("template") / "org"
    OrgStore.create(folder, [SObject.of(NAME, [*SYSTEM, *OWN])]).close()
    with OrgServer(folder) as running:
        created = [
            write(running.url, "POST", NAME, values(n, note)) for n, note in enumerate(NOTES)
        ]
    return folder, [record["id"] for record in created]


@pytest.fixture
def ids(template: tuple[Path, list[str]]) -> list[str]:
    return template[1]


@pytest.fixture
def server(template: tuple[Path, list[str]], tmp_path: Path) -> Iterator[OrgServer]:
    shutil.copytree(template[0], tmp_path / "org")
    options = OrgOptions(result_page_rows=2, quotas=Quotas(query_jobs=20))
    with OrgServer(tmp_path / "org", options=options) as running:
        yield running


@pytest.fixture
def org(server: OrgServer) -> Iterator[Org]:
    settings = SalesforceSettings(login_url=server.url, attempts=3)
    with Org(settings, sleep=lambda _: None) as opened:
        yield opened


def values(n: int, note: str) -> dict[str, Any]:
    return {
        "Name": f"B-{n}",
        "Key__c": f"k/{n}",
        "Note__c": note,
        "Amount__c": 10.25 * n,
        "Count__c": n,
        "Day__c": f"2026-11-{n + 1:02d}",
        "Clock__c": "14:30:00.000Z",
        "Flag__c": n % 2 == 0,
    }


def soql(org: Org) -> str:
    names = [f.name for f in org.describe(NAME).fields]
    until = org.now() + timedelta(hours=1)
    return select(names, NAME, window_condition("SystemModstamp", None, until))


def read_all(org: Org, job_id: str) -> list[dict[str, Any]]:
    schema = org.describe(NAME)

    def page(locator: str) -> list[dict[str, Any]]:
        with org.bulk.page(job_id, locator, schema, max_records=None) as opened:
            return pa.Table.from_batches(opened.batches(), schema=opened.schema).to_pylist()

    locators = org.bulk.page_locators(job_id, max_records=2)
    assert locators is not None
    with ThreadPoolExecutor(4) as pool:
        return [row for rows in pool.map(page, locators) for row in rows]


def finished(org: Org) -> str:
    job = org.bulk.start(soql(org))
    return org.bulk.wait(job.id, poll=0.05, timeout=HANGS).id


def test_values_make_the_round_trip(org: Org, server: OrgServer, ids: list[str]) -> None:
    write(server.url, "DELETE", f"{NAME}/{ids[0]}")
    job_id = finished(org)
    rows = {row["Id"]: row for row in read_all(org, job_id)}
    assert list(rows) == sorted(ids)
    assert [rows[i]["Note__c"] for i in ids] == NOTES
    assert [rows[i]["IsDeleted"] for i in ids] == [True, *[False] * 6]
    assert [rows[i]["Amount__c"] for i in ids] == [Decimal("10.25") * n for n in range(7)]
    assert rows[ids[2]]["Clock__c"] == time(14, 30)
    assert rows[ids[2]]["Key__c"] == "k/2"
    assert abs(rows[ids[2]]["SystemModstamp"] - org.now()) < timedelta(minutes=1)
    assert org.bulk.info(job_id).rows == 7


def test_pages_by_locator(server: OrgServer, ids: list[str]) -> None:
    older = SalesforceSettings(login_url=server.url, api_version="57.0")
    with Org(older) as org:
        job_id = finished(org)
        assert org.bulk.page_locators(job_id, max_records=3) is None
        schema, seen, sizes = org.describe(NAME), [], []
        locator: str | None = ""
        while locator is not None:
            with org.bulk.page(job_id, locator, schema, max_records=3) as page:
                seen += [v for b in page.batches() for v in b["Id"].to_pylist()]
                sizes.append(page.expected_rows)
                locator = page.next_locator
    assert seen == sorted(ids)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize(
    "fault",
    [
        OrgFault(path="/results", times=1, status=503, retry_after="1"),
        OrgFault(path="/jobs/query$", times=1, status=429),
        OrgFault(path="/results", after=1, times=1, expire_session=True),
        OrgFault(path="/resultPages", times=1, html="<html>setting things up</html>", status=420),
        OrgFault(path="/results", lower_case_headers=True),
        OrgFault(path="/results", nul_bytes=True),
        OrgFault(path="/results", bom=True),
        OrgFault(path="/results", charset=""),
        OrgFault(path="/results", charset="UTF-16-LE"),
        OrgFault(path="/results", drip=7, drip_delay=0),
        OrgFault(path="/results", drop_headers=("Sforce-Locator", "Sforce-Limit-Info")),
        OrgFault(path="/resultPages", status=404, code="NOT_FOUND"),
    ],
    ids=lambda f: ",".join(sorted(f.model_fields_set - {"path", "times"})),
)
def test_a_bad_day(server: OrgServer, ids: list[str], fault: OrgFault) -> None:
    server.faults.add(fault)
    settings = SalesforceSettings(login_url=server.url, gzip=True)
    with Org(settings, sleep=lambda _: None) as org:
        job_id = finished(org)
        if fault.status == 404:
            assert org.bulk.page_locators(job_id, max_records=2) is None
            return
        rows = read_all(org, job_id)
    assert sorted(row["Id"] for row in rows) == sorted(ids)
    assert sorted(row["Note__c"] for row in rows) == sorted(NOTES)


@pytest.mark.parametrize(
    "fault",
    [
        OrgFault(path="/results", cut=40),
        OrgFault(path="/results", cut=200),
        OrgFault(path="/results", number_of_records="+1"),
        OrgFault(path="/results", number_of_records="-1"),
        OrgFault(path="/results", drop_headers=("Sforce-NumberOfRecords",)),
        OrgFault(path="/results", status=503),
    ],
    ids=lambda f: ",".join(sorted(f.model_fields_set - {"path"})),
)
def test_a_page_that_is_not_whole(server: OrgServer, org: Org, fault: OrgFault) -> None:
    job_id = finished(org)
    server.faults.add(fault)
    with pytest.raises(UnavailableError):
        read_all(org, job_id)


def test_a_job_that_fails(server: OrgServer, org: Org) -> None:
    server.faults.add(OrgFault(path="/jobs/query$", fail_job="Retried more than 15 times"))
    with pytest.raises(JobFailedError, match="Retried more than 15 times"):
        finished(org)


def test_a_job_that_was_deleted(org: Org) -> None:
    job_id = finished(org)
    org.bulk.delete(job_id)
    with pytest.raises(JobGoneError):
        org.bulk.info(job_id)
    org.bulk.abort(job_id)


def test_quota_of_jobs(org: Org) -> None:
    with pytest.raises(QuotaExhaustedError, match="per 24 hrs has been reached"):
        for _ in range(30):
            org.bulk.start(f"SELECT Id FROM {NAME}")


def test_rest(org: Org, server: OrgServer, ids: list[str]) -> None:
    write(server.url, "PATCH", f"{NAME}/{ids[1]}", {"Note__c": "changed"})
    write(server.url, "PATCH", f"{NAME}/Key__c/k%2F2", {"Note__c": "found"})
    write(server.url, "PATCH", f"{NAME}/Key__c/k%20%26%20new", {"Name": "B-new"})
    write(server.url, "DELETE", f"{NAME}/{ids[0]}")
    soql = f"SELECT Id, Note__c, Amount__c FROM {NAME} WHERE Key__c IN ('k/1', 'k/2')"
    rows = {row["Id"]: row for row in org.query(soql)}
    assert rows[ids[1]]["Note__c"] == "changed"
    assert rows[ids[2]]["Note__c"] == "found"
    assert rows[ids[1]]["Amount__c"] == Decimal("10.25")
    assert (org.count(NAME), org.count(NAME, deleted=False)) == (8, 7)
    assert org.count(NAME, "Key__c = 'k/3'") == 1
    start, end = org.now() - timedelta(hours=1), org.now() + timedelta(minutes=5)
    assert [d.id for d in org.list_deleted(NAME, start, end).records] == [ids[0]]


def test_identity_that_the_org_returns(org: Org, server: OrgServer) -> None:
    assert NAME in [entry.name for entry in org.objects() if entry.queryable]
    requests = org.limits().get("DailyApiRequests")
    assert requests is not None
    assert 0 < requests.remaining < requests.max
    assert org.usage is not None
    assert org.usage.allowed == requests.max
    assert abs(org.now() - datetime.now(UTC)) < timedelta(seconds=5)
    who = org.identity()
    assert (who.username, who.instance_url) == ("integration@sandbox.example", server.url)
    assert (who.org_id[:3], who.user_id[:3]) == ("00D", "005")


def test_what_the_org_refuses(org: Org) -> None:
    with pytest.raises(ObjectRejectedError, match="Nothing__c: NOT_FOUND"):
        org.describe("Nothing__c")
    with pytest.raises(ObjectRejectedError, match="INVALID_FIELD"):
        org.bulk.start(f"SELECT Nope FROM {NAME}")
    with pytest.raises(ObjectRejectedError, match="Booking__c: API_ERROR"):
        org.bulk.start(f"SELECT COUNT() FROM {NAME}")


@pytest.mark.parametrize("auth", ["jwt", "refresh_token", "client_credentials"])
def test_every_login(server: OrgServer, auth: Any, tmp_path: Path) -> None:
    settings = SalesforceSettings(
        login_url=server.url,
        auth=auth,
        username="integration@sandbox.example",
        private_key=Secret(f"file:{server.jwt_key}"),
        refresh_token=Secret("plain:sandbox-refresh-token"),
        token_file=tmp_path / "token.json",
    )
    with Org(settings) as org:
        assert org.login().instance_url == server.url
        assert org.objects()


@pytest.mark.parametrize("audience", ["my_domain", "login"])
def test_jwt_login_where_one_audience_is_taken(
    template: tuple[Path, list[str]], tmp_path: Path, audience: Any
) -> None:
    shutil.copytree(template[0], tmp_path / "org")
    with OrgServer(tmp_path / "org", options=OrgOptions(audience=audience)) as server:
        settings = SalesforceSettings(
            login_url=server.url,
            auth="jwt",
            username="integration@sandbox.example",
            private_key=Secret(f"file:{server.jwt_key}"),
        )
        with Org(settings) as org:
            assert org.objects()


def test_wrong_secret(server: OrgServer) -> None:
    settings = SalesforceSettings(login_url=server.url, client_secret=Secret("plain:wr0ng"))
    with Org(settings) as org, pytest.raises(LoginError, match="invalid_client") as caught:
        org.login()
    assert "wr0ng" not in str(caught.value)


def test_schema_is_that_of_the_fields(org: Org) -> None:
    described = {"name": NAME, "fields": [dict(f.raw) for f in [*SYSTEM, *OWN]]}
    assert org.describe(NAME).arrow == parse_describe(described).arrow
