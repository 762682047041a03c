"""From an event to TechOne's table and the job's status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.rest_writes import write
from tests.sf_to_t1.conftest import Billing

from seil.app import billing as flow
from seil.app import steps
from seil.errors import LoginError, RetryError
from seil.observe.progress import SILENT, Step
from seil.sandbox.salesforce.faults import OrgFault
from seil.sf_to_t1.event import BillingReady
from seil.sf_to_t1.refusals import BillingFileError
from seil.state.billing import BillingFile

CSV = 'A,B\n1,"x, ""y"" & <z>"\n1,"x, ""y"" & <z>"\n2,"two\r\nlines"\n3,\n4,é\U0001f600\n'
ROWS = Counter(
    {("1", 'x, "y" & <z>'): 2, ("2", "two\r\nlines"): 1, ("3", ""): 1, ("4", "é\U0001f600"): 1}
)
RECEIVED = "Received by TechOne"


def stored(billing: Billing) -> list[BillingFile]:
    with billing.open() as site:
        return site.state.billing.files()


def test_event_imports_each_row_once_and_the_job_gets_its_status(billing: Billing) -> None:
    event = billing.extract(CSV)
    report = billing.handle(event)
    assert report.problems == []
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)
    assert [file.row_count for file in report.files] == [5]
    sent = billing.imports
    again = billing.handle(event)
    assert (again.ok, billing.rows(), billing.imports) == (True, ROWS, sent)


def test_event_with_15_character_ids_from_another_source_is_the_same(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.handle(event)
    fields = {
        "IntegrationJobId__c": event.job_id[:15],
        "FileIds__c": f'["{event.file_ids[0][:15]}", "{event.file_ids[0]}"]',
    }
    assert billing.handle(BillingReady.parse(fields)).ok
    assert billing.rows() == ROWS


def test_warehouse_is_deleted_and_rebuilt_and_nothing_is_imported_twice(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.handle(event)
    with billing.open() as site, site.warehouse():
        pass
    Path("warehouse.duckdb").unlink()
    with billing.open() as site:
        steps.rebuild(site, anyway=True)
    assert billing.handle(event).ok
    assert billing.rows() == ROWS


LOST: dict[str, dict[str, Any]] = {
    "answer lost": {"reset": "after", "times": 2},
    "not executed": {"reset": "before", "times": 2},
    "malformed": {"html": "<p>", "times": 1},
    "unavailable": {"status": 503, "times": 1},
    "half imported": {"rows": 1, "reset": "after", "times": 1},
    "truncated": {"cut": 30, "times": 1},
    "in the second batch": {"reset": "after", "after": 1, "times": 1},
}


BY = {"batch": 'batch_column = "SEIL"', "column": 'read_by = "A"'}


@pytest.mark.parametrize(
    ("case", "mode"),
    [*((case, "") for case in LOST), *(("in the second batch", mode) for mode in BY.values())],
)
def test_lost_answer_is_decided_by_the_table(billing: Billing, case: str, mode: str) -> None:
    billing.configure(mode)
    event = billing.extract(CSV)
    billing.fault(**LOST[case])
    try:
        assert billing.handle(event).ok
    except RetryError:
        assert billing.handle(event).ok
    assert Counter(row[:2] for row in billing.rows().elements()) == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)


def test_rows_that_others_imported_do_not_count_as_ours(billing: Billing) -> None:
    billing.handle(billing.extract(CSV))
    event = billing.extract(CSV)
    billing.fault(reset="before", times=1)
    report = billing.handle(event)
    assert report.ok
    assert billing.rows() == ROWS + ROWS
    (file,) = report.files
    assert "has the same content as" in file.note
    assert billing.job(event.job_id) == (RECEIVED, file.note)


def test_techone_is_down_and_the_next_run_goes_on(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.fault(status=503, after=1)
    billing.configure("attempts = 1")
    with pytest.raises(RetryError):
        billing.handle(event)
    assert [file.state for file in stored(billing)] == ["open"]
    assert billing.job(event.job_id) == ("New", None)
    billing.techone.faults.clear()
    with billing.open() as site:
        (trouble,) = site.state.troubles.all()
        assert (trouble.command, trouble.kind) == ("sync sf-to-t1", "unavailable")
        assert flow.sync_billing(site).ok
        assert site.state.troubles.all() == []
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)


def test_refused_login_stops_without_failing_the_file(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.known_fault("password-expired")
    with pytest.raises(LoginError, match="The password has expired"):
        billing.handle(event)
    assert [file.state for file in stored(billing)] == ["open"]
    assert billing.job(event.job_id) == ("New", None)
    billing.techone.faults.clear()
    assert billing.handle(event).ok
    assert billing.rows() == ROWS


def test_bad_file_sends_nothing_fails_its_job_and_no_other(billing: Billing) -> None:
    bad, good = billing.extract("A,B\n1,2\n3\n", CSV), billing.extract(CSV.replace("1", "7"))
    report = billing.handle(bad)
    assert [file.state for file in report.files] == ["failed", "imported"]
    status, message = billing.job(bad.job_id)
    assert (status, message) == (
        "Failed", f"{bad.file_ids[0]}: row 2 (line 3) has 1 values for 2 columns",
    )  # fmt: skip
    assert billing.rows() == ROWS
    assert billing.handle(good).ok
    assert billing.handle(bad).problems != []
    assert billing.rows().total() == 10


def test_file_without_the_column_of_read_by_is_refused(billing: Billing) -> None:
    billing.configure('read_by = "Period"')
    event = billing.extract(CSV)
    billing.handle(event)
    reason = f"{event.file_ids[0]}: it has no column Period: read_by"
    assert billing.job(event.job_id) == ("Failed", reason)
    assert billing.rows() == Counter()


def test_refused_batch_is_named_and_continued_once_corrected(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.known_fault("period-closed", after=1)
    report = billing.handle(event)
    reason = "TechOne refused batch 2 (rows 3 to 4): PERIOD: Row 1: The period is closed."
    assert [file.reason for file in report.files] == [f"{event.file_ids[0]}: {reason}"]
    assert billing.job(event.job_id)[0] == "Failed"
    assert billing.rows().total() == 2
    billing.techone.faults.clear()
    assert billing.handle(event).ok
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)


def test_content_that_changed_is_refused_by_name(billing: Billing) -> None:
    file = billing.folder / "lines.csv"
    file.write_text("A,B\n1,2\n3,4\n5,6\n")
    billing.configure("attempts = 1")
    billing.fault(reset="before", after=1, times=1)
    with billing.open() as site, pytest.raises(RetryError):
        flow.import_files(site, [str(file)])
    file.write_text("A,B\n1,2\n3,4\n5,7\n")
    with billing.open() as site:
        report = flow.import_files(site, [str(file)])
    assert [f.code for f in report.files] == ["changed"]
    assert "1 of its batches are in TechOne" in report.files[0].reason
    assert billing.rows().total() == 2


def test_new_content_under_the_path_of_an_imported_file_is_refused(billing: Billing) -> None:
    file, jobs = billing.folder / "lines.csv", [billing.extract(CSV).job_id for _ in range(2)]

    def sync(text: str, job: str) -> list[tuple[str, str]]:
        file.write_text(text)
        with billing.open() as site:
            report = flow.import_files(site, [str(file)], job_id=job)
            assert report.ok == (report.files[0].state == "imported")
            return [(f.state, f.code) for f in report.files]

    assert sync("A,B\n1,january\n", jobs[0]) == [("imported", "")]
    assert sync("A,B\n1,january\n", jobs[0]) == [("imported", "")]
    assert sync("A,B\n1,february\n", jobs[1]) == [("failed", "replaced")]
    with billing.open() as site, pytest.raises(BillingFileError, match="changed since it was imp"):
        flow.plan_files(site, [str(file)])
    assert [billing.job(job)[0] for job in jobs] == [RECEIVED, "Failed"]
    assert billing.rows() == Counter({("1", "january"): 1})
    assert sync("A,B\n1,january\n", jobs[1]) == [("imported", "")]
    assert [billing.job(job)[0] for job in jobs] == [RECEIVED, RECEIVED]
    assert billing.rows() == Counter({("1", "january"): 1})


def test_imported_version_of_the_org_is_not_downloaded_again(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.handle(event)
    fault = {"path": "connect/files", "method": "GET", "status": 503}
    billing.org.faults.add(OrgFault.model_validate(fault))
    assert billing.handle(event).ok


def test_same_file_under_two_jobs_is_imported_once_and_both_hear_of_it(billing: Billing) -> None:
    event, other = billing.extract(CSV), billing.extract(CSV.replace("1", "7"))
    billing.handle(event)
    billing.handle(BillingReady.of(other.job_id, event.file_ids))
    assert billing.rows() == ROWS
    assert billing.job(other.job_id) == (RECEIVED, None)


def test_lost_status_is_written_by_the_next_run_alone(billing: Billing) -> None:
    event = billing.extract(CSV)
    fault = {"path": "composite/sobjects", "method": "PATCH", "status": 503}
    billing.org.faults.add(OrgFault.model_validate(fault))
    with pytest.raises(RetryError):
        billing.handle(event)
    assert billing.job(event.job_id) == ("New", None)
    sent = billing.imports
    billing.org.faults.clear()
    with billing.open() as site:
        assert flow.sync_billing(site).ok
    assert billing.job(event.job_id) == (RECEIVED, None)
    assert (billing.imports, billing.rows()) == (sent, ROWS)


def test_job_that_was_deleted_is_reported_once(billing: Billing) -> None:
    event = billing.extract(CSV)
    write(billing.org.url, "DELETE", f"Integration_Job__c/{event.job_id}")
    report = billing.handle(event)
    assert "was not written" in report.problems[0]
    with billing.open() as site:
        assert flow.sync_billing(site).ok
    assert billing.rows() == ROWS


def test_waiting_jobs_are_taken_up_without_an_event(billing: Billing) -> None:
    event = billing.extract(CSV)
    write(billing.org.url, "PATCH", f"Integration_Job__c/{event.job_id}", {"Status__c": "New"})
    with billing.open() as site:
        report = flow.sync_billing(site)
    assert event.job_id in {job.job_id for job in report.jobs}
    assert billing.job(event.job_id) == (RECEIVED, None)
    assert billing.rows() == ROWS


def test_second_process_leaves_its_request_to_the_first(billing: Billing) -> None:
    first, second = billing.extract(CSV), billing.extract("A,B\n8,8\n")

    @dataclass
    class Meanwhile:
        """Another process's event comes while the first file is on its way."""

        report: flow.BillingReport | None = None

        @contextmanager
        def step(self, name: str, total: int | None = None) -> Iterator[Step]:
            if self.report is None:
                self.report = billing.handle(second)
            with SILENT.step(name) as step:
                yield step

    meanwhile = Meanwhile()
    with billing.open() as site:
        flow.handle_billing_ready(site, first, progress=meanwhile)
    assert meanwhile.report is not None
    assert meanwhile.report.held_by.startswith("process ")
    assert billing.rows() == ROWS + Counter({("8", "8"): 1})
    assert billing.job(second.job_id) == (RECEIVED, None)


def test_doubt_waits_for_a_person_and_stops_no_other_file(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.configure("attempts = 1")
    billing.fault(reset="after", times=1)
    read = {"path": "(?i)warehouse", "method": "POST", "body": "DoRead", "after": 1, "times": 1}
    answer = '<a><Errors IsError="true"><e ErrorCode="X"/></Errors></a>'
    billing.fault(**{**read, "text": answer})
    report = billing.handle(event)
    assert [file.state for file in report.files] == ["in_doubt"]
    status, message = billing.job(event.job_id)
    assert (status, "whether TechOne has batch 1 is not known" in (message or "")) == (
        "Failed",
        True,
    )
    billing.techone.faults.clear()
    assert not billing.handle(event).ok
    other = billing.extract("A,B\n8,8\n")
    assert billing.handle(other).ok
    with billing.open() as site:
        flow.decide_batch(site, event.file_ids[0], 1, "committed")
        assert flow.sync_billing(site).ok
    assert billing.rows() == ROWS + Counter({("8", "8"): 1})
    assert billing.job(event.job_id) == (RECEIVED, None)
