from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.limits import until
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce import ingest_jobs
from seil.sandbox.salesforce.conversion import RowError
from seil.sandbox.salesforce.csv_text import Dialect
from seil.sandbox.salesforce.ingest_file import IngestFile, Results
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.records import OrgRecords, WriteOutcome

ONE, TWO, THREE, FOUR, FIVE = (f"0015g000000000{n}AAA" for n in range(1, 6))


def _dicts(text: str, **reading: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, ""), **reading))


def test_create_answers_what_clients_read(org: Org) -> None:
    body = {"operation": "upsert", "object": "account", "externalIdFieldName": "ext__c"}
    answer = org.http.post("/jobs/ingest/", json=body)
    job = answer.json()
    assert answer.status_code == 200
    assert (job["object"], job["state"], job["externalIdFieldName"]) == (
        "Account",
        "Open",
        "Ext__c",
    )
    assert job["contentUrl"] == f"services/data/v62.0/jobs/ingest/{job['id']}/batches"
    info = org.http.get(f"/jobs/ingest/{job['id']}/").json()
    assert (info["jobType"], info["retries"]) == ("V2Ingest", 0)
    assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (0, 0)


def test_uploads_count_against_the_bulk_allowance(org: Org) -> None:
    org.ingest("Account", "insert", "Name\nx\n")
    limit = org.http.get("/limits").json()["DailyBulkApiRequests"]
    assert limit == {"Max": 15_000, "Remaining": 14_999}


def test_insert_gives_every_row_its_outcome(org: Org) -> None:
    text = f'Name,Amount__c,ParentId\n"a, ""b""",1.5,{ONE}\n,2,\nc,many,\nd,,{FIVE}\n'
    job = org.ingest("Account", "insert", text)
    assert job["state"] == "JobComplete"
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (4, 3)
    (good,) = _dicts(org.ingest_result(job, "successfulResults"))
    assert (good["sf__Created"], good["Name"], good["Amount__c"]) == ("true", 'a, "b"', "1.5")
    bad = _dicts(org.ingest_result(job, "failedResults"))
    assert [row["sf__Error"].partition(":")[0] for row in bad] == [
        "REQUIRED_FIELD_MISSING",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "INVALID_CROSS_REFERENCE_KEY",
    ]
    assert bad[0]["sf__Error"] == (
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    )
    assert org.ingest_result(job, "unprocessedRecords") == '"Name","Amount__c","ParentId"\n'
    assert org.query(f"SELECT Name, ParentId FROM Account WHERE Id = '{good['sf__Id']}'") == [
        {"Name": 'a, "b"', "ParentId": ONE}
    ]


