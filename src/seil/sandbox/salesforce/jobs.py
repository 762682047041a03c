"""What bulk jobs share: ids, states, and worker threads."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seil.sandbox.salesforce.csv_text import Dialect
from seil.sandbox.salesforce.errors import OrgApiError, not_found
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.record_ids import record_id
from seil.sandbox.salesforce.rows import datetime_text
from seil.sandbox.salesforce.state import ServiceState
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.usage import Usage

_log = logging.getLogger(__name__)
_BROKEN = "InternalServerError : An unexpected error occurred; the stand-in's log has the details"

TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
_WORKERS = 2
_LISTED = 1_000


class Stopped(Exception):  # noqa: N818  (no error: the server is going down, the job will go on)
    """The server stops; the next start resumes the job."""


class JobWorkers:
    """Runs jobs in the background, a few at a time."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sandbox-job")

    def submit(self, work: Callable[[str], None], job_id: str) -> None:
        self._threads.submit(self._run, work, job_id)

    def wait(self, seconds: float) -> None:
        """Raises Stopped if the server stops."""
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, work: Callable[[str], None], job_id: str) -> None:
        try:
            work(job_id)
        except Stopped:
            _log.info("Job %s is left for the next start", job_id)
        except Exception:
            _log.exception("Job %s broke", job_id)
            raise


class Jobs:
    """The base of query and ingest jobs. Their rows are in a folder of their own."""

    kind: str
    resumed: frozenset[str]
    """The states in which the next start takes a job up again."""

    def __init__(
        self,
        store: OrgStore,
        state: ServiceState,
        usage: Usage,
        workers: JobWorkers,
        *,
        options: OrgOptions,
        folder: Path,
        user_id: str,
    ) -> None:
        self._store = store
        self._state = state
        self._usage = usage
        self._workers = workers
        self._options = options
        self._folder = folder
        self._user_id = user_id
        self._folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        """Resumes interrupted jobs, and deletes expired ones."""
        for job in self._state.jobs(self.kind):
            job_id = job["info"]["id"]
            if job["inner"]["created"] < time.time() - self._options.job_lifetime:
                self._forget(job_id)
            elif job["info"]["state"] in self.resumed:
                self._workers.submit(self._run, job_id)

    def _list(self, call: OrgRequest) -> OrgReply:
        return OrgReply(200, job_list(self._state, self.kind, call))

    def _run(self, job_id: str) -> None:
        """Does nothing for aborted and deleted jobs."""
        started = time.monotonic()
        self._workers.wait(self._options.job_delay)
        with self._state.changing_job(job_id) as job:
            if job is None or job["info"]["state"] in TERMINAL:
                return
            set_state(job, "InProgress")
        try:
            outcome = self._outcome(job)
        except Stopped:
            raise
        except Exception:
            self._end(job_id, started, {"error": _BROKEN})
            raise
        self._workers.wait(self._options.job_delay)
        self._end(job_id, started, outcome)

    def _end(self, job_id: str, started: float, outcome: Mapping[str, Any]) -> None:
        with self._state.changing_job(job_id) as job:
            if job is None:
                return
            took = int((time.monotonic() - started) * 1000)
            ended = "Failed" if "error" in outcome else "JobComplete"
            state = job["info"]["state"] if job["info"]["state"] in TERMINAL else ended
            set_state(job, state, milliseconds=took, **outcome)
        _log.info("%s job %s: %s", self.kind, job_id, state)

    def _outcome(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Does the work. `error` in the outcome fails the job."""
        raise NotImplementedError

    def _folder_of(self, job_id: str) -> Path:
        return self._folder / job_id

    def _forget(self, job_id: str) -> None:
        self._state.forget_job(job_id)
        shutil.rmtree(self._folder_of(job_id), ignore_errors=True)


def csv_form(body: Mapping[str, Any]) -> dict[str, str]:
    """A job's CSV format, as in its resource. Raises OrgApiError."""
    if body.get("contentType", "CSV") != "CSV":
        raise OrgApiError(400, "INVALIDJOB", "Only content type CSV is supported")
    delimiter, line_ending = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
    Dialect.of(delimiter, line_ending)
    return {"lineEnding": line_ending, "columnDelimiter": delimiter}


def new_job(
    state: ServiceState, call: OrgRequest, user_id: str, details: dict[str, Any]
) -> dict[str, Any]:
    """The answer to creating a job; `details` start with its operation and object."""
    now = datetime_text(datetime.now(UTC))
    return {
        "id": record_id("750", state.next_job_number()),
        "createdById": user_id,
        "createdDate": now,
        "systemModstamp": now,
        **details,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(call.version),
    }


def find_job(state: ServiceState, kind: str, call: OrgRequest) -> dict[str, Any]:
    """The job that the path names. Raises OrgApiError NOT_FOUND."""
    identifier = call.args["job"]
    jobs = (state.job(kind, identifier),) if len(identifier) == 18 else state.jobs(kind)
    for job in jobs:
        if job and job["info"]["id"].startswith(identifier):
            return job
    raise not_found()


def job_list(state: ServiceState, kind: str, call: OrgRequest) -> dict[str, Any]:
    """Newest first, a thousand at a time."""
    jobs = [list_entry(job) for job in reversed(state.jobs(kind))]
    job_type = call.params.get("jobType")
    jobs = [job for job in jobs if job_type in (None, "", job["jobType"])]
    start = int(call.params.get("queryLocator") or 0)
    after = start + _LISTED
    more = after < len(jobs)
    next_url = f"{call.root}/jobs/{kind}?queryLocator={after}" if more else None
    return {"records": jobs[start:after], "done": not more, "nextRecordsUrl": next_url}


def list_entry(job: dict[str, Any]) -> dict[str, Any]:
    return {**job["info"], "jobType": "V2Query" if "query" in job["inner"] else "V2Ingest"}


def set_state(job: dict[str, Any], state: str, **details: Any) -> None:
    job["info"]["state"] = state
    job["info"]["systemModstamp"] = datetime_text(datetime.now(UTC))
    job["inner"].update(details)


def refuse_other_version(job: dict[str, Any], call: OrgRequest) -> None:
    created = job["info"]["apiVersion"]
    if float(call.version) != created:
        raise OrgApiError(
            409,
            "API_VERSION_MISMATCH",
            f"The job was created with API version {created}, not {float(call.version)}",
        )


def state_error(message: str) -> OrgApiError:
    return OrgApiError(400, "INVALIDJOBSTATE", message)
