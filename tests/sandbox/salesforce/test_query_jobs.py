from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.limits import until
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.options import OrgOptions, Quotas
from seil.sandbox.salesforce.store import OrgStore

ACCOUNTS = "SELECT Id, Name, Parent.Name, Amount__c, Active__c, CreatedDate FROM Account"


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, "")))


def test_create_answers_what_clients_read(shared: Org) -> None:
    body = {"operation": "query", "query": ACCOUNTS, "contentType": "CSV"}
    headers = {"Accept": "text/csv; charset=UTF-8"}
    answer = shared.http.post("/jobs/query", json=body, headers=headers)
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    job = answer.json()
    assert len(job["id"]) == 18
    assert job["id"].startswith("750")
    assert {k: v for k, v in job.items() if k not in ("id", "createdDate", "systemModstamp")} == {
        "operation": "query",
        "object": "Account",
        "createdById": "0055g0000000001AAA",
        "state": "UploadComplete",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": 62.0,
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
    }
    done = shared.finished("query", job["id"])
    assert (done["jobType"], done["retries"], done["numberRecordsProcessed"]) == ("V2Query", 0, 4)
    assert isinstance(done["totalProcessingTime"], int)


def test_results_are_the_dialect_of_the_checklist(shared: Org) -> None:
    assert shared.csv(ACCOUNTS + " WHERE Name LIKE 'acme%'") == (
        '"Id","Name","Parent.Name","Amount__c","Active__c","CreatedDate"\n'
        '"0015g0000000001AAA","Acme","","100.50","true","2024-01-01T00:00:00.000Z"\n'
        '"0015g0000000002AAA","ACME north","Acme","0.01","false","2024-06-01T12:00:00.500Z"\n'
    )
    assert shared.csv(
        "SELECT Id, Ext__c FROM Account WHERE Ext__c LIKE 'x%'",
        columnDelimiter="PIPE",
        lineEnding="CRLF",
    ) == ('"Id"|"Ext__c"\r\n"0015g0000000004AAA"|"x""y"\r\n')


def test_query_all_has_the_deleted_rows(shared: Org) -> None:
    ids = _rows(shared.csv("SELECT Id FROM Account", operation="queryAll"))[1:]
    assert ["0015g0000000005AAA"] in ids
    assert len(ids) == 5


def test_pages_by_locator_are_re_readable_and_end_with_null(shared: Org) -> None:
    job = shared.query_job("SELECT Id FROM Account")
    shared.finished("query", job)
    url, locator, fetched = f"/jobs/query/{job}/results", "", []
    while locator != "null":
        params: dict[str, Any] = {"maxRecords": 3} | ({"locator": locator} if locator else {})
        page = shared.http.get(url, params=params)
        again = shared.http.get(url, params=params)
        assert page.content == again.content
        assert page.headers["Content-Type"] == "text/csv; charset=UTF-8"
        head, *rows = _rows(page.text)
        assert head == ["Id"]
        assert page.headers["Sforce-NumberOfRecords"] == str(len(rows))
        fetched += rows
        locator = page.headers["Sforce-Locator"]
    assert [row[0][-4] for row in fetched] == ["1", "2", "3", "4"]


def test_result_pages_list_every_page_once_five_at_a_time(shared: Org) -> None:
    job = shared.query_job("SELECT Id FROM Account", operation="queryAll")
    shared.finished("query", job)
    answer = shared.http.get(f"/jobs/query/{job}/resultPages", params={"maxRecords": 1}).json()
    assert len(answer["resultPages"]) == 5
    assert (answer["done"], answer["nextRecordsUrl"]) == (True, None)
    ids = [
        _rows(shared.http.get(shared.server.url + page["resultUrl"]).text)[1][0]
        for page in answer["resultPages"]
    ]
    assert len(set(ids)) == 5


