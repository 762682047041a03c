"""Beyond the standard API: an Apex REST service, and files' contents."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.csv_text import Dialect, line_sql
from seil.sandbox.salesforce.errors import OrgApiError, not_found
from seil.sandbox.salesforce.json_rows import check_record
from seil.sandbox.salesforce.json_text import JsonSource
from seil.sandbox.salesforce.messages import CSV, FileRange, OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.records import OrgRecords
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.translate import translate

_VERSION = "ContentVersion"
_DATA = "VersionData"
_BILLED_LINES = 500
_BILLED = "SELECT Id, Name, blng__Invoice__c, CreatedDate FROM blng__InvoiceLine__c ORDER BY Id"
_USAGES_OF_DAY = (
    "SELECT Id, GAM_LineItemID__c, Usage_Date__c, Ad_Impression__c, Ad_Clicks__c"
    " FROM Usage__c WHERE Usage_Date__c = "
)


class UsageSummaries:
    """The Apex service that returns the SOQL of a day's usage records."""

    def routes(self) -> list[OrgRoute]:
        path = "/services/apexrest/UsageSummary/fetchUsages{rest*}"
        return [OrgRoute("POST", path, self._fetch), OrgRoute("GET", path, self._fetch)]

    def _fetch(self, call: OrgRequest) -> OrgReply:
        body = call.json_object() if call.method == "POST" else dict(call.params)
        text = str(body.get("usageDate", ""))
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text) or not _is_date(text):
            reason = f"usageDate must be a date such as 2026-01-31: {text!r}"
            raise OrgApiError(400, "APEX_ERROR", reason)
        return OrgReply(200, _USAGES_OF_DAY + text)


class Files:
    """Uploaded VersionData is stored; the org's own files are billing extracts."""

    def __init__(self, store: OrgStore, records: OrgRecords, folder: Path) -> None:
        self._store = store
        self._records = records
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}"
        entry = f"{base}/sobjects/{_VERSION}"
        return [
            OrgRoute("POST", entry, self._create),
            OrgRoute("GET", f"{entry}/{{id}}/{_DATA}", self._content),
            OrgRoute("GET", f"{base}/connect/files/{{id}}/content", self._content),
        ]

    def _create(self, call: OrgRequest) -> OrgReply:
        row = check_record(
            self._store.object(_VERSION), call.json_object(), JsonSource(call.text())
        )
        try:
            data = base64.b64decode(row.pop(_DATA, "") or "", validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise OrgApiError(
                400, "INVALID_BASE64", f"{_DATA} is not base64", fields=[_DATA]
            ) from error
        return OrgReply(201, {"id": self.add(row, data), "success": True, "errors": []})

    def add(self, row: Mapping[str, Any], data: bytes) -> str:
        """Returns the Id of the new version."""
        with self._store.write() as cursor:
            (outcome,) = self._records.insert(_VERSION, [row])
            if (error := outcome.error) is not None:
                raise OrgApiError(400, error.code, error.message, fields=error.fields)
            cursor.execute(
                f'UPDATE main.{_VERSION} SET "ContentSize" = $1 WHERE "Id" = $2',  # noqa: S608  (bound)
                [len(data), outcome.id],
            )
            (self._folder / str(outcome.id)).write_bytes(data)
        return str(outcome.id)

    def _content(self, call: OrgRequest) -> OrgReply:
        """By the id of a version or of its document."""
        record_id = full_id(call.args["id"])
        row = (
            self._store.cursor()
            .execute(
                f'SELECT "Id", "Title" FROM main.{_VERSION} WHERE "IsDeleted" IS NOT TRUE'  # noqa: S608  (bound)
                ' AND ("Id" = $1 OR "ContentDocumentId" = $1) ORDER BY "CreatedDate" DESC, "Id"',
                [record_id],
            )
            .fetchone()
        )
        if row is None:
            raise not_found()
        identifier, title = row
        headers = {"Content-Disposition": f'attachment; filename="{_file_name(title)}"'}
        file = self._folder / str(identifier)
        if file.exists():
            content = FileRange(b"", file, 0, file.stat().st_size)
            return OrgReply(200, content, "application/octet-stream", headers)
        return OrgReply(200, self._billing_extract(str(identifier)), CSV, headers)

    def _billing_extract(self, identifier: str) -> bytes:
        """Deterministic for each file."""
        dialect = Dialect()
        offset = sum(identifier.encode()) % 100
        query = soql.parse(f"{_BILLED} LIMIT {_BILLED_LINES} OFFSET {offset}")
        created = translate(self._store.objects, query, deleted_too=False)
        sql = created.select(line_sql(created.columns, dialect))
        lines = self._store.cursor().execute(sql, list(created.values)).fetchall()
        head = dialect.line(column.path[-1] for column in created.columns)
        return (head + "".join(line for (line,) in lines)).encode()


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _file_name(title: str | None) -> str:
    return re.sub(r"[^\w.-]+", "_", title or "file")
