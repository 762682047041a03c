"""Billing files on their way into TechOne: files, their batches, and the jobs that asked for them.

A batch is stored before it is sent and marked when TechOne has committed it. The rows of a batch
are known by hash, so that a batch whose answer was lost can be looked for in TechOne's table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from seil.state.database import Database, Row, Transaction, moment, moment_or_none, stamp, write
from seil.state.leases import StateLease
from seil.state.restored import restored_at
from seil.state.schema import meta_value, set_meta

BillingState = Literal["open", "imported", "failed", "in_doubt"]
BatchState = Literal["planned", "sent", "committed", "failed", "in_doubt"]
T = TypeVar("T")

HASH_LENGTH = 16
_REQUESTS = "billing_requests"
_NEVER = datetime.min.replace(tzinfo=UTC)
_FILE = (
    "file_id, place, state, content_hash, size, row_count, batch_rows, column_names, code, reason, "
    "note, run_id, requested_at, changed_at"
)
_FILES = f"SELECT {_FILE} FROM billing_files"  # noqa: S608
_ADD_FILE = """
INSERT INTO billing_files (file_id, place, state, content_hash, size, row_count, batch_rows,
    column_names, code, reason, note, run_id, requested_at, changed_at)
VALUES (:file_id, :place, 'open', '', 0, 0, 0, '[]', '', '', '', '', :now, :now)
ON CONFLICT (file_id, place) DO UPDATE SET state = 'open', changed_at = excluded.changed_at
WHERE billing_files.state = 'failed'"""
_REOPEN_FILE = """
UPDATE billing_files SET state = 'open', changed_at = :now
WHERE file_id = :file_id AND place = :place AND state = 'imported'"""
_SET_FILE = """
UPDATE billing_files SET state = :state, content_hash = :content_hash, size = :size,
    row_count = :row_count, batch_rows = :batch_rows, column_names = :column_names, code = :code,
    reason = :reason, note = :note, run_id = :run_id, changed_at = :changed_at
WHERE file_id = :file_id AND place = :place"""
_BATCH = (
    "file_id, place, number, first_row, row_count, state, row_hashes, criteria, "
    "rows_before, total_before, attempts, reason, run_id, sent_at, changed_at"
)
_BATCHES = f"SELECT {_BATCH} FROM billing_batches"  # noqa: S608
_PUT_BATCH = """
INSERT INTO billing_batches (file_id, place, number, first_row, row_count, state, row_hashes,
    criteria, rows_before, total_before, attempts, reason, run_id, sent_at, changed_at)
VALUES (:file_id, :place, :number, :first_row, :row_count, :state, :row_hashes, :criteria,
    :rows_before, :total_before, :attempts, :reason, :run_id, :sent_at, :changed_at)
ON CONFLICT (file_id, place, number) DO UPDATE SET state = excluded.state,
    row_hashes = excluded.row_hashes, criteria = excluded.criteria,
    rows_before = excluded.rows_before,
    total_before = excluded.total_before, attempts = excluded.attempts, reason = excluded.reason,
    run_id = excluded.run_id, sent_at = excluded.sent_at, changed_at = excluded.changed_at"""
_DELETE_BATCHES = "DELETE FROM billing_batches WHERE file_id = :file_id AND place = :place"
_JOB = "job_id, written_status, written_message, refusal, requested_at, changed_at"
_ADD_JOB = """
INSERT INTO billing_jobs (job_id, written_status, written_message, refusal, requested_at,
    changed_at)
VALUES (:job_id, '', '', '', :now, :now) ON CONFLICT (job_id) DO NOTHING"""
_ADD_JOB_FILE = """
INSERT INTO billing_job_files (job_id, file_id, place) VALUES (:job_id, :file_id, :place)
ON CONFLICT (job_id, file_id, place) DO NOTHING"""
_SET_JOB = """
UPDATE billing_jobs SET written_status = :status, written_message = :message, refusal = :refusal,
    changed_at = :now
