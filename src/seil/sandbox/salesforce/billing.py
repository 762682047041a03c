"""Billing extracts: a job record, and CSV files of invoice lines that it publishes.

The org's own logic would do it, and then publish BillingExtractReady__e, as the server does where
it serves events.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.extras import Files
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.records import OrgRecords

JOB = "Integration_Job__c"
COLUMNS = ("InvoiceNumber", "LineNumber", "Debtor", "InvoiceDate", "Amount", "GST", "Description")
_TEXTS = (
    "Homepage takeover",
    'Banner, 300 x 250 "above the fold"',
    "Sport & Weather <run of site>",
    "Bonus weeks\nas agreed",
    "Café Zürich, Weihnachten",
    "",
)
_MOST = 100
_FIRST_DAY = date(2026, 11, 1)


@dataclass(frozen=True)
class BillingExtract:
    """What BillingExtractReady__e says."""

    job_id: str
    file_ids: tuple[str, ...]


class BillingExtracts:
    """`published` is called with each extract: where events are served, it publishes one."""

    def __init__(
        self,
        records: OrgRecords,
        files: Files,
        published: Callable[[BillingExtract], None] = lambda _: None,
    ) -> None:
        self._records = records
        self._files = files
        self.published = published

    def routes(self) -> list[OrgRoute]:
        return [OrgRoute("POST", "/sandbox/billing-extract", self._answer, open=True)]

    def make(self, contents: Sequence[bytes]) -> BillingExtract:
        """A new job, with a file of each of these contents."""
        job_id = self._insert({"Status__c": "New", "Job_Type__c": "Billing Extract"})
        file_ids = tuple(
            self._files.add(
                {
                    "Title": f"Billing extract {number}",
                    "PathOnClient": f"billing_{number}.csv",
                    "FirstPublishLocationId": job_id,
                },
                content,
            )
            for number, content in enumerate(contents, 1)
        )
        row = {"Id": job_id, "File_Ids__c": json.dumps(file_ids)}
        _raise_error(self._records.update(JOB, [row])[0].error)
        extract = BillingExtract(job_id, file_ids)
        self.published(extract)
        return extract

    def _insert(self, row: Mapping[str, Any]) -> str:
        (outcome,) = self._records.insert(JOB, [row])
        _raise_error(outcome.error)
        return str(outcome.id)

    def _answer(self, call: OrgRequest) -> OrgReply:
        """{"files": 1, "rows": 12, "seed": 1} or {"contents": ["<CSV>", ...]}."""
        body = call.json_object()
        contents = body.get("contents")
        if contents is None:
            files, rows = int(body.get("files", 1)), int(body.get("rows", 12))
            if not 1 <= files <= _MOST:
                raise OrgApiError(400, "INVALID_EXTRACT", f"files is 1 to {_MOST}")
            seed = int(body.get("seed", 1))
            contents = [invoice_lines(rows, seed=seed + number) for number in range(files)]
        extract = self.make([str(content).encode() for content in contents])
        return OrgReply(200, {"job_id": extract.job_id, "file_ids": list(extract.file_ids)})


def invoice_lines(rows: int, *, seed: int) -> str:
    """CSV as Salesforce writes it; some lines are billed twice, equal in every value."""
    random = Random(seed)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    values = _line(random, 1)
    for number in range(1, rows + 1):
        if number == 1 or random.random() > 0.05:
            values = _line(random, number)
        writer.writerow(values)
    return text.getvalue()


def _line(random: Random, number: int) -> list[str]:
    amount = Decimal(random.randrange(1, 10_000_000)) / 100
    return [
        f"INV-{100_000 + number // 7}",
        str(number % 7 + 1),
        f"D{10_000 + random.randrange(60)}",
        (_FIRST_DAY + timedelta(days=random.randrange(30))).isoformat(),
        str(amount),
        str((amount / 10).quantize(Decimal("0.01"))),
        random.choice(_TEXTS),
    ]


def _raise_error(error: Any) -> None:
    if error is not None:
        raise OrgApiError(400, error.code, error.message, fields=error.fields)
