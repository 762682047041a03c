"""Bulk API 2.0 query jobs.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa

from seil.arrow_memory import use_frugal_pool
from seil.errors import (
    ObjectRejectedError,
    QuotaExhaustedError,
    RejectError,
    RequestRejectedError,
    RetryError,
    UnavailableError,
)
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.pages import ColumnTypes, ResultPage
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import queried_object

logger = logging.getLogger(__name__)

_RESULT_PAGES_SINCE = 58.0
_FIRST_POLL = 0.1
_FAILURE_CODE = re.compile(r"^(?:\w+ : )?([A-Z][A-Z_]{4,})\b")
_GONE_STATUSES = frozenset({404, 410})
_LOOK = (
    "If the job was created, Setup > Bulk Data Load Jobs lists it, and the org deletes it after"
    " seven days; the next run reads the same window with a job of its own"
)
_OTHER_VERSION = 409


@dataclass(frozen=True)
class QueryJob:
    """`rows` is the number processed so far, None while unknown."""

    id: str
    object: str
    state: str
    operation: str = ""
    rows: int | None = None
    error_message: str = ""
    api_version: str = ""

    @property
    def is_done(self) -> bool:
        return self.state == "JobComplete"

    @property
    def is_failed(self) -> bool:
        return self.state in ("Failed", "Aborted")

    @classmethod
    def parse(cls, answer: Any) -> QueryJob:
        """Raises UnavailableError for an answer that is not a job."""
        if not isinstance(answer, dict) or not answer.get("id") or not answer.get("state"):
            raise UnavailableError(SERVICE, "the answer does not describe a query job")
        rows = answer.get("numberRecordsProcessed")
        return cls(
            id=answer["id"],
            object=answer.get("object") or "",
            state=answer["state"],
            operation=answer.get("operation") or "",
            rows=int(rows) if rows is not None else None,
            error_message=answer.get("errorMessage") or "",
            api_version=str(answer.get("apiVersion") or ""),
        )


class JobFailedError(ObjectRejectedError):
    """A query job failed, or was aborted."""

    def __init__(self, job: QueryJob) -> None:
        reason = job.error_message or "the org gives no reason"
        code = _FAILURE_CODE.match(job.error_message)
        super().__init__(
            job.object or "query",
            f"job {job.id} ended as {job.state}: {reason}",
            code=code[1] if code else job.state.upper(),
            hint=""
            if job.state == "Aborted"
            else "Leave out some of its fields: exclude in objects.toml",
        )
        self.job = job


class JobGoneError(RejectError):
    """The job or its result no longer exists: deleted, or older than seven days."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(
            f"query job {job_id}: {reason}", hint="The next `seil run` starts a new one"
        )
        self.job_id = job_id


