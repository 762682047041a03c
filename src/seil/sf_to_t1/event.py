"""The event BillingExtractReady__e: which files are ready, and which job waits for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seil.errors import RejectError
from seil.salesforce.ids import full_id

EVENT_NAME = "BillingExtractReady__e"
FILES, JOB = "FileIds__c", "IntegrationJobId__c"


class BillingEventError(RejectError):
    """An event, or a job, does not name its files as it should."""

    cure = "Correct what fills FileIds__c, a JSON list of file ids; then publish the event again."

    def __init__(self, reason: str) -> None:
        super().__init__(f"{EVENT_NAME}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class BillingReady:
    """Ids have 18 characters; each file is named once."""

    job_id: str
    file_ids: tuple[str, ...]

    @classmethod
    def of(cls, job_id: str, file_ids: Sequence[str]) -> BillingReady:
        """Raises BillingEventError."""
        return cls(parse_job(job_id), parse_ids(file_ids))

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> BillingReady:
        """Of the event's fields. Raises BillingEventError."""
        return cls.of(str(fields.get(JOB) or ""), json_list(fields.get(FILES)))


def parse_job(job_id: str) -> str:
    """Raises BillingEventError for what is no record id."""
    if record_id := full_id(job_id):
        return record_id
    raise BillingEventError(f"{JOB} is no record id: {job_id!r}")


def parse_ids(file_ids: Sequence[str]) -> tuple[str, ...]:
    """Raises BillingEventError for what is no record id, or for none at all."""
    ids = {text: full_id(text) for text in file_ids}
    if wrong := [text for text, record_id in ids.items() if not record_id]:
        raise BillingEventError(f"{FILES} has what is no record id: {wrong[0]!r}")
    if not ids:
        raise BillingEventError(f"{FILES} is empty")
    return tuple(dict.fromkeys(str(record_id) for record_id in ids.values()))


def json_list(text: object) -> list[str]:
    """Raises BillingEventError for what is not a JSON list of texts."""
    try:
        values = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BillingEventError(f"{FILES} is not a JSON list of file ids")
    return values
