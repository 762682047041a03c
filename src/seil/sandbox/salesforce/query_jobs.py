"""Bulk API 2.0 query jobs.

A job's rows are written once, as lines of CSV with an index of where each begins; every page, of
whatever size and as often as asked for, is a stretch of that file.
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import duckdb
from typing_extensions import override

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.csv_text import Dialect, LineFile, line_sql
from seil.sandbox.salesforce.errors import OrgApiError, not_found
from seil.sandbox.salesforce.jobs import (
    TERMINAL,
    Jobs,
    csv_form,
    find_job,
    list_entry,
    new_job,
    refuse_other_version,
    set_state,
    state_error,
)
from seil.sandbox.salesforce.messages import (
    CSV,
    NO_CONTENT,
    OrgReply,
    OrgRequest,
    OrgRoute,
    require,
)
from seil.sandbox.salesforce.translate import Translation, translate

_log = logging.getLogger(__name__)

KIND = "query"
_PAGES_IN_ANSWER = 5
_PARALLEL_SINCE = 58.0
_NO_LOCATOR = "null"


class QueryJobs(Jobs):
    kind = KIND
    resumed = frozenset({"UploadComplete", "InProgress"})

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}/jobs/query"
        return [
            OrgRoute("POST", base, self._create),
            OrgRoute("GET", base, self._list),
            OrgRoute("GET", f"{base}/{{job}}", self._get),
            OrgRoute("PATCH", f"{base}/{{job}}", self._abort),
            OrgRoute("DELETE", f"{base}/{{job}}", self._delete),
            OrgRoute("GET", f"{base}/{{job}}/results", self._results),
            OrgRoute("GET", f"{base}/{{job}}/resultPages", self._result_pages),
        ]

    def forget_all(self) -> None:
        """Expires all jobs."""
        for job in self._state.jobs(KIND):
            self._forget(job["info"]["id"])

    def _create(self, call: OrgRequest) -> OrgReply:
        body = call.json_object()
        require(body, ("operation", "query"))
        if body["operation"] not in ("query", "queryAll"):
            raise OrgApiError(400, "INVALIDJOB", f"Unsupported operation: {body['operation']}")
        form = csv_form(body)
        translation = self._translation(body)
        self._usage.spend_query_job()
        details = {
            "operation": body["operation"],
            "object": translation.entity.name,
            "state": "UploadComplete",
            **form,
        }
        info = new_job(self._state, call, self._user_id, details)
        inner = {"query": body["query"], "fail": call.fail_job, "created": time.time()}
        self._state.add_job(KIND, info["id"], {"info": info, "inner": inner})
        self._workers.submit(self._run, info["id"])
        return OrgReply(200, info)

    def _get(self, call: OrgRequest) -> OrgReply:
        job = find_job(self._state, KIND, call)
        inner = job["inner"]
        answer = {
            **list_entry(job),
            "retries": 0,
            "totalProcessingTime": inner.get("milliseconds", 0),
            "numberRecordsProcessed": inner.get("rows", 0),
            "isPkChunkingSupported": True,
        }
        if "error" in inner:
            answer["errorMessage"] = inner["error"]
        return OrgReply(200, answer)

    def _abort(self, call: OrgRequest) -> OrgReply:
        if call.json_object().get("state") != "Aborted":
            raise OrgApiError(
                400, "INVALIDJOB", "The only state a query job can be given is Aborted"
            )
        job_id = find_job(self._state, KIND, call)["info"]["id"]
        with self._state.changing_job(job_id) as job:
            if job is None:
                raise not_found()
            if job["info"]["state"] in TERMINAL:
                raise state_error("Aborting already Completed Job not allowed")
            set_state(job, "Aborted")
            return OrgReply(200, list_entry(job))

    def _delete(self, call: OrgRequest) -> OrgReply:
        info = find_job(self._state, KIND, call)["info"]
        if info["state"] not in TERMINAL:
            raise state_error(f"Deleting a job in state {info['state']} is not allowed")
        self._forget(info["id"])
        return NO_CONTENT

    def _results(self, call: OrgRequest) -> OrgReply:
        job = self._require_finished(call)
        inner = job["inner"]
        first, size = _parse_locator(call.params.get("locator", ""), inner["rows"])
        if "maxRecords" in call.params:
            size = _positive(call.params["maxRecords"])
        last = min(first + (size or self._options.result_page_rows), inner["rows"])
        more = last < inner["rows"]
        page = self._lines(job["info"]["id"]).page(inner["header"].encode(), first, last)
        headers = {
            "Sforce-NumberOfRecords": str(last - first),
            "Sforce-Locator": _locator(last, last - first) if more else _NO_LOCATOR,
        }
        return OrgReply(200, page, CSV, headers)

    def _result_pages(self, call: OrgRequest) -> OrgReply:
        if float(call.version) < _PARALLEL_SINCE:
            raise not_found()
        job = self._require_finished(call)
        rows = job["inner"]["rows"]
        first, size = _parse_locator(call.params.get("locator", ""), rows)
        if "maxRecords" in call.params:
            size = _positive(call.params["maxRecords"])
        size = size or self._options.result_page_rows
        starts = list(range(first, max(rows, 1), size))
        base = f"{call.root}/jobs/query/{job['info']['id']}"
        shown_starts = starts[:_PAGES_IN_ANSWER]
        answer: dict[str, Any] = {
            "resultPages": [
                {"resultUrl": f"{base}/results?{_query(_locator(start, size))}"}
                for start in shown_starts
            ],
            "nextRecordsUrl": None,
            "done": len(starts) <= _PAGES_IN_ANSWER,
        }
        if not answer["done"]:
            rest = _query(_locator(starts[_PAGES_IN_ANSWER], size))
            answer["nextRecordsUrl"] = f"{base}/resultPages?{rest}"
        return OrgReply(200, answer)

    def _require_finished(self, call: OrgRequest) -> dict[str, Any]:
        job = find_job(self._state, KIND, call)
        refuse_other_version(job, call)
        if (state := job["info"]["state"]) != "JobComplete":
            raise state_error(f"The job's results cannot be read in state {state}")
        return job

    @override
    def _outcome(self, job: Mapping[str, Any]) -> dict[str, Any]:
        info, inner = job["info"], job["inner"]
        job_id = info["id"]
        if inner["fail"]:
            return {"error": inner["fail"]}
        dialect = Dialect.of(info["columnDelimiter"], info["lineEnding"])
        try:
            translation = self._translation({**info, "query": inner["query"]})
            lines = self._lines(job_id)
            lines.body.parent.mkdir(exist_ok=True)
            sql = translation.select(line_sql(translation.columns, dialect))
            cursor = self._store.cursor().execute(sql, list(translation.values))
            rows = lines.write(cursor)
        except OrgApiError as error:
            return {"error": error.message}
        except (duckdb.Error, OSError) as error:
            _log.exception("Query job %s failed", job_id)
            return {"error": f"InternalServerError: {error}"}
        size = lines.body.stat().st_size
        self._usage.spend_result(size)
        header = dialect.line(".".join(column.path) for column in translation.columns)
        return {"rows": rows, "bytes": size, "header": header}

    def _translation(self, body: Mapping[str, Any]) -> Translation:
        deleted_too = body["operation"] == "queryAll"
        query = soql.parse(str(body["query"]))
        translation = translate(self._store.objects, query, deleted_too=deleted_too, bulk=True)
        if not translation.entity.raw.get("queryable", True):
            name = translation.entity.name
            reason = f"Entity '{name}' is not supported by the Bulk API."
            raise OrgApiError(400, "INVALIDENTITY", reason)
        return translation

    def _lines(self, job_id: str) -> LineFile:
        folder = self._folder_of(job_id)
        return LineFile(folder / "rows.csv", folder / "rows.index")


def _locator(first: int, rows: int) -> str:
    return base64.urlsafe_b64encode(f"{first}-{rows}".encode()).decode().rstrip("=")


def _parse_locator(text: str, rows: int) -> tuple[int, int]:
    """(first row, rows per page or 0)"""
    if text in ("", _NO_LOCATOR):
        return 0, 0
    try:
        padded = text + "=" * (-len(text) % 4)
        first, _, size = base64.urlsafe_b64decode(padded).decode().partition("-")
        if 0 <= int(first) <= rows and int(size) > 0:
            return int(first), int(size)
    except (ValueError, binascii.Error):
        pass
    raise OrgApiError(400, "INVALIDLOCATOR", f"Invalid locator: {text}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise OrgApiError(400, "INVALIDPARAMETER", f"maxRecords must be a positive number: {text}")
    return int(text)


def _query(locator: str) -> str:
    return urlencode({"locator": locator})
