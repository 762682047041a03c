"""The status of Integration_Job__c records: written apart from the import, retried by itself.

What a job should say follows from its files alone. It is written when it differs from
what was last written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from seil.salesforce.org import Org
from seil.salesforce.writes.batch import CLEAR, RowOutcome, WriteLog, WriteTarget
from seil.salesforce.writes.rules import ObjectRules
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sf_to_t1.event import BillingEventError, BillingReady, json_list
from seil.sf_to_t1.refusals import REPLACED
from seil.state.billing import BillingJob, BillingStore

OBJECT, STATUS, MESSAGE = "Integration_Job__c", "Status__c", "Job_Message__c"
RECEIVED, FAILED = "Received by TechOne", "Failed"


@dataclass(frozen=True)
class JobStatus:
    job_id: str
    status: str
    message: str


def status_of(job: BillingJob) -> JobStatus | None:
    """None while one of its files is on its way.

    A job that heard of a file's earlier content is not told of the later one.
    """
    if any(file.state == "open" for file in job.files):
        return None
    received = ("imported", REPLACED) if job.written_status == RECEIVED else ("imported",)
    if reasons := [f.reason for f in job.files if (f.code or f.state) not in received]:
        return JobStatus(job.job_id, FAILED, "; ".join(reasons))
    notes = [file.note for file in job.files if file.note]
    return JobStatus(job.job_id, RECEIVED, "; ".join(notes))


def unwritten(jobs: Sequence[BillingJob]) -> list[JobStatus]:
    return [
        status
        for job in jobs
        if (status := status_of(job))
        if (status.status, status.message) != (job.written_status, job.written_message)
    ]


@dataclass(frozen=True)
class JobWriter:
    org: Org
    log: WriteLog
    store: BillingStore
    options: WriterOptions

    def write(self) -> None:
        """Writes what is not written. What Salesforce refuses is stored with the job.

        Raises ObjectRejectedError, where this user cannot see the object, and errors of the
        connection.
        """
        writer = Writer(self.org, self.log, self.options)
        writer.recover()
        jobs = {job.job_id: job for job in self.store.jobs()}
        if not (statuses := {s.job_id: s for s in unwritten(list(jobs.values()))}):
            return

        def settle(outcomes: Sequence[RowOutcome]) -> None:
            for outcome in outcomes:
                self._store(jobs[outcome.key], statuses[outcome.key], outcome)

        length = message_length(self.org.write_rules(OBJECT))
        rows = [_row(status, length) for status in statuses.values()]
        table = pa.Table.from_pylist(rows)
        writer.write(WriteTarget(OBJECT, "update"), [table], rows=len(rows), on_settled=settle)

    def _store(self, job: BillingJob, status: JobStatus, outcome: RowOutcome) -> None:
        if outcome.state in ("written", "unchanged"):
            self.store.put_job(job.job_id, status.status, status.message)
            return
        refusal = ": ".join(filter(None, (outcome.code or outcome.state, outcome.reason)))
        # A record that is gone is not written again.
        is_gone = outcome.state == "missing"
        desired = (status.status, status.message)
        written = desired if is_gone else (job.written_status, job.written_message)
        self.store.put_job(job.job_id, *written, refusal=refusal)


def waiting_jobs(org: Org, condition: str, files_field: str) -> Iterator[BillingReady]:
    """Jobs that wait, by a SOQL condition; those that do not name their files do not wait yet.

    Raises ObjectRejectedError.
    """
    if not condition:
        return
    soql = f"SELECT Id, {files_field} FROM {OBJECT} WHERE {condition} ORDER BY CreatedDate"  # noqa: S608  (SOQL)
    for record in org.query(soql):
        try:
            yield BillingReady.of(str(record["Id"]), json_list(record.get(files_field)))
        except BillingEventError:
            continue


def message_length(rules: ObjectRules) -> int:
    """Of Job_Message__c in characters; 0 where the user does not see it."""
    rule = rules.get(MESSAGE)
    return rule.length if rule else 0


def cut_message(message: str, length: int) -> str:
    """At most `length` characters; says so where it is cut. Salesforce counts UTF-16 units."""
    size = len(message.encode("utf-16-le")) // 2
    if size <= length:
        return message
    end = f" ... (cut from {size:,} characters)"
    room = max(0, length - len(end))
    start = message.encode("utf-16-le")[: room * 2].decode("utf-16-le", "ignore")
    return (start + end)[:length]


def _row(status: JobStatus, length: int) -> dict[str, str]:
    row = {"Id": status.job_id, STATUS: status.status}
    return row | ({MESSAGE: cut_message(status.message, length) or CLEAR} if length else {})