def test_update_leaves_empty_cells_and_empties_na(org: Org) -> None:
    text = (
        f"Id;Ext__c;Staff__c;Description\r\n{ONE};;#N/A;two\r\n{FIVE};x;1;\r\nbad;x;1;\r\n;x;1;\r\n"
    )
    job = org.ingest("Account", "update", text, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (4, 3)
    (record,) = org.query(f"SELECT Ext__c, Staff__c, Description FROM Account WHERE Id = '{ONE}'")
    assert record == {"Ext__c": "A-1", "Staff__c": None, "Description": "two"}
    failed = org.ingest_result(job, "failedResults")
    assert failed.endswith("\r\n")
    codes = [row["sf__Error"].partition(":")[0] for row in _dicts(failed, delimiter=";")]
    assert codes == ["ENTITY_IS_DELETED", "MALFORMED_ID", "MISSING_ARGUMENT"]
    (good,) = _dicts(org.ingest_result(job, "successfulResults"), delimiter=";")
    assert (good["sf__Id"], good["sf__Created"]) == (ONE, "false")


def test_upsert_reports_which_rows_it_created(org: Org) -> None:
    text = "Ext__c,Name,Parent.Ext__c\na-1,changed,\nnew,made,A-2\n,blank,\ndup,x,\ndup,y,\n"
    job = org.ingest("Account", "upsert", text, externalIdFieldName="Ext__c")
    good = _dicts(org.ingest_result(job, "successfulResults"))
    assert [(row["Name"], row["sf__Created"]) for row in good] == [
        ("changed", "false"),
        ("made", "true"),
        ("blank", "true"),
        ("x", "true"),
    ]
    (bad,) = _dicts(org.ingest_result(job, "failedResults"))
    assert bad["sf__Error"].startswith("DUPLICATE_VALUE:Duplicate external id specified: dup")
    (record,) = org.query("SELECT ParentId FROM Account WHERE Ext__c = 'new'")
    assert record == {"ParentId": TWO}


def test_upsert_by_id_and_by_a_value_several_carry(org: Org) -> None:
    job = org.ingest("Account", "upsert", f"Id,Name\n{ONE},one\n", externalIdFieldName="Id")
    assert job["numberRecordsFailed"] == 0
    job = org.ingest("Account", "upsert", "Code__c,Name\n20,x\n", externalIdFieldName="Code__c")
    (bad,) = _dicts(org.ingest_result(job, "failedResults"))
    assert bad["sf__Error"].startswith("DUPLICATE_EXTERNAL_ID")


def test_delete_and_hard_delete(org: Org) -> None:
    job = org.ingest("Account", "delete", f"Id\n{ONE}\n{FIVE}\n")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 1)
    assert len(org.query("SELECT Id FROM Account")) == 3
    job = org.ingest("Account", "hardDelete", f"Id\n{TWO}\n{FIVE}\n")
    assert job["numberRecordsFailed"] == 0
    rest = org.query("SELECT Id FROM Account", deleted_too=True)
    assert [record["Id"] for record in rest] == [ONE, THREE, FOUR]
    window = {"start": "2024-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}
    deleted = org.http.get("/sobjects/Account/deleted", params=window).json()["deletedRecords"]
    assert {record["id"] for record in deleted} == {ONE, TWO, FIVE}


def test_a_user_has_no_recycle_bin(org: Org) -> None:
    job = org.ingest("User", "delete", "Id\n0055g0000000001AAA\n")
    assert job["numberRecordsFailed"] == 0
    assert org.query("SELECT Id FROM User", deleted_too=True) == []


@pytest.mark.parametrize(
    ("operation", "text", "words"),
    [
        ("insert", "Name,Foo\nx,1\n", "InvalidBatch : Field name not found : Foo"),
        ("insert", "Name,Foo.Ext__c\nx,1\n", "Field name not found : Foo.Ext__c"),
        ("insert", "", "empty or cannot be read"),
        ("insert", "Name\r\nx\r\n", "LineEnding is invalid on user data"),
        ("insert", "Name,Staff__c\nx\n", "1 values for 2 columns"),
        ("insert", 'Name\n"x', "InvalidBatch"),
        ("delete", "Id,Name\nx,y\n", "must contain only 'Id'"),
        ("insert", "Name,name\nx,y\n", "Duplicate column : Name"),
        ("insert", b"Name\n\xe9\n", "cannot be read as CSV"),
        ("insert", b"Name\n" + b"x\n" * 9_000 + b"\xe9\n", "can't decode byte 0xe9"),
    ],
)
def test_a_file_that_cannot_be_taken_fails_the_job(
    org: Org, operation: str, text: str | bytes, words: str
) -> None:
    job = org.ingest("Account", operation, text)
    assert job["state"] == "Failed"
    assert words in job["errorMessage"]
    assert len(org.query("SELECT Id FROM Account")) == 4


def test_a_job_that_breaks_has_failed(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(OrgRecords, "insert", broken)
    job = org.ingest("Account", "insert", "Name\nx\n")
    assert (job["state"], "InternalServerError" in job["errorMessage"]) == ("Failed", True)


def test_deleting_takes_the_column_in_any_case(org: Org) -> None:
    assert org.ingest("Account", "delete", f"id\n{ONE}\n")["numberRecordsFailed"] == 0


def test_rows_not_reached_are_unprocessed(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_jobs, "_BATCH_ROWS", 2)
    job = org.ingest("Account", "insert", "Name,Staff__c\na,1\nb,2\nc,3\nd\ne,5\n")
    assert job["state"] == "Failed"
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 0)
    assert (
        org.ingest_result(job, "unprocessedRecords") == '"Name","Staff__c"\n"c","3"\n"d"\n"e","5"\n'
    )


def test_states_and_uploads_are_kept_in_order(org: Org) -> None:
    job = org.http.post("/jobs/ingest", json={"operation": "insert", "object": "Account"}).json()
    url = f"/jobs/ingest/{job['id']}"
    csv_type = {"Content-Type": "text/csv; charset=UTF-8"}
    refused = org.http.put(
        f"{url}/batches", content=b"{}", headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 415
    early = org.http.get(f"{url}/failedResults")
    assert early.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert org.http.put(f"{url}/batches", content=b"Name\nx\n", headers=csv_type).status_code == 201
    twice = org.http.put(f"{url}/batches", content=b"Name\nx\n", headers=csv_type)
    assert "Found multiple contents for job" in twice.json()[0]["message"]
    assert org.http.delete(url).json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert org.http.patch(url, json={"state": "InProgress"}).status_code == 400
    closed = org.http.patch(f"{url}/", json={"state": "UploadComplete"})
    assert closed.json()["state"] == "UploadComplete"
    org.finished("ingest", job["id"])
    again = org.http.patch(url, json={"state": "Aborted"})
    assert again.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    late = org.http.put(f"{url}/batches", content=b"Name\nx\n", headers=csv_type)
    assert late.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    jobs = org.http.get("/jobs/ingest").json()["records"]
    assert [record["id"] for record in jobs] == [job["id"]]
    assert org.http.delete(url).status_code == 204
    assert org.http.get(url).status_code == 404


def test_an_open_job_can_be_aborted(org: Org) -> None:
    job = org.http.post("/jobs/ingest", json={"operation": "insert", "object": "Account"}).json()
    url = f"/jobs/ingest/{job['id']}"
    assert org.http.patch(url, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert org.http.get(f"{url}/successfulResults").content == b""


def test_a_job_aborted_on_its_way_writes_nothing_more(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(job_delay=0.3))
    job = org.http.post("/jobs/ingest", json={"operation": "insert", "object": "Account"}).json()
    url = f"/jobs/ingest/{job['id']}"
    org.http.put(f"{url}/batches", content=b"Name\nx\n", headers={"Content-Type": "text/csv"})
    org.http.patch(url, json={"state": "UploadComplete"})
    org.http.patch(url, json={"state": "Aborted"})
    until(lambda: True)
    assert org.finished("ingest", job["id"])["state"] == "Aborted"
    assert org.query("SELECT Id FROM Account WHERE Name = 'x'") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"operation": "merge", "object": "Account"}, "Unsupported operation"),
        ({"operation": "insert", "object": "Foo"}, "Unable to find object: Foo"),
        ({"operation": "insert"}, "Required field missing: object"),
        ({"operation": "insert", "object": "Account", "contentType": "JSON"}, "CSV"),
        ({"operation": "insert", "object": "Account", "lineEnding": "CR"}, "CR is none of"),
        ({"operation": "upsert", "object": "Account"}, "External ID was blank"),
        (
            {"operation": "upsert", "object": "Account", "externalIdFieldName": "Staff__c"},
            "Staff__c does not match an External ID",
        ),
    ],
)
def test_create_refused(shared: Org, body: dict[str, str], words: str) -> None:
    answer = shared.http.post("/jobs/ingest", json=body)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALIDJOB"
    assert words in answer.json()[0]["message"]