def test_result_pages_go_on(folder: Path, serving: Callable[..., Org]) -> None:
    with OrgStore.open(folder) as store, store.write() as cursor:
        cursor.execute("""INSERT INTO main."Contact" BY NAME SELECT 'x' || n AS "Id"
            FROM range(9) r(n)""")
    org = serving(OrgOptions(result_page_rows=2))
    job = org.query_job("SELECT Id FROM Contact")
    assert org.finished("query", job)["numberRecordsProcessed"] == 12
    first = org.http.get(f"/jobs/query/{job}/resultPages").json()
    assert (len(first["resultPages"]), first["done"]) == (5, False)
    last = org.http.get(org.server.url + first["nextRecordsUrl"]).json()
    assert (len(last["resultPages"]), last["done"]) == (1, True)
    page = org.http.get(org.server.url + last["resultPages"][0]["resultUrl"])
    assert (page.headers["Sforce-NumberOfRecords"], page.headers["Sforce-Locator"]) == ("2", "null")


def test_an_empty_result_is_a_header_and_a_zero(shared: Org) -> None:
    job = shared.query_job("SELECT Id FROM Account WHERE Name = 'nobody'")
    assert shared.finished("query", job)["numberRecordsProcessed"] == 0
    page = shared.http.get(f"/jobs/query/{job}/results")
    assert page.text == '"Id"\n'
    assert (page.headers["Sforce-NumberOfRecords"], page.headers["Sforce-Locator"]) == ("0", "null")
    pages = shared.http.get(f"/jobs/query/{job}/resultPages").json()
    assert (len(pages["resultPages"]), pages["done"]) == (1, True)


def test_gzip_only_on_request(folder: Path, serving: Callable[..., Org]) -> None:
    with OrgStore.open(folder) as store, store.write() as cursor:
        cursor.execute("""INSERT INTO main."Contact" BY NAME SELECT 'x' || n AS "Id",
            repeat('é', 50) AS "Email" FROM range(500) r(n)""")
    org = serving()
    job = org.query_job("SELECT Id, Email FROM Contact")
    org.finished("query", job)
    url = f"/jobs/query/{job}/results"
    plain = org.http.get(url)
    assert "Content-Encoding" not in plain.headers
    request = org.http.build_request("GET", url, headers={"Accept-Encoding": "gzip"})
    packed = org.http.send(request, stream=True)
    raw = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Transfer-Encoding"] == "chunked"
    assert len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content


