"""Maps Salesforce's error code of a row to the row's state.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm#i1421192
"""

from __future__ import annotations

from dataclasses import dataclass

from seil.salesforce.writes.batch import RowOutcome, RowState

# Locks, limits and server errors: a retry may succeed.
_TRANSIENT = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "REQUEST_LIMIT_EXCEEDED",
        "LIMIT_EXCEEDED",
        "SERVER_UNAVAILABLE",
        "REQUEST_RUNNING_TOO_LONG",
        "API_CURRENTLY_DISABLED",
        "UNKNOWN_EXCEPTION",
    }
)
_MISSING = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY"})


@dataclass(frozen=True)
class RowFailure:
    """`fields` are those that the error names; empty for an error of the record itself."""

    code: str
    reason: str
    fields: str = ""


def failed_row(key: str, error: RowFailure, record_id: str = "") -> RowOutcome:
    state: RowState = "rejected"
    if error.code in _TRANSIENT:
        state = "retrying"
    elif error.code in _MISSING and not error.fields:
        state = "missing"
    return RowOutcome(key, state, record_id, code=error.code, reason=error.reason)


def job_error(text: str) -> RowFailure:
    """Parses a job's sf__Error, `CODE:reason:fields --`; the reason may contain colons."""
    code, colon, rest = text.partition(":")
    if not colon or not code.replace("_", "").isupper():
        return RowFailure("", text)
    reason, colon, fields = rest.rpartition(":")
    return RowFailure(code, reason if colon else rest, fields.removesuffix("--").strip(" -"))