class BulkQuery:
    def __init__(self, connection: OrgConnection, sleep: Callable[[float], None]) -> None:
        use_frugal_pool()
        self._connection = connection
        self._sleep = sleep
        self._lock = Lock()
        self._column_types: dict[str, ColumnTypes] = {}
        # One pool for all pages: several would compete for the same cores.
        self._decoding = ThreadPoolExecutor(pa.cpu_count(), thread_name_prefix="decode")

    def close(self) -> None:
        self._decoding.shutdown(cancel_futures=True)

    def start(self, soql: str, *, deleted: bool = True) -> QueryJob:
        """Starts a job; `deleted` includes the records in the recycle bin.

        Retried only if the org certainly created no job: one counts against the day's 10,000 jobs
        and its terabyte of results. The org's list of jobs has no queries, so that
        OutcomeUnknownError says how to find it.
        """
        answer = self._connection.json(
            OrgCall(
                "POST",
                "jobs/query",
                body={
                    "operation": "queryAll" if deleted else "query",
                    "query": soql,
                    "contentType": "CSV",
                    "columnDelimiter": "COMMA",
                    "lineEnding": "LF",
                },
                about=queried_object(soql),
                idempotent=False,
                look=_LOOK,
            )
        )
        return QueryJob.parse(answer)

    def info(self, job_id: str) -> QueryJob:
        """Raises JobGoneError."""
        with _translate_gone(job_id):
            return QueryJob.parse(self._connection.json(OrgCall("GET", _path(job_id))))

    def wait(
        self,
        job_id: str,
        *,
        poll: float,
        timeout: float,
        on_poll: Callable[[QueryJob], None] | None = None,
    ) -> QueryJob:
        """Polls until the job is done: often at first, for small jobs, then every `poll` seconds.

        Raises JobFailedError, JobGoneError; UnavailableError after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        pause = min(_FIRST_POLL, poll)
        while True:
            job = self.info(job_id)
            if on_poll:
                on_poll(job)
            if job.is_failed:
                raise JobFailedError(job)
            if job.is_done:
                return job
            if time.monotonic() + pause > deadline:
                reason = f"job {job_id} is still {job.state} after {timeout:.0f} s"
                raise UnavailableError(SERVICE, reason)
            self._sleep(pause)
            pause = min(pause * 1.5, poll)

    def page_locators(
        self, job_id: str, *, max_records: int, rows: int | None = None
    ) -> list[str] | None:
        """The locators of a finished job's pages, "" for the first. They can be read in any order,
        each whole: `page(..., max_records=None)`. `max_records` is a hint: the org sizes the pages.

        None before v58.0, which lacks the list, and where one request may hold all `rows`: then
        follow `next_locator`. Raises UnavailableError, and JobGoneError where the job is gone
        before the list's end.
        """
        if rows is not None and rows <= max_records:
            return None
        if float(self._connection.settings.api_version) < _RESULT_PAGES_SINCE:
            return None
        path: str | None = f"{_path(job_id)}/resultPages"
        params: dict[str, str] | None = {"maxRecords": str(max_records)}
        locators: list[str] = []
        visited: set[str] = set()
        while path:
            visited.add(path)
            with _translate_gone(job_id):
                answer = self._result_pages(path, params)
            if answer is None and not locators:
                return None
            if answer is None or (path := _next_path(answer)) in visited:
                raise UnavailableError(SERVICE, f"the list of pages of job {job_id} is incomplete")
            locators += [_locator(entry) for entry in answer["resultPages"]]
            params = None
        return list(dict.fromkeys(locators)) or [""]

    @contextmanager
    def page(
        self,
        job_id: str,
        locator: str,
        schema: ObjectSchema,
        *,
        max_records: int | None,
        ahead: int = 1,
    ) -> Iterator[ResultPage]:
        """Opens the page at `locator`, "" for the first. Raises JobGoneError, UnavailableError.

        `ahead` blocks of 2 MB are decoded in advance.
        """
        params = {"locator": locator} if locator else {}
        if max_records is not None:
            params["maxRecords"] = str(max_records)
        with self._lock:
            types = self._column_types.setdefault(job_id, ColumnTypes())
        call = OrgCall("GET", f"{_path(job_id)}/results", params=params, accept="text/csv")
        with ExitStack() as stack:
            with _translate_gone(job_id):
                response = stack.enter_context(self._connection.stream(call))
            page = ResultPage(response, schema, types, decoding=self._decoding, ahead=ahead)
            yield stack.enter_context(closing(page))

    def abort(self, job_id: str) -> None:
        """Aborts a job; does nothing to a finished or deleted one."""
        call = OrgCall("PATCH", _path(job_id), body={"state": "Aborted"}, idempotent=True)
        try:
            self._connection.send(call)
        except RequestRejectedError as error:
            logger.info("job %s was not aborted: %s", job_id, error.message)

    def delete(self, job_id: str) -> None:
        """Frees its storage. Failures are only logged: the org deletes it after seven days."""
        with self._lock:
            self._column_types.pop(job_id, None)
        try:
            self._connection.send(OrgCall("DELETE", _path(job_id), also=(404,), attempts=2))
        except (RetryError, RejectError, QuotaExhaustedError) as error:
            logger.warning("job %s was not deleted: %s", job_id, error.message)

    def _result_pages(self, path: str, params: dict[str, str] | None) -> dict[str, Any] | None:
        """A part of the list; only the first has `params`, and may be refused."""
        try:
            answer = self._connection.json(OrgCall("GET", path, params=params))
        except RequestRejectedError as error:
            if params is None:
                raise
            logger.info("the org has no list of result pages: %s", error.message)
            return None
        is_list = isinstance(answer, dict) and isinstance(answer.get("resultPages"), list)
        return answer if is_list else None


@contextmanager
def _translate_gone(job_id: str) -> Iterator[None]:
    try:
        yield
    except RequestRejectedError as error:
        if error.status in _GONE_STATUSES:
            raise JobGoneError(job_id, "no longer exists") from error
        if error.status == _OTHER_VERSION:
            raise JobGoneError(job_id, "belongs to another API version") from error
        raise


def _path(job_id: str) -> str:
    return f"jobs/query/{quote(job_id, safe='')}"


def _next_path(answer: dict[str, Any]) -> str | None:
    """Salesforce's documentation has both spellings of the key."""
    if answer.get("done"):
        return None
    following = answer.get("nextRecordsUrl") or answer.get("nextRecordUrl")
    return str(following) if following else None


def _locator(entry: dict[str, Any]) -> str:
    """Unquoted without turning a plus into a space: a locator is opaque."""
    pairs = urlsplit(entry.get("resultUrl") or "").query.split("&")
    parameters = (pair.partition("=") for pair in pairs)
    return next((unquote(value) for name, _, value in parameters if name == "locator"), "")
