"""Bulk API 2.0 ingest jobs.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from seil.sandbox.salesforce.csv_text import Dialect
from seil.sandbox.salesforce.errors import OrgApiError, not_found
from seil.sandbox.salesforce.ingest_file import BadFileError, IngestFile, Results
from seil.sandbox.salesforce.jobs import (
    TERMINAL,
    Jobs,
    csv_form,
    find_job,
    list_entry,
    new_job,
    set_state,
    state_error,
)
from seil.sandbox.salesforce.messages import (
    CSV,
    NO_CONTENT,
    FileRange,
    OrgReply,
    OrgRequest,
    OrgRoute,
    require,
)
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.records import OrgRecords, WriteOutcome

KIND = "ingest"
_OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
_BATCH_ROWS = 10_000
# 150 MB once encoded in base64, which is how the real service measures.
_MAX_UPLOAD = 150 * 1024 * 1024 * 3 // 4


class IngestJobs(Jobs):
    kind = KIND
    resumed = frozenset({"UploadComplete", "InProgress"})

    def __init__(self, *parts: Any, records: OrgRecords, **retained: Any) -> None:
        """`parts` and `kept` are those of all jobs; `records` writes the rows."""
        super().__init__(*parts, **retained)
        self._records = records

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}/jobs/ingest"
        entry = f"{base}/{{job}}"
        csv = ("text/csv",)
        return [
            OrgRoute("POST", base, self._create),
            OrgRoute("GET", base, self._list),
            OrgRoute("GET", entry, self._get),
            OrgRoute("PATCH", entry, self._change),
            OrgRoute("DELETE", entry, self._delete),
            OrgRoute("PUT", f"{entry}/batches", self._upload, accepts=csv, max_body=_MAX_UPLOAD),
            OrgRoute("GET", f"{entry}/successfulResults", self._successful),
            OrgRoute("GET", f"{entry}/failedResults", self._failed),
            OrgRoute("GET", f"{entry}/unprocessedRecords", self._unprocessed),
            OrgRoute("GET", f"{entry}/unprocessedrecords", self._unprocessed),
        ]

    def _create(self, call: OrgRequest) -> OrgReply:
        body = call.json_object()
        require(body, ("operation", "object"))
        if body["operation"] not in _OPERATIONS:
            raise OrgApiError(400, "INVALIDJOB", f"Unsupported operation: {body['operation']}")
        if body["object"] not in self._store.objects:
            reason = f"InvalidJob : Unable to find object: {body['object']}"
            raise OrgApiError(400, "INVALIDJOB", reason)
        form = csv_form(body)
        entity = self._store.object(body["object"])
        details = {
            "operation": body["operation"],
            "object": entity.name,
            "state": "Open",
            **form,
        }
        if body["operation"] == "upsert":
            details["externalIdFieldName"] = _upsert_key(entity, body).name
        info = new_job(self._state, call, self._user_id, details)
        info["contentUrl"] = f"{call.root.lstrip('/')}/jobs/ingest/{info['id']}/batches"
        inner = {"fail": call.fail_job, "created": time.time()}
        self._state.add_job(KIND, info["id"], {"info": info, "inner": inner})
        return OrgReply(200, info)

    def _get(self, call: OrgRequest) -> OrgReply:
        job = find_job(self._state, KIND, call)
        inner = job["inner"]
        took = inner.get("milliseconds", 0)
        answer = {
            **list_entry(job),
            "retries": 0,
            "totalProcessingTime": took,
            "apiActiveProcessingTime": took,
            "apexProcessingTime": 0,
            "numberRecordsProcessed": inner.get("processed", 0),
            "numberRecordsFailed": inner.get("failed", 0),
        }
        if "error" in inner:
            answer["errorMessage"] = inner["error"]
        return OrgReply(200, answer)

    def _upload(self, call: OrgRequest) -> OrgReply:
        job = find_job(self._state, KIND, call)
        job_id = job["info"]["id"]
        if job["info"]["state"] != "Open":
            raise state_error(f"Data cannot be uploaded in state {job['info']['state']}")
        file = self._folder_of(job_id) / "upload.csv"
        if file.exists():
            raise OrgApiError(
                400,
                "INVALIDJOBSTATE",
                f"Found multiple contents for job: <{job_id}>, please 'Close' / 'Abort' / 'Delete'"
                " the current Job then create a new Job and make sure you only do 'PUT' once on a"
                " given Job.",
            )
        file.parent.mkdir(exist_ok=True)
        call.body.seek(0)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as target:
            shutil.copyfileobj(call.body, target)
        partial.rename(file)
        self._usage.spend_bulk_request()
        return OrgReply(201, b"", "")

    def _change(self, call: OrgRequest) -> OrgReply:
        requested = call.json_object().get("state")
        if requested not in ("UploadComplete", "Aborted"):
            raise OrgApiError(400, "INVALIDJOB", f"A job cannot be given the state {requested}")
        job_id = find_job(self._state, KIND, call)["info"]["id"]
        with self._state.changing_job(job_id) as job:
            if job is None:
                raise not_found()
            state = job["info"]["state"]
            if state in TERMINAL or (requested == "UploadComplete" and state != "Open"):
                raise state_error(f"A job in state {state} cannot be given the state {requested}")
            set_state(job, requested)
            info = list_entry(job)
        if requested == "UploadComplete":
            self._workers.submit(self._run, job_id)
        return OrgReply(200, info)

    def _delete(self, call: OrgRequest) -> OrgReply:
        info = find_job(self._state, KIND, call)["info"]
        if info["state"] not in TERMINAL and info["state"] != "UploadComplete":
            raise state_error(f"Deleting a job in state {info['state']} is not allowed")
        self._forget(info["id"])
        return NO_CONTENT

    def _successful(self, call: OrgRequest) -> OrgReply:
        return self._result(call, "successful")

    def _failed(self, call: OrgRequest) -> OrgReply:
        return self._result(call, "failed")

    def _unprocessed(self, call: OrgRequest) -> OrgReply:
        return self._result(call, "unprocessed")

    def _result(self, call: OrgRequest, which: str) -> OrgReply:
        info = find_job(self._state, KIND, call)["info"]
        if info["state"] not in TERMINAL:
            raise state_error(f"The job's results cannot be read in state {info['state']}")
        file = self._folder_of(info["id"]) / f"{which}.csv"
        if not file.exists():
            return OrgReply(200, b"", CSV)
        return OrgReply(200, FileRange(b"", file, 0, file.stat().st_size), CSV)

    @override
    def _outcome(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Writes rows in batches; each batch stays, whatever happens later."""
        info = job["info"]
        entity = self._store.object(info["object"])
        dialect = Dialect.of(info["columnDelimiter"], info["lineEnding"])
        file = IngestFile(self._folder_of(info["id"]) / "upload.csv", dialect)
        results = Results(file)
        try:
            if job["inner"]["fail"]:
                raise BadFileError(job["inner"]["fail"])
            file.check(entity, info["operation"])
            self._write_batches(info, file, results)
        except BadFileError as error:
            return {"error": str(error), **results.finish(_BATCH_ROWS)}
        return results.finish(_BATCH_ROWS)

    def _write_batches(self, info: Mapping[str, Any], file: IngestFile, results: Results) -> None:
        done_key = f"ingest:{info['id']}"
        for number, rows in enumerate(file.batches(_BATCH_ROWS)):
            if self._has_ended(info["id"]):
                return
            if number < int(self._store.setting(done_key, "0")):
                continue  # written before the last stop
            values = [file.values(row) for row in rows]
            # The mark that a batch is done is committed with it: a restart writes nothing twice.
            with self._store.write():
                outcomes = self._write_batch(info, values)
                results.keep(number, rows, outcomes)
                self._store.keep_setting(done_key, str(number + 1))
            self._usage.spend_ingest(len(rows))

    def _write_batch(
        self, info: Mapping[str, Any], rows: list[dict[str, str | None]]
    ) -> list[WriteOutcome]:
        name, operation = info["object"], info["operation"]
        if operation in ("delete", "hardDelete"):
            ids = [next(iter(row.values()), None) or "" for row in rows]
            return self._records.delete(name, ids, hard=operation == "hardDelete")
        if operation == "upsert":
            entity = self._store.object(name)
            key = _upsert_key(entity, info)
            return self._records.upsert(name, rows, key=key)
        write = self._records.insert if operation == "insert" else self._records.update
        return write(name, rows)

    def _has_ended(self, job_id: str) -> bool:
        job = self._state.job(KIND, job_id)
        return job is None or job["info"]["state"] in TERMINAL


def _upsert_key(entity: SObject, body: Mapping[str, Any]) -> SField:
    name = str(body.get("externalIdFieldName") or "")
    if not name:
        raise OrgApiError(400, "INVALIDJOB", "InvalidJob : External ID was blank for an upsert")
    key = entity.field(name)
    if key is None or not (key.external_id or key.name == "Id"):
        raise OrgApiError(
            400,
            "INVALIDJOB",
            f"InvalidJob : Field name provided, {name} does not match an External ID, Salesforce"
            f" Id, or indexed field for {entity.name}",
        )
    return key
