"""What bulk jobs have in common: their ids and states, and the threads that do their work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from seil.sandbox.salesforce.errors import ApiError, not_found
from seil.sandbox.salesforce.messages import Call
from seil.sandbox.salesforce.record_ids import record_id
from seil.sandbox.salesforce.rows import datetime_text
from seil.sandbox.salesforce.state import State

_log = logging.getLogger(__name__)

TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
_WORKERS = 2
_LISTED = 1_000


class Stopped(Exception):  # noqa: N818  (no error: the server is going down, the job will go on)
    """The work is to be left as it is; the next start takes it up again."""


class Workers:
    """Runs jobs in the background, a few at a time."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sandbox-job")

    def submit(self, work: Callable[[str], None], job_id: str) -> None:
        self._threads.submit(self._run, work, job_id)

    def wait(self, seconds: float) -> None:
        """Raises Stopped when the server stops meanwhile."""
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


def new_job(state: State, call: Call, user_id: str, details: dict[str, Any]) -> dict[str, Any]:
    """What creating a job answers; `details` begin with its operation and object."""
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


def known_job(state: State, kind: str, call: Call) -> dict[str, Any]:
    """The stored job that the path names; raises ApiError NOT_FOUND."""
    identifier = call.args["job"]
    jobs = (state.job(kind, identifier),) if len(identifier) == 18 else state.jobs(kind)
    for job in jobs:
        if job and job["info"]["id"].startswith(identifier):
            return job
    raise not_found()


def job_list(state: State, kind: str, call: Call) -> dict[str, Any]:
    """Newest first, a thousand at a time."""
    jobs = [listed(job) for job in reversed(state.jobs(kind))]
    wanted = call.params.get("jobType")
    jobs = [job for job in jobs if wanted in (None, "", job["jobType"])]
    start = int(call.params.get("queryLocator") or 0)
    after = start + _LISTED
    more = after < len(jobs)
    next_url = f"{call.root}/jobs/{kind}?queryLocator={after}" if more else None
    return {"records": jobs[start:after], "done": not more, "nextRecordsUrl": next_url}


def listed(job: dict[str, Any]) -> dict[str, Any]:
    return {**job["info"], "jobType": "V2Query" if "query" in job["inner"] else "V2Ingest"}


def set_state(job: dict[str, Any], state: str, **details: Any) -> None:
    job["info"]["state"] = state
    job["info"]["systemModstamp"] = datetime_text(datetime.now(UTC))
    job["inner"].update(details)


def refuse_other_version(job: dict[str, Any], call: Call) -> None:
    made = job["info"]["apiVersion"]
    if float(call.version) != made:
        raise ApiError(
            409,
            "API_VERSION_MISMATCH",
            f"The job was created with API version {made}, not {float(call.version)}",
        )


def wrong_state(message: str) -> ApiError:
    return ApiError(400, "INVALIDJOBSTATE", message)
