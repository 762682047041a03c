"""Writes rows into the org and records the outcome of each row, across crashes and lost responses.

Every batch is logged before it is sent, and settled with the outcomes of its rows. `recover`
settles the batches that an earlier process left in doubt: a job by its results, inserts and deletes
by looking up the records. Updates and upserts are idempotent, so their rows are sent again.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import pyarrow as pa

from seil.errors import (
    AbortError,
    ObjectRejectedError,
    OutcomeUnknownError,
    QuotaExhaustedError,
    RejectError,
    RequestRejectedError,
    SeilError,
)
from seil.observe.workers import Workers
from seil.salesforce.ids import full_id
from seil.salesforce.org import Org
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select, text_literal
from seil.salesforce.writes.batch import (
    ANSWER_LOST,
    NOT_SENT,
    RowOutcome,
    RowState,
    WriteBatch,
    WriteLog,
    WritePart,
    WriteTarget,
    parts,
)
from seil.salesforce.writes.collections import MOST_RECORDS
from seil.salesforce.writes.ingest import IngestJob, IngestJobGoneError

logger = logging.getLogger(__name__)

# A query's URL may have about 16,000 characters.
_LOOK_UP_CHARACTERS = 6_000
_QUOTES = 4
# Create, upload, close, three kinds of results, and about three polls.
_CALLS_OF_JOB = 9
# Refusals of whole batches in one write: enough to isolate four rows among 10,000.
_MOST_REFUSALS = 64


@dataclass(frozen=True)
class WriterOptions:
    """Up to `crossover` rows go by sObject Collections of `call_rows` rows, at most 200; more by
    ingest jobs of `job_rows` rows.

    `attempts` are per row, for locks, limits and server errors. `pause` before a retry, and `poll`
    and `timeout` of a job, are in seconds.
    """

    crossover: int = 2_000
    call_rows: int = MOST_RECORDS
    job_rows: int = 10_000
    jobs_at_once: int = 4
    attempts: int = 3
    pause: float = 5.0
    poll: float = 5.0
    timeout: float = 3 * 3600.0

    def by_job(self, rows: int) -> bool:
        return rows > self.crossover

    def batches(self, rows: int) -> int:
        """How many calls or jobs carry `rows` rows."""
        return math.ceil(rows / (self.job_rows if self.by_job(rows) else self.call_rows))

    def calls(self, rows: int) -> int:
        """How many API calls writing `rows` rows takes, without retries."""
        return self.batches(rows) * (_CALLS_OF_JOB if self.by_job(rows) else 1)


class UnaccountedRowsError(RejectError):
    """The results of a job omit rows that were sent."""

    cure = "Run the same command again: the rows are sent again, inserts after a look-up."

    def __init__(self, job_id: str, sent: int, accounted: int, example: str) -> None:
        super().__init__(
            f"ingest job {job_id}: {sent} rows were sent, its results name {accounted} of them"
            f" ({example} is missing)",
            hint="Run the same command again; `seil outcomes --state retrying` shows them",
        )
        self.job_id = job_id


class JobAbortedError(RejectError):
    """Somebody aborted a job in the org; the rows that it had written stay written."""

    cure = "Ask the org's administrator; run the same command again to send the rest."

    def __init__(self, job_id: str, name: str, rest: int) -> None:
        super().__init__(
            f"{name}: ingest job {job_id} was aborted in the org, {rest} rows were not written",
            hint="Run the same command again to send them",
        )
        self.job_id = job_id


class Writer:
    """One flow's writes. `sleep` is for tests."""

    def __init__(
        self,
        org: Org,
        log: WriteLog,
        options: WriterOptions | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._org = org
        self._log = log
        self._options = options or WriterOptions()
        self._sleep = sleep

    def recover(self) -> Counter[RowState]:
        """Settles the batches that earlier processes left in doubt. Returns row counts by state."""
        states: Counter[RowState] = Counter()
        for batch in self._log.unsettled():
            outcomes = self._recovered(batch)
            self._log.settle(batch.id, outcomes)
            states.update(outcome.state for outcome in outcomes)
        return states

    def write(
        self,
        target: WriteTarget,
        tables: Iterable[pa.Table],
        *,
        rows: int,
        on_settled: Callable[[Sequence[RowOutcome]], None] | None = None,
    ) -> Counter[RowState]:
        """Returns row counts by state.

        `rows` is the approximate total of `tables`; it decides between collections and jobs. Keys
        must be unique. Errors of the connection stop the write after the batches under way;
        UnaccountedRowsError and JobAbortedError are raised after the other batches were sent.
        Raises QuotaExhaustedError before anything is sent if `rows` exceed the budget of calls.
        """
        _check(target)
        run = _Run(
            self._org, self._log, self._options, self._sleep, target, self._options.by_job(rows)
        )
        self._org.budget.require(self._options.calls(rows), f"writing {rows:,} rows")
        states: Counter[RowState] = Counter()
        try:
            for outcomes in run.outcomes(tables):
                states.update(outcome.state for outcome in outcomes)
                if on_settled:
                    on_settled(outcomes)
        except QuotaExhaustedError as error:
            sent = f"{states.total():,} of {rows:,} rows of {target.object} were sent"
            hint = "Run the same command once the allowance is renewed: it sends the rest"
            raise QuotaExhaustedError(
                error.service, f"{error.reason}; {sent}", hint=hint
            ) from error
        for problem in run.errors:
            raise problem
        return states

    def _recovered(self, batch: WriteBatch) -> list[RowOutcome]:
        if batch.job_id:
            return self._recovered_job(batch)
        if batch.by_job:
            # Data is uploaded only after the job's id is stored.
            return _retrying(batch.keys, NOT_SENT)
        return look_up(self._org, batch, batch.keys)

    def _recovered_job(self, batch: WriteBatch) -> list[RowOutcome]:
        ingest, options = self._org.ingest, self._options
        try:
            if ingest.info(batch.job_id).is_open:
                ingest.abort(batch.job_id)
                return _retrying(batch.keys, NOT_SENT)
            ingest.wait(batch.job_id, poll=options.poll, timeout=options.timeout)
            outcomes = _of_batch(batch, ingest.outcomes(batch.job_id, batch.target.key))
        except IngestJobGoneError:
            outcomes = {}
        unsettled = [key for key in batch.keys if key not in outcomes]
        return [*outcomes.values(), *look_up(self._org, batch, unsettled)]


@dataclass
class _Run:
    """One call of `Writer.write`."""

    org: Org
    log: WriteLog
    options: WriterOptions
    sleep: Callable[[float], None]
    target: WriteTarget
    by_job: bool

    def __post_init__(self) -> None:
        self.errors: list[RejectError] = []
        self._refusals = 0
        self.schema: ObjectSchema = self.org.describe(self.target.object)

    def outcomes(self, tables: Iterable[pa.Table]) -> Iterator[list[RowOutcome]]:
        """Yields the outcomes of each part. Parts that share a parent do not overlap."""
        most = self.options.job_rows if self.by_job else self.options.call_rows
        workers = self.options.jobs_at_once if self.by_job else 1
        with Workers(workers, "write") as pool:
            under_way: list[Future[list[RowOutcome]]] = []
            try:
                for part in parts(tables, rows=most):
                    keep = 0 if part.follows else workers - 1
                    while len(under_way) > keep:
                        yield under_way.pop(0).result()
                    under_way.append(pool.submit(self._write, part))
                while under_way:
                    yield under_way.pop(0).result()
            except SeilError:
                running = [future for future in under_way if not future.cancel()]
                yield from _results(running)
                raise
            finally:
                for future in under_way:
                    future.cancel()

    def _write(self, part: WritePart) -> list[RowOutcome]:
        """The last outcome of each row, after retries."""
        last: dict[str, RowOutcome] = {}
        rows = part.rows
        for attempt in range(1, self.options.attempts + 1):
            last |= {outcome.key: outcome for outcome in self._send(rows)}
            rows = _only(rows, self.target.key, {k for k, o in last.items() if _is_retriable(o)})
            if not len(rows):
                break
            if attempt < self.options.attempts:
                logger.warning(
                    "%s: %d rows were not written (%s): retrying in %.0f s",
                    self.target.object,
                    len(rows),
                    next(o.code for o in last.values() if _is_retriable(o)),
                    self.options.pause * attempt,
                )
                self.sleep(self.options.pause * attempt)
        return list(last.values())

    def _send(self, rows: pa.Table) -> list[RowOutcome]:
        batch = WriteBatch(self.target, rows, by_job=self.by_job)
        self.log.send(batch)
        try:
            outcomes = self._by_job(batch) if self.by_job else self._by_collection(batch)
        except _BatchRefusedError as refusal:
            return self._halved(batch, refusal.code, refusal.reason)
        except _NotSentError as stop:
            self.log.settle(batch.id, _retrying(batch.keys, NOT_SENT))
            raise stop.error from stop
        self.log.settle(batch.id, outcomes)
        return outcomes

    def _by_collection(self, batch: WriteBatch) -> list[RowOutcome]:
        try:
            with _refusals(), _stops():
                return self.org.collections.write(batch, self.schema)
        except OutcomeUnknownError:
            return look_up(self.org, batch, batch.keys)

    def _by_job(self, batch: WriteBatch) -> list[RowOutcome]:
        ingest = self.org.ingest
        with _refusals():
            # The org processes nothing of a job that is not closed.
            with _stops():
                job_id = ingest.create(batch.target).id
            self.log.start_job(batch.id, job_id)
            try:
                with _stops():
                    ingest.upload(job_id, batch.sent)
            except (_NotSentError, RequestRejectedError):
                # If that fails, too, the batch stays in doubt, and `recover` aborts the job.
                ingest.abort(job_id)
                raise
            ingest.close(job_id)
        job = ingest.wait(job_id, poll=self.options.poll, timeout=self.options.timeout)
        if job.state == "Failed" and not job.processed:
            raise _BatchRefusedError("JOB_FAILED", job.error_message)
        return self._accounted(batch, job)

    def _accounted(self, batch: WriteBatch, job: IngestJob) -> list[RowOutcome]:
        """The outcome of every row of a finished job."""
        outcomes = _of_batch(batch, self.org.ingest.outcomes(job.id, batch.target.key))
        if job.state == "Aborted":
            rest = sum(outcome.state == "retrying" for outcome in outcomes.values())
            self.errors.append(JobAbortedError(job.id, batch.target.object, rest))
            outcomes = {key: _aborted(outcome) for key, outcome in outcomes.items()}
        unnamed = [key for key in batch.keys if key not in outcomes]
        if unnamed:
            sent = len(batch.rows)
            error = UnaccountedRowsError(job.id, sent, sent - len(unnamed), unnamed[0])
            self.errors.append(error)
        return [*outcomes.values(), *look_up(self.org, batch, unnamed)]

    def _halved(self, batch: WriteBatch, code: str, reason: str) -> list[RowOutcome]:
        """Bisects a batch that the org refused as a whole, down to the offending rows."""
        self._refusals += 1
        if len(batch.rows) == 1 or self._refusals > _MOST_REFUSALS:
            outcomes = [RowOutcome(k, "rejected", code=code, reason=reason) for k in batch.keys]
            self.log.settle(batch.id, outcomes)
            return outcomes
        self.log.settle(batch.id, _retrying(batch.keys, code))
        half = len(batch.rows) // 2
        return self._send(batch.rows.slice(0, half)) + self._send(batch.rows.slice(half))


def _results(running: Iterable[Future[list[RowOutcome]]]) -> Iterator[list[RowOutcome]]:
    """Of the batches that succeed, while another one's error is raised."""
    for future in running:
        with suppress(SeilError):
            yield future.result()


class _BatchRefusedError(Exception):
    """The org refused a whole batch because of the content of some rows."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@contextmanager
def _refusals() -> Iterator[None]:
    """Translates refusals of a request or of the object to _BatchRefusedError."""
    try:
        yield
    except (RequestRejectedError, ObjectRejectedError) as error:
        raise _BatchRefusedError(error.code, error.reason) from error


class _NotSentError(Exception):
    """The allowance, or the login, ended before a batch was sent."""

    def __init__(self, error: AbortError) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def _stops() -> Iterator[None]:
    """Translates errors that stop the write before the batch was sent to _NotSentError."""
    try:
        yield
    except AbortError as error:
        if error.in_doubt:
            raise
        raise _NotSentError(error) from error


def look_up(org: Org, batch: WriteBatch, keys: Sequence[str]) -> list[RowOutcome]:
    """Outcomes of rows whose response was lost.

    Inserts and deletes are settled by whether the record exists; updates and upserts are retried.
    """
    operation = batch.target.operation
    if operation in ("update", "upsert"):
        return _retrying(keys, ANSWER_LOST)
    ids = record_ids(org, batch.target, keys)
    outcomes = []
    for key in keys:
        record_id = ids.get(key, "")
        if operation == "insert" and record_id:
            outcomes.append(RowOutcome(key, "written", record_id, created=True))
        elif operation == "delete" and not record_id:
            outcomes.append(RowOutcome(key, "written", key))
        else:
            outcomes.extend(_retrying([key], ANSWER_LOST))
    return outcomes


def record_ids(org: Org, target: WriteTarget, keys: Sequence[str]) -> dict[str, str]:
    """Ids by key, of existing records outside the recycle bin."""
    ids: dict[str, str] = {}
    for some in _query_pages(keys):
        condition = f"{target.key} IN ({', '.join(text_literal(key) for key in some)})"
        fields = list(dict.fromkeys(["Id", target.key]))
        for record in org.query(select(fields, target.object, condition)):
            ids[_folded(target, str(record[target.key]))] = str(record["Id"])
    return {key: ids[folded] for key in keys if (folded := _folded(target, key)) in ids}


def look_up_calls(characters: int, keys: int) -> int:
    """How many queries `record_ids` sends for `keys` keys of so many characters together."""
    return math.ceil((characters + _QUOTES * keys) / _LOOK_UP_CHARACTERS)


def _query_pages(keys: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    length = 0
    for key in keys:
        length += len(key) + _QUOTES
        if page and length > _LOOK_UP_CHARACTERS:
            yield page
            page, length = [], len(key) + _QUOTES
        page.append(key)
    if page:
        yield page


def _folded(target: WriteTarget, key: str) -> str:
    """SOQL compares text without regard to case, Ids in their long form."""
    return (full_id(key) or key) if target.key == "Id" else key.casefold()


def _check(target: WriteTarget) -> None:
    if target.operation == "insert" and target.key in ("", "Id"):
        reason = "an insert needs a field by which a record can be looked up"
        hint = "Give an external id, or another field with unique values, as its key"
        raise ObjectRejectedError(target.object, reason, code="NO_KEY", hint=hint)
    if target.operation in ("update", "delete") and target.key != "Id":
        raise ObjectRejectedError(
            target.object, f"{target.operation} is by Id, not by {target.key}", code="NO_KEY"
        )


def _of_batch(batch: WriteBatch, outcomes: Iterable[RowOutcome]) -> dict[str, RowOutcome]:
    """By key as sent; results for keys that were not sent are ignored."""
    sent = set(batch.keys)
    return {outcome.key: outcome for outcome in outcomes if outcome.key in sent}


def _is_retriable(outcome: RowOutcome) -> bool:
    return outcome.state == "retrying" and outcome.code != "ABORTED"


def _aborted(outcome: RowOutcome) -> RowOutcome:
    return replace(outcome, code="ABORTED") if outcome.state == "retrying" else outcome


def _retrying(keys: Iterable[str], code: str) -> list[RowOutcome]:
    return [RowOutcome(key, "retrying", code=code) for key in keys]


def _only(rows: pa.Table, key: str, keys: set[str]) -> pa.Table:
    return rows.filter(pa.array([value in keys for value in rows[key].to_pylist()]))