def test_an_upload_over_the_limit_is_refused(
    serving: Callable[..., Org], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_jobs, "_MAX_UPLOAD", 1_000)
    org = serving()
    job = org.http.post("/jobs/ingest", json={"operation": "insert", "object": "Account"}).json()
    answer = org.http.put(
        f"/jobs/ingest/{job['id']}/batches",
        content=b"Name\n" + b"x\n" * 1_000,
        headers={"Content-Type": "text/csv"},
    )
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (413, "REQUEST_TOO_LARGE")


def test_a_restart_writes_the_rest_and_nothing_twice(
    serving: Callable[..., Org], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_jobs, "_BATCH_ROWS", 2)
    org = serving(OrgOptions(job_delay=30))
    job = org.http.post("/jobs/ingest", json={"operation": "insert", "object": "Account"}).json()
    url = f"/jobs/ingest/{job['id']}"
    rows = "".join(f"row {n}\n" for n in range(5))
    org.http.put(
        f"{url}/batches", content=f"Name\n{rows}".encode(), headers={"Content-Type": "text/csv"}
    )
    org.http.patch(url, json={"state": "UploadComplete"})
    folder = org.server.folder
    org = serving(OrgOptions(job_delay=30))  # still waiting; now pretend one batch was done
    org.server.stop()
    _write_first_batch(folder, job["id"])
    org = serving()
    done = org.finished("ingest", job["id"])
    assert (done["state"], done["numberRecordsProcessed"]) == ("JobComplete", 5)
    names = org.query("SELECT Name FROM Account WHERE Name LIKE 'row %' ORDER BY Name")
    assert [record["Name"] for record in names] == ["row 2", "row 3", "row 4"]
    results = _dicts(org.ingest_result(done, "successfulResults"))
    assert [row["Name"] for row in results] == [f"row {n}" for n in range(5)]


def _write_first_batch(folder: Path, job_id: str) -> None:
    from seil.sandbox.salesforce.store import OrgStore

    file = IngestFile(folder / "jobs" / job_id / "upload.csv", Dialect())
    outcomes = [WriteOutcome(f"id {n}", created=True, error=None) for n in range(2)]
    Results(file).keep(0, [["row 0"], ["row 1"]], outcomes)
    with OrgStore.open(folder) as store:
        store.keep_setting(f"ingest:{job_id}", "1")


def test_old_jobs_are_dropped(serving: Callable[..., Org]) -> None:
    org = serving()
    job = org.ingest("Account", "insert", "Name\nx\n")
    org = serving(OrgOptions(job_lifetime=-1))
    assert org.http.get(f"/jobs/ingest/{job['id']}").status_code == 404


def test_row_error_as_the_api_writes_it() -> None:
    assert RowError("CODE", "text", ("A", "B")).as_text() == "CODE:text:A, B --"
    assert RowError("CODE", "text").as_text() == "CODE:text:--"
