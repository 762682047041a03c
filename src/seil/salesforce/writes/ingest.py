"""Bulk API 2.0 ingest jobs.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.csv as pc_csv

from seil.errors import RejectError, RequestRejectedError, UnavailableError
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.writes.batch import RowOutcome, WriteTarget
from seil.salesforce.writes.row_errors import failed_row, job_error

_GONE = frozenset({404, 410})
_FIRST_POLL = 0.1
_CSV = "text/csv; charset=UTF-8"
# One row may hold 400,000 characters; a block holds whole rows.
_BLOCK = 16 << 20


@dataclass(frozen=True)
class IngestJob:
    """`processed` includes failed rows."""

    id: str
    state: str
    processed: int = 0
    failed: int = 0
    error_message: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("JobComplete", "Failed", "Aborted")

    @property
    def is_open(self) -> bool:
        """Its data is not complete: nothing of it is processed."""
        return self.state == "Open"

    @classmethod
    def parse(cls, answer: Any) -> IngestJob:
        """Raises UnavailableError for a response that describes no job."""
        if not isinstance(answer, dict) or not answer.get("id") or not answer.get("state"):
            raise UnavailableError(SERVICE, "the answer does not describe an ingest job")
        return cls(
            id=answer["id"],
            state=answer["state"],
            processed=int(answer.get("numberRecordsProcessed") or 0),
            failed=int(answer.get("numberRecordsFailed") or 0),
            error_message=answer.get("errorMessage") or "",
        )


class IngestJobGoneError(RejectError):
    """The job does not exist any more: deleted, or older than seven days."""

    cure = "None needed: the next run looks up what the job did, record by record."

    def __init__(self, job_id: str) -> None:
        super().__init__(f"ingest job {job_id} is not there any more")
        self.job_id = job_id


class BulkIngest:
    """The jobs of one org."""

    def __init__(self, connection: OrgConnection, sleep: Callable[[float], None]) -> None:
        self._connection = connection
        self._sleep = sleep

    def create(self, target: WriteTarget) -> IngestJob:
        """Creates an open job. Retried after a lost response: the org deletes empty jobs."""
        body = {
            "object": target.object,
            "operation": target.operation,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        if target.operation == "upsert":
            body["externalIdFieldName"] = target.key
        call = OrgCall("POST", "jobs/ingest", body=body, about=target.object, idempotent=True)
        return IngestJob.parse(self._connection.json(call))

    def upload(self, job_id: str, rows: pa.Table) -> None:
        """A job takes data once, so a refusal of the retry after a lost response is success."""
        call = OrgCall(
            "PUT", f"{_path(job_id)}/batches", content=csv_bytes(rows), content_type=_CSV
        )
        try:
            self._connection.send(call)
        except RequestRejectedError as error:
            if error.code != "INVALIDJOBSTATE" or "multiple contents" not in error.reason:
                raise

    def close(self, job_id: str) -> IngestJob:
        """Marks the data complete, so that the org processes it. Idempotent."""
        body = {"state": "UploadComplete"}
        call = OrgCall("PATCH", _path(job_id), body=body, idempotent=True)
        try:
            return IngestJob.parse(self._connection.json(call))
        except RequestRejectedError:
            job = self.info(job_id)
            if job.is_open:
                raise
            return job

    def abort(self, job_id: str) -> None:
        """Sent beyond the budget, too: an open job stays in the org."""
        body = {"state": "Aborted"}
        call = OrgCall("PATCH", _path(job_id), body=body, idempotent=True, within_budget=False)
        self._connection.send(call)

    def info(self, job_id: str) -> IngestJob:
        """Raises IngestJobGoneError."""
        try:
            return IngestJob.parse(self._connection.json(OrgCall("GET", _path(job_id))))
        except RequestRejectedError as error:
            if error.status in _GONE:
                raise IngestJobGoneError(job_id) from error
            raise

    def wait(self, job_id: str, *, poll: float, timeout: float) -> IngestJob:
        """Polls until the job is over; returns it in its final state.

        Raises IngestJobGoneError; UnavailableError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        pause = min(_FIRST_POLL, poll)
        while not (job := self.info(job_id)).is_over:
            if time.monotonic() + pause > deadline:
                reason = f"job {job_id} is still {job.state} after {timeout:.0f} s"
                raise UnavailableError(SERVICE, reason)
            self._sleep(pause)
            pause = min(pause * 1.5, poll)
        return job

    def outcomes(self, job_id: str, key: str) -> Iterator[RowOutcome]:
        """The rows of a finished job's results, in any order; unprocessed ones are `retrying`."""
        for row_key, record_id, created in self._results(
            job_id, "successfulResults", (key, "sf__Id", "sf__Created")
        ):
            yield RowOutcome(row_key, "written", record_id, created == "true")
        for row_key, record_id, error in self._results(
            job_id, "failedResults", (key, "sf__Id", "sf__Error")
        ):
            yield failed_row(row_key, job_error(error), record_id)
        for (row_key,) in self._results(job_id, "unprocessedRecords", (key,)):
            yield RowOutcome(row_key, "retrying", code="UNPROCESSED")

    def _results(self, job_id: str, kind: str, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        call = OrgCall("GET", f"{_path(job_id)}/{kind}/", accept="text/csv")
        content = self._connection.send(call).content
        if not content.strip():
            return
        yield from _read(content, names)


def csv_bytes(rows: pa.Table) -> bytes:
    """CSV with quotes around every text, empty cells for nulls, LF line ends."""
    sink = BytesIO()
    pc_csv.write_csv(rows, sink, pc_csv.WriteOptions(quoting_style="needed"))
    return sink.getvalue()


def _read(content: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    reader = pc_csv.open_csv(
        BytesIO(content),
        read_options=pc_csv.ReadOptions(block_size=_BLOCK),
        parse_options=pc_csv.ParseOptions(newlines_in_values=True),
        convert_options=pc_csv.ConvertOptions(
            include_columns=list(names),
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            include_missing_columns=False,
        ),
    )
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _path(job_id: str) -> str:
    return f"jobs/ingest/{quote(job_id, safe='')}"