WHERE job_id = :job_id"""
_JOBS_OF_FILES = (
    "SELECT job_id, file_id, place FROM billing_job_files ORDER BY job_id, file_id, place"
)


@dataclass(frozen=True)
class BillingFile:
    """`place` is `<warehouse>/<table>`. `code` and `reason` say why it failed or is in doubt;
    `note` is a remark on one that was imported.
    """

    file_id: str
    place: str
    state: BillingState = "open"
    content_hash: str = ""
    size: int = 0
    row_count: int = 0
    batch_rows: int = 0
    columns: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    note: str = ""
    run_id: str = ""
    requested_at: datetime = _NEVER
    changed_at: datetime = _NEVER


@dataclass(frozen=True)
class BillingBatch:
    """`hashes` counts the rows that are still to be sent; a committed batch has none.

    `before` counts the equal rows that the table had already, `total_before` all its rows; both
    among those that meet one of `criteria`, columns and their values, if there are any.
    `row_count` is all rows of the batch.
    """

    file_id: str
    place: str
    number: int
    first_row: int
    row_count: int
    state: BatchState = "planned"
    hashes: Counter[str] = field(default_factory=Counter)
    criteria: tuple[tuple[str, str], ...] = ()
    before: Mapping[str, int] = field(default_factory=dict)
    total_before: int = 0
    attempts: int = 0
    reason: str = ""
    run_id: str = ""
    sent_at: datetime | None = None
    changed_at: datetime = _NEVER

    @property
    def last_row(self) -> int:
        return self.first_row + self.row_count - 1

    @property
    def unsent(self) -> int:
        """Rows that TechOne is not known to have."""
        return self.hashes.total()

    @property
    def is_missing(self) -> bool:
        """Whether TechOne is known to have none of its rows."""
        return self.state in ("planned", "failed") and self.unsent == self.row_count


@dataclass(frozen=True)
class BillingJob:
    """A record of Integration_Job__c. `written_...` is what Salesforce last took; `refusal` why it
    did not take the last write.
    """

    job_id: str
    written_status: str = ""
    written_message: str = ""
    refusal: str = ""
    requested_at: datetime = _NEVER
    changed_at: datetime = _NEVER
    files: tuple[BillingFile, ...] = ()


@dataclass(frozen=True)
class BillingStore:
    """Writes of a run go `under` its lease: they raise LeaseLostError once another run has it."""

    database: Database
    lease: StateLease | None = None

    def under(self, lease: StateLease) -> BillingStore:
        return replace(self, lease=lease)

    @property
    def restored_at(self) -> datetime | None:
        """What was imported before then may be unknown here."""
        return restored_at(self.database)

    def request(
        self, job_id: str, file_ids: Sequence[str], place: str, *, recheck: Collection[str] = ()
    ) -> None:
        """Stores the files to import, and the job that waits for them; none where it is empty.

        Idempotent. A file that failed is opened again; one that was imported only where it is to
        be compared with what was imported: `recheck`.
        """

        def store(transaction: Transaction) -> None:
            set_meta(transaction, _REQUESTS, str(self.requests(transaction) + 1))
            now = stamp(datetime.now(UTC))
            if job_id:
                transaction.execute(_ADD_JOB, job_id=job_id, now=now)
            for file_id in file_ids:
                key = {"file_id": file_id, "place": place}
                transaction.execute(_ADD_FILE, **key, now=now)
                if file_id in recheck:
                    transaction.execute(_REOPEN_FILE, **key, now=now)
                if job_id:
                    transaction.execute(_ADD_JOB_FILE, job_id=job_id, **key)

        write(self.database, store)

    def files(self, *, state: BillingState | None = None) -> list[BillingFile]:
        """Oldest request first."""
        where = "state = :state" if state else "1 = 1"
        values = {"state": state} if state else {}
        sql = f"{_FILES} WHERE {where} ORDER BY requested_at, file_id, place"
        return [_file(row) for row in self.database.rows(sql, **values)]

    def file(self, file_id: str, place: str) -> BillingFile | None:
        sql = f"{_FILES} WHERE file_id = :file_id AND place = :place"
        rows = self.database.rows(sql, file_id=file_id, place=place)
        return _file(rows[0]) if rows else None

    def files_with(self, content_hash: str, place: str) -> list[BillingFile]:
        """Files of this content, oldest request first."""
        sql = (
            f"{_FILES} WHERE content_hash = :content_hash "
            "AND place = :place ORDER BY requested_at, file_id"
        )
        rows = self.database.rows(sql, content_hash=content_hash, place=place)
        return [_file(row) for row in rows]

    def put_file(self, file: BillingFile) -> None:
        values = {
            **vars(file),
            "column_names": json.dumps(file.columns, ensure_ascii=False),
            "changed_at": stamp(datetime.now(UTC)),
        }
        del values["columns"], values["requested_at"]
        self._write(lambda transaction: transaction.execute(_SET_FILE, **values))

    def batches(self, file_id: str, place: str) -> list[BillingBatch]:
        sql = f"{_BATCHES} WHERE file_id = :file_id AND place = :place ORDER BY number"
        return [_batch(row) for row in self.database.rows(sql, file_id=file_id, place=place)]

    def batches_in(self, place: str, *states: BatchState) -> list[BillingBatch]:
        """Of all files of the place, in the order in which they were sent."""
        names = {f"state_{number}": state for number, state in enumerate(states)}
        sql = (
            f"{_BATCHES} WHERE place = :place "
            f"AND state IN ({', '.join(f':{name}' for name in names)}) ORDER BY sent_at, number"
        )
        return [_batch(row) for row in self.database.rows(sql, place=place, **names)]

    def is_complete(self, file: BillingFile) -> bool:
        """Whether TechOne has all of its batches."""
        if not file.content_hash:
            return False
        batches = -(-file.row_count // file.batch_rows)
        return self.counts(file.file_id, file.place).get("committed", 0) == batches

    def counts(self, file_id: str, place: str) -> dict[str, int]:
        """Batches by state."""
        sql = (
            "SELECT state, count(*) FROM billing_batches WHERE file_id = :file_id "
            "AND place = :place GROUP BY state"
        )
        rows = self.database.rows(sql, file_id=file_id, place=place)
        return {str(state): int(count) for state, count in rows}

    def put_batches(self, batches: Iterable[BillingBatch]) -> None:
        """All of them, or none."""
        now = stamp(datetime.now(UTC))
        values = [_batch_values(batch, now) for batch in batches]
        self._write(lambda transaction: transaction.execute_many(_PUT_BATCH, values))

    def delete_batches(self, file: BillingFile) -> None:
        key = {"file_id": file.file_id, "place": file.place}
        self._write(lambda transaction: transaction.execute(_DELETE_BATCHES, **key))

    def jobs(self) -> list[BillingJob]:
        """With their files, oldest request first."""
        # Files are never deleted: those that a job names are there.
        links = self.database.rows(_JOBS_OF_FILES)
        files = {(file.file_id, file.place): file for file in self.files()}
        of_job: dict[str, list[BillingFile]] = {}
        for job_id, file_id, place in links:
            of_job.setdefault(str(job_id), []).append(files[str(file_id), str(place)])
        rows = self.database.rows(
            f"SELECT {_JOB} FROM billing_jobs ORDER BY requested_at, job_id"  # noqa: S608
        )
        return [_job(row, of_job.get(str(row[0]), [])) for row in rows]

    def put_job(self, job_id: str, status: str, message: str, *, refusal: str = "") -> None:
        values = {"job_id": job_id, "status": status, "message": message, "refusal": refusal}
        now = stamp(datetime.now(UTC))
        self._write(lambda transaction: transaction.execute(_SET_JOB, **values, now=now))

    def requests(self, reader: Database | Transaction) -> int:
        """The number of requests so far: a run that sees another one has more to do."""
        return int(meta_value(reader, _REQUESTS) or 0)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        def checked(transaction: Transaction) -> T:
            if self.lease:
                self.lease.check(transaction)
            return work(transaction)

        return write(self.database, checked)


def _file(row: Row) -> BillingFile:
    record = dict(zip(_FILE.split(", "), row, strict=True))
    columns = tuple(json.loads(record.pop("column_names")))
    times = {name: moment(record[name]) for name in ("requested_at", "changed_at")}
    return BillingFile(**record | times, columns=columns)


def _batch(row: Row) -> BillingBatch:
    record = dict(zip(_BATCH.split(", "), row, strict=True))
    parts: dict[str, Any] = {
        "hashes": _split(record.pop("row_hashes")),
        "criteria": tuple(map(tuple, json.loads(record["criteria"]))),
        "before": json.loads(record.pop("rows_before")),
    }
    times: dict[str, Any] = {
        "sent_at": moment_or_none(record["sent_at"]),
        "changed_at": moment(record["changed_at"]),
    }
    return BillingBatch(**record | times | parts)


def _batch_values(batch: BillingBatch, now: str) -> dict[str, Any]:
    values = {
        **vars(batch),
        "row_hashes": "".join(sorted(batch.hashes.elements())),
        "criteria": json.dumps(batch.criteria, ensure_ascii=False),
        "rows_before": json.dumps(batch.before),
        "sent_at": stamp(batch.sent_at) if batch.sent_at else "",
        "changed_at": now,
    }
    del values["hashes"], values["before"]
    return values


def _split(text: str) -> Counter[str]:
    return Counter(text[at : at + HASH_LENGTH] for at in range(0, len(text), HASH_LENGTH))


def _job(row: Row, files: Sequence[BillingFile]) -> BillingJob:
    job_id, status, message, refusal, requested, changed = row
    times = (moment(requested), moment(changed))
    return BillingJob(job_id, status, message, refusal, *times, tuple(files))
