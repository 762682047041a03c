"""`seil sync sf-to-t1`: what was imported, and what would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from seil.app.billing import BillingReport, FilePlan
from seil.app.documents.base import JsonDocument
from seil.state.billing import BillingFile, BillingJob


@dataclass(frozen=True)
class BillingPlanDocument(
    JsonDocument, schema="seil.sync-sf-to-t1-plan/1", command="seil sync sf-to-t1 --dry-run"
):
    """`sums` are exact, of the columns whose values are all numbers."""

    files: Sequence[FilePlan]


@dataclass(frozen=True)
class _File:
    file_id: str
    place: str
    state: str
    rows: int
    columns: Sequence[str]
    content_hash: str
    code: str
    reason: str
    note: str
    requested_at: datetime

    @classmethod
    def of(cls, file: BillingFile) -> Self:
        names = ("file_id", "place", "state", "columns", "content_hash", "code", "reason", "note")
        values = {name: getattr(file, name) for name in (*names, "requested_at")}
        return cls(**values, rows=file.row_count)


@dataclass(frozen=True)
class _Job:
    job_id: str
    status: str
    message: str
    refusal: str

    @classmethod
    def of(cls, job: BillingJob) -> Self:
        return cls(job.job_id, job.written_status, job.written_message, job.refusal)


@dataclass(frozen=True)
class BillingDocument(JsonDocument, schema="seil.sync-sf-to-t1/1", command="seil sync sf-to-t1"):
    """`held_by`: the process that works on what was asked for, where it is not this one.

    A job's `status` is what was last written to it, empty before; `refusal` why it did not take
    the last write. A file's `state` is open, imported, failed or in_doubt.
    """

    run_id: str
    held_by: str
    files: Sequence[_File]
    jobs: Sequence[_Job]
    problems: Sequence[str]

    @classmethod
    def of(cls, report: BillingReport) -> Self:
        return cls(
            report.run_id,
            report.held_by,
            [_File.of(file) for file in report.files],
            [_Job.of(job) for job in report.jobs],
            report.problems,
        )