def test_abort_and_delete_only_where_allowed(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(job_delay=30))
    job = org.query_job("SELECT Id FROM Account")
    url = f"/jobs/query/{job}"
    assert org.http.delete(url).json()[0]["errorCode"] == "INVALIDJOBSTATE"
    early = org.http.get(f"{url}/results")
    assert (early.status_code, early.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    aborted = org.http.patch(url, json={"state": "Aborted"})
    assert (aborted.status_code, aborted.json()["state"]) == (200, "Aborted")
    again = org.http.patch(url, json={"state": "Aborted"})
    assert "already Completed" in again.json()[0]["message"]
    assert org.http.patch(url, json={"state": "Open"}).status_code == 400
    deleted = org.http.delete(url)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert org.http.get(url).status_code == 404


def test_states_advance_one_after_the_other(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(job_delay=0.2))
    job = org.query_job("SELECT Id FROM Account")
    seen: list[str] = []

    def state() -> bool:
        now = org.http.get(f"/jobs/query/{job}").json()["state"]
        if not seen or seen[-1] != now:
            seen.append(now)
        return bool(now == "JobComplete")

    until(state)
    assert seen == ["UploadComplete", "InProgress", "JobComplete"]


def test_another_version_than_the_jobs_is_a_conflict(shared: Org) -> None:
    job = shared.query_job("SELECT Id FROM Account")
    shared.finished("query", job)
    base = f"{shared.server.url}/services/data"
    for path in ("results", "resultPages"):
        answer = shared.http.get(f"{base}/v60.0/jobs/query/{job}/{path}")
        assert answer.status_code == 409
        assert isinstance(answer.json(), list)
    assert shared.http.get(f"{base}/v57.0/jobs/query/{job}/resultPages").status_code == 404


def test_list_shows_jobs_newest_first(org: Org) -> None:
    jobs = [org.query_job("SELECT Id FROM Account") for _ in range(3)]
    answer = org.http.get("/jobs/query/").json()
    assert [record["id"] for record in answer["records"]] == jobs[::-1]
    assert (answer["done"], answer["nextRecordsUrl"]) == (True, None)
    assert answer["records"][0]["jobType"] == "V2Query"
    none = org.http.get("/jobs/query", params={"jobType": "Classic"}).json()
    assert none["records"] == []


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"query": "SELECT Foo FROM Account"}, "INVALID_FIELD", "No such column 'Foo' on entity"),
        ({"query": "SELECT Id FROM Foo"}, "INVALID_TYPE", "'Foo' is not supported"),
        ({"query": "SELECT Id FROM"}, "MALFORMED_QUERY", "<EOF>"),
        ({"query": "SELECT Id FROM Locked__c"}, "INVALIDENTITY", "not supported by the Bulk API"),
        (
            {"query": "SELECT BillingAddress FROM Account"},
            "FUNCTIONALITY_NOT_ENABLED",
            "Selecting compound data not supported in Bulk Query",
        ),
        (
            {"query": "SELECT VersionData FROM ContentVersion"},
            "FUNCTIONALITY_NOT_ENABLED",
            "binary",
        ),
        ({"query": "SELECT Name FROM Account GROUP BY Name"}, "API_ERROR", "GROUP BY"),
        ({"query": "SELECT Id FROM Account LIMIT 1 OFFSET 1"}, "API_ERROR", "OFFSET"),
        ({"query": "SELECT COUNT(Id) FROM Account"}, "API_ERROR", "Aggregate"),
        ({"query": "SELECT COUNT() FROM Account"}, "API_ERROR", "Aggregate"),
        ({"query": "SELECT FIELDS(ALL) FROM Account LIMIT 1"}, "API_ERROR", "FIELDS"),
        (
            {"query": "SELECT TYPEOF Owner WHEN User THEN Name END FROM Account"},
            "API_ERROR",
            "TYPEOF",
        ),
        ({"query": "SELECT (SELECT Id FROM Contacts) FROM Account"}, "API_ERROR", "CSV content"),
        ({"query": ""}, "INVALIDJOB", "Required field missing: query"),
        ({"query": "x", "operation": "insert"}, "INVALIDJOB", "Unsupported operation"),
        ({"query": "x", "contentType": "JSON"}, "INVALIDJOB", "CSV"),
        ({"query": "x", "columnDelimiter": "COLON"}, "INVALIDJOB", "COLON"),
    ],
)
def test_create_refused(shared: Org, body: dict[str, str], code: str, words: str) -> None:
    answer = shared.http.post("/jobs/query", json={"operation": "query", **body})
    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, code)
    assert words in error["message"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"locator": "nonsense"}, "INVALIDLOCATOR"),
        ({"locator": "OTktMQ"}, "INVALIDLOCATOR"),
        ({"maxRecords": "0"}, "INVALIDPARAMETER"),
        ({"maxRecords": "many"}, "INVALIDPARAMETER"),
    ],
)
def test_results_refused(shared: Org, params: dict[str, str], code: str) -> None:
    job = shared.query_job("SELECT Id FROM Account")
    shared.finished("query", job)
    for path in ("results", "resultPages"):
        answer = shared.http.get(f"/jobs/query/{job}/{path}", params=params)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_result_stays_what_it_was(org: Org) -> None:
    job = org.query_job("SELECT Id, Name FROM Account")
    org.finished("query", job)
    before = org.http.get(f"/jobs/query/{job}/results").content
    org.http.patch("/sobjects/Account/0015g0000000001AAA", json={"Name": "Changed"})
    assert org.http.get(f"/jobs/query/{job}/results").content == before
    assert "Changed" in org.csv("SELECT Name FROM Account")


