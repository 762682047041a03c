"""Ingest jobs that do not end as they should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pyarrow as pa
import pytest
from tests.bookings import NAME, ROWS, bookings, by_job
from tests.limits import HANGS

from seil.errors import QuotaExhaustedError
from seil.salesforce.org import Org
from seil.salesforce.writes.batch import PARENT, WriteTarget
from seil.salesforce.writes.ingest import IngestJobGoneError
from seil.salesforce.writes.writer import JobAbortedError, UnaccountedRowsError, Writer
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.state.outcomes import OutcomeFilter, OutcomeLog
from seil.state.store import State

UPDATE = WriteTarget(NAME, "update")
INSERT = WriteTarget(NAME, "insert", "Number__c")


def states(state: State) -> dict[str, int]:
    return state.outcomes.counts(OutcomeFilter(flow="test"))


def new_notes(ids: list[str]) -> pa.Table:
    return pa.table({"Id": ids, "Note__c": ["new"] * len(ids)})


def notes(org: Org) -> set[Any]:
    return {record["Note__c"] for record in org.query(f"SELECT Note__c FROM {NAME}")}


def job_states(org: Org, server: OrgServer) -> set[str]:
    jobs = f"{server.url}/services/data/v66.0/jobs/ingest"
    headers = {"Authorization": f"Bearer {org.session().access_token}"}
    with httpx.Client(trust_env=False, timeout=HANGS) as client:
        return {job["state"] for job in client.get(jobs, headers=headers).json()["records"]}


def test_rows_that_the_results_do_not_name_fail_the_run(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    text = f'"sf__Id","sf__Created","Id"\n"{ids[0]}","false","{ids[0]}"\n'
    server.faults.add(OrgFault(path="successfulResults", text=text))
    writer = Writer(org, log, by_job())
    with pytest.raises(UnaccountedRowsError, match=f"{ROWS} rows were sent, .* name 1 of them"):
        writer.write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert states(state) == {"written": 1, "retrying": ROWS - 1}


def test_unnamed_inserts_are_looked_up(
    org: Org, server: OrgServer, log: OutcomeLog, state: State
) -> None:
    server.faults.add(OrgFault(path="successfulResults", text=""))
    with pytest.raises(UnaccountedRowsError):
        Writer(org, log, by_job()).write(INSERT, [bookings(3)], rows=3)
    assert states(state) == {"written": 3}


def test_results_for_rows_that_were_not_sent_count_for_nobody(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    text = f'"sf__Id","sf__Created","Id"\n"{ids[5]}","false","{ids[5]}"\n'
    server.faults.add(OrgFault(path="successfulResults", text=text))
    with pytest.raises(UnaccountedRowsError):
        Writer(org, log, by_job()).write(UPDATE, [new_notes(ids[:2])], rows=2)
    assert states(state) == {"retrying": 2}


def test_aborted_job_is_not_sent_again_in_this_run(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    aborts = {"state": "Aborted"}
    server.faults.add(OrgFault(method="GET", path=r"jobs/ingest/\w+$", members=aborts))
    server.faults.add(OrgFault(path="(successful|failed)Results", text=""))
    keys = "".join(f'"{record_id}","new"\n' for record_id in ids)
    server.faults.add(OrgFault(path="unprocessedRecords", text=f'"Id","Note__c"\n{keys}'))
    with pytest.raises(JobAbortedError, match=f"{ROWS} rows were not written"):
        Writer(org, log, by_job()).write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert states(state) == {"retrying": ROWS}


def test_batch_that_fails_as_a_whole_is_halved_to_its_bad_row(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    server.faults.add(
        OrgFault(path="batches", body=ids[4], status=400, code="CSV_ERROR", message="bad row")
    )
    counts = Writer(org, log, by_job()).write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert counts == {"written": ROWS - 1, "rejected": 1}
    (outcome,) = state.outcomes.find(OutcomeFilter(state="rejected"))
    assert (outcome.key, outcome.code, outcome.reason) == (ids[4], "CSV_ERROR", "bad row")


def test_each_of_many_rejected_rows_has_its_reason(org: Org, log: OutcomeLog, state: State) -> None:
    many = 4_000
    rows = bookings(many)
    amounts = ["many" if number % 20 == 0 else "1.00" for number in range(many)]
    place = rows.column_names.index("Amount__c")
    rows = rows.set_column(place, "Amount__c", pa.array(amounts))
    states_ = Writer(org, log, by_job()).write(INSERT, [rows], rows=many)
    assert states_ == {"written": 3_800, "rejected": 200}
    assert org.count(NAME) == 3_800
    rejected = list(state.outcomes.pages(OutcomeFilter(state="rejected"), rows=many))
    assert [outcome.key for outcome in rejected[0]] == [f"k{n:05d}" for n in range(0, many, 20)]
    assert all("many" in outcome.reason for outcome in rejected[0])


def test_session_that_expires_between_upload_and_results(
    org: Org, server: OrgServer, log: OutcomeLog, ids: list[str]
) -> None:
    server.faults.add(OrgFault(path="successfulResults", expire_session=True, times=1))
    assert Writer(org, log, by_job()).write(UPDATE, [new_notes(ids)], rows=ROWS) == {
        "written": ROWS
    }


def test_quota_that_is_gone_in_the_middle_loses_no_row(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    used_up = {"path": "batches", "status": 403, "code": "REQUEST_LIMIT_EXCEEDED"}
    message = "TotalRequests Limit per 24 hrs has been exceeded"
    server.faults.add(OrgFault(**used_up, message=message, after=1, times=1))
    writer = Writer(org, log, replace(by_job(), job_rows=10, jobs_at_once=1))
    with pytest.raises(QuotaExhaustedError):
        writer.write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert states(state) == {"written": 10, "retrying": 10}
    assert "Open" not in job_states(org, server)
    assert writer.recover() == {}
    assert writer.write(UPDATE, [new_notes(ids[10:])], rows=ROWS) == {"written": ROWS - 10}
    assert notes(org) == {"new"}


def test_job_that_cannot_be_aborted_either_is_aborted_by_the_next_run(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    for path in ("batches", r"jobs/ingest/\w+$"):
        used_up = OrgFault(path=path, status=403, code="REQUEST_LIMIT_EXCEEDED", times=1)
        server.faults.add(used_up)
    writer = Writer(org, log, by_job())
    with pytest.raises(QuotaExhaustedError):
        writer.write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert (states(state), job_states(org, server)) == ({"in_doubt": ROWS}, {"Open"})
    assert writer.recover() == {"retrying": ROWS}
    assert "Open" not in job_states(org, server)


@pytest.mark.parametrize(
    "path", [r"jobs/ingest/\w+$", "successfulResults"], ids=["poll", "results"]
)
def test_quota_that_is_gone_after_the_upload_leaves_the_results_to_the_next_run(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str], path: str
) -> None:
    used_up = {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED", "times": 1}
    server.faults.add(OrgFault(method="GET", path=path, **used_up))
    writer = Writer(org, log, by_job())
    with pytest.raises(QuotaExhaustedError):
        writer.write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert states(state) == {"in_doubt": ROWS}
    assert writer.recover() == {"written": ROWS}
    assert (notes(org), job_states(org, server)) == ({"new"}, {"JobComplete"})


def test_job_whose_data_is_refused_is_aborted(
    org: Org, server: OrgServer, log: OutcomeLog, ids: list[str]
) -> None:
    server.faults.add(OrgFault(path="batches", status=400, code="INVALIDBATCH", times=1))
    assert Writer(org, log, by_job()).write(UPDATE, [new_notes(ids)], rows=ROWS) == {
        "written": ROWS
    }
    assert job_states(org, server) == {"Aborted", "JobComplete"}


def test_jobs_that_share_a_parent_follow_each_other(
    org: Org, server: OrgServer, log: OutcomeLog, ids: list[str]
) -> None:
    rows = new_notes(ids).append_column(PARENT, [["p"] * ROWS])
    options = replace(by_job(), job_rows=10, jobs_at_once=3)
    assert Writer(org, log, options).write(UPDATE, [rows], rows=ROWS) == {"written": ROWS}
    assert notes(org) == {"new"}


def test_job_that_is_gone_is_sent_again(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str]
) -> None:
    server.faults.add(
        OrgFault(method="GET", path=r"jobs/ingest/\w+$", status=404, code="NOT_FOUND")
    )
    writer = Writer(org, log, by_job())
    with pytest.raises(IngestJobGoneError, match="is not there any more"):
        writer.write(UPDATE, [new_notes(ids)], rows=ROWS)
    assert writer.recover() == {"retrying": ROWS}
    server.faults.clear()
    assert writer.write(UPDATE, [new_notes(ids)], rows=ROWS) == {"written": ROWS}