def test_a_restart_takes_up_running_jobs_and_keeps_finished_ones(
    serving: Callable[..., Org],
) -> None:
    org = serving()
    done = org.query_job("SELECT Id FROM Account")
    org.finished("query", done)
    page = org.http.get(f"/jobs/query/{done}/results", params={"maxRecords": 2})
    locator = page.headers["Sforce-Locator"]
    org = serving(OrgOptions(job_delay=30))
    running = org.query_job("SELECT Id FROM Contact")
    org = serving()
    assert org.finished("query", running)["numberRecordsProcessed"] == 3
    url = f"/jobs/query/{done}/results"
    rest = org.http.get(url, params={"locator": locator, "maxRecords": 2})
    assert [row[0][-4] for row in _rows(rest.text)[1:]] == ["3", "4"]


def test_jobs_are_dropped_after_their_time(serving: Callable[..., Org]) -> None:
    org = serving()
    job = org.query_job("SELECT Id FROM Account")
    org.finished("query", job)
    assert (org.server.folder / "jobs" / job).exists()
    org = serving(OrgOptions(job_lifetime=-1))
    assert org.http.get(f"/jobs/query/{job}").status_code == 404
    assert not (org.server.folder / "jobs" / job).exists()


def test_a_field_dropped_meanwhile_fails_the_job(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(job_delay=0.3))
    job = org.query_job("SELECT Id, Email FROM Contact")
    change = {"object": "Contact", "action": "drop", "field": "Email"}
    assert org.http.post(f"{org.server.url}/sandbox/schema", json=change).status_code == 200
    failed = org.finished("query", job)
    assert failed["state"] == "Failed"
    assert "No such column 'Email'" in failed["errorMessage"]


def test_quotas_of_jobs_and_results(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(quotas=Quotas(query_jobs=1)))
    org.query_job("SELECT Id FROM Account")
    refused = org.http.post(
        "/jobs/query", json={"operation": "query", "query": "SELECT Id FROM Account"}
    )
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")
    assert refused.json()[0]["message"] == (
        "Max bulk v2 query jobs (1) per 24 hrs has been reached (2)"
    )
    org = serving(OrgOptions(quotas=Quotas(query_result_mb=0)))
    refused = org.http.post(
        "/jobs/query", json={"operation": "query", "query": "SELECT Id FROM Account"}
    )
    assert "result size stored" in refused.json()[0]["message"]


def test_a_wide_result_is_written_quickly(folder: Path, serving: Callable[..., Org]) -> None:
    """In no more than a few times what a Python loop over its values takes."""
    with OrgStore.open(folder) as store, store.write() as cursor:
        cursor.execute("""INSERT INTO main."Account" BY NAME SELECT 'x' || n AS "Id",
            'name ' || n AS "Name", n AS "Staff__c", n / 7 AS "Amount__c", now() AS "CreatedDate"
            FROM range(100000) r(n)""")
    org = serving()
    begun = time.monotonic()
    job = org.query_job("SELECT Id, Name, Staff__c, Amount__c, CreatedDate, Active__c FROM Account")
    assert org.finished("query", job)["numberRecordsProcessed"] == 100_004
    first = org.http.get(f"/jobs/query/{job}/results")
    seconds = time.monotonic() - begun
    assert first.headers["Sforce-NumberOfRecords"] == "100000"
    assert first.text.count("\n") == 100_001
    begun = time.monotonic()
    rows = [[f'"{value}"' for value in row] for row in csv.reader(io.StringIO(first.text))]
    assert len(rows) == 100_001
    loop_seconds = time.monotonic() - begun
    assert seconds < 5 * loop_seconds
