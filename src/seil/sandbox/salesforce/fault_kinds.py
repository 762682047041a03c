"""Named faults, as clients of Salesforce have reported them.

A name is accepted wherever a fault is. SEIL's tests run the pipeline through each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from seil.sandbox.base.faults import FaultKind, FaultKinds
from seil.sandbox.salesforce.faults import OrgFault, StreamFault

OrgFaultKind: TypeAlias = FaultKind[OrgFault]

_DATA = "/services/data/"
_LOGIN = "/oauth2/token"
_START = r"/jobs/query/?$"
_JOB = r"/jobs/query/\w+$"
_PAGE = r"/results(\?|$)"
_PAGE_LIST = "/resultPages"
_DESCRIBE = "/describe$"
_CREATE = r"/sobjects/\w+/?$"
_DELETED = "/deleted/"
_SUBSCRIBE = "/eventbus.v1.PubSub/Subscribe"
_OPENING = "(Event|__e)$"
_UPDATING = "<html><body><h1>We are setting things up</h1></body></html>"


def _kind(about: str, path: str, **action: object) -> OrgFaultKind:
    return OrgFaultKind(about, (OrgFault.model_validate({"path": path, **action}),))


def _refusal(about: str, path: str, code: str, message: str, **action: object) -> OrgFaultKind:
    action_values = {"status": 400, "code": code, "message": message, **action}
    return _kind(about, path, **action_values)


def _linked_pages(about: str, **action: object) -> OrgFaultKind:
    """Pages that link to each other, as before API version 58."""
    return OrgFaultKind(
        about, (OrgFault(path=_PAGE_LIST, status=404, code="NOT_FOUND"), _page(**action))
    )


def _page(**action: object) -> OrgFault:
    return OrgFault.model_validate({"path": _PAGE, **action})


_SESSIONS = {
    "session-expired": _kind(
        "Sessions expire between requests, three times.",
        _DATA,
        expire_session=True,
        after=3,
        every=4,
        times=3,
    ),
    "login-unavailable": _kind(
        "The login answers 503, twice.", _LOGIN, status=503, retry_after=1, times=2
    ),
    "login-refused": _kind(
        "The login fails without a description.",
        _LOGIN,
        status=400,
        text='{"error": "invalid_grant"}',
    ),
    "api-disabled": _refusal(
        "The user may not use the API.",
        _DATA,
        "API_DISABLED_FOR_ORG",
        "API is not enabled for this Organization or Partner",
        status=403,
    ),
}

_MOVED = {
    "moved": _kind(
        "The org moved: one request is redirected until the next login.",
        _PAGE,
        status=301,
        text="",
        set_headers={"Location": "https://moved.example/"},
        times=1,
    ),
}

_BUSY = {
    "unavailable": _kind(
        "503 with Retry-After on every fourth request, four times.",
        _DATA,
        status=503,
        retry_after=1,
        every=4,
        times=4,
    ),
    "throttled": _refusal(
        "429 with Retry-After, three times.",
        _DATA,
        "REQUEST_LIMIT_EXCEEDED",
        "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        status=429,
        retry_after="Wed, 21 Oct 2015 07:28:00 GMT",
        times=3,
    ),
    "down": _kind("503 on every request.", _DATA, status=503),
    "html-error": _kind(
        "An HTML page from the edge, status 420, twice.", _DATA, status=420, html=_UPDATING, times=2
    ),
    "html-answer": _kind(
        "An HTML page instead of a job, status 200, twice.", "/jobs/query", html=_UPDATING, times=2
    ),
    "html-page": _kind(
        "An HTML page instead of a result page, once.", _PAGE, html=_UPDATING, times=1
    ),
    "empty-error": _kind("406 without a body, twice.", _DATA, status=406, text="", times=2),
}

_WIRE = {
    "reset": _kind(
        "Connections are reset before a GET is executed.",
        _DATA,
        method="GET",
        reset="before",
        every=3,
        times=4,
    ),
    "answer-lost": _kind(
        "A query job is created, but its response is lost.",
        _START,
        method="POST",
        reset="after",
        times=1,
    ),
    "answer-504": _kind(
        "A query job is created, but the gateway responds 504.",
        _START,
        method="POST",
        commit=True,
        status=504,
        times=1,
    ),
    "create-504": _kind(
        "A record is created, but the gateway responds 504.",
        _CREATE,
        method="POST",
        commit=True,
        status=504,
        times=1,
    ),
    "create-lost": _kind(
        "A record is created, but its response is lost.",
        _CREATE,
        method="POST",
        reset="after",
        times=1,
    ),
    "cut-answer": _kind("A describe is truncated.", _DESCRIBE, cut=100, times=1),
    "cut-header": _kind("A result page is truncated in its first line.", _PAGE, cut=20, times=1),
    "cut-page": _kind("A result page is truncated.", _PAGE, cut=600, times=1),
    "cut-pages": _kind("Every result page is truncated.", _PAGE, cut=600),
    "slow-drip": _kind("Result pages arrive in small pieces.", _PAGE, drip=997, drip_delay=0.002),
    "slow-answer": _kind("A response takes three seconds.", _DATA, delay=3, times=1),
    "damaged-gzip": _kind(
        "A response is labelled gzip but is not compressed.",
        _PAGE,
        set_headers={"Content-Encoding": "gzip"},
        times=1,
    ),
}

_HEADERS = {
    "lower-case-headers": _kind("Header names are in lower case.", "", lower_case_headers=True),
    "no-limit-info": _kind("No Sforce-Limit-Info.", _DATA, drop_headers=["Sforce-Limit-Info"]),
    "limit-info-per-app": _kind(
        "Sforce-Limit-Info with a share for the app.",
        _DATA,
        set_headers={
            "Sforce-Limit-Info": "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)"
        },
    ),
    "no-date": _kind("No Date header.", _DATA, drop_headers=["Date"]),
    "no-limits": _refusal("No limits resource.", "/limits$", "NOT_FOUND", "", status=404),
}

_TEXT = {
    "charset-unsaid": _kind("Result pages lack a charset.", _PAGE, charset=""),
    "latin-1": _kind("Result pages are labelled ISO-8859-1.", _PAGE, charset="ISO-8859-1"),
    "nul-bytes": _kind("NUL bytes in result pages.", _PAGE, nul_bytes=True),
    "byte-order-mark": _kind("A byte order mark before result pages.", _PAGE, bom=True),
}

_COUNTS = {
    "count-too-high": _kind(
        "A page has one row fewer than its count.", _PAGE, number_of_records="+1", times=1
    ),
    "count-too-low": _kind(
        "Every page has one row more than its count.", _PAGE, number_of_records="-1"
    ),
    "count-missing": _kind(
        "A page lacks its row count.",
        _PAGE,
        drop_headers=["Sforce-NumberOfRecords"],
        times=1,
    ),
    "rows-twice": _kind("A page repeats its rows.", _PAGE, rows_twice=True, times=1),
    "rows-twice-counted": _kind(
        "A page repeats its rows, and its count includes them.",
        _PAGE,
        rows_twice=True,
        number_of_records="*2",
        times=1,
    ),
    "job-count-wrong": _kind(
        "A job reports a wrong number of rows.",
        _JOB,
        method="GET",
        members={"numberRecordsProcessed": 123456},
    ),
    "job-count-zero": _kind(
        "A job reports no rows, but has some.",
        _JOB,
        method="GET",
        members={"numberRecordsProcessed": 0},
    ),
    "job-count-low": _kind(
        "A job reports one row, but has more.",
        _JOB,
        method="GET",
        members={"numberRecordsProcessed": 1},
    ),
    "job-count-missing": _kind(
        "A job lacks its number of rows.",
        _JOB,
        method="GET",
        members={"numberRecordsProcessed": None},
    ),
}

_PAGES = {
    "pages-twice": _kind("The list of pages has every page twice.", _PAGE_LIST, pages_twice=True),
    "page-list-loops": _kind(
        "The list of pages links to itself as its continuation.",
        _PAGE_LIST,
        members={"done": False, "nextRecordsUrl": "{path}"},
    ),
    "no-page-list": _linked_pages(
        "No list of pages: each page links to the next.", lower_case_headers=True
    ),
    "locator-missing": _linked_pages(
        "No list of pages, and no links to the next.", drop_headers=["Sforce-Locator"]
    ),
    "locator-stuck": _linked_pages(
        "No list of pages, and a page links to itself.", stuck_locator=True
    ),
    "locator-refused": _refusal(
        "A locator is refused.", _PAGE, "INVALIDLOCATOR", "Invalid locator", times=1
    ),
}

_JOBS = {
    "job-fails": _kind(
        "A query job fails.", _START, fail_job="Retried more than 15 times", times=1
    ),
    "job-times-out": _kind(
        "Every query job runs too long.",
        _START,
        fail_job="QUERY_TIMEOUT: Your query request was running for too long.",
    ),
    "job-aborted": _kind(
        "A job is reported as aborted, once.",
        _JOB,
        method="GET",
        members={"state": "Aborted"},
        times=1,
    ),
    "job-state-unknown": _kind(
        "A job is in an undocumented state, twice.",
        _JOB,
        method="GET",
        members={"state": "Queued"},
        times=2,
    ),
    "job-expired": _kind(
        "The job expires before its pages are read.", _PAGE, expire_jobs=True, times=1
    ),
    "job-of-other-version": _refusal(
        "The job belongs to another API version.",
        _PAGE,
        "API_VERSION_MISMATCH",
        "The job was created with another API version",
        status=409,
        times=1,
    ),
    "job-not-deleted": _kind("Jobs cannot be deleted.", _JOB, method="DELETE", status=429),
}

_REFUSALS = {
    "job-forbidden": _kind("403 with an empty error.", _START, status=403, text="[{}]"),
    "object-unsupported": _refusal(
        "The Bulk API does not support the object.",
        _START,
        "INVALIDENTITY",
        "Entity is not supported by the Bulk API.",
    ),
    "field-gone": _refusal(
        "A field was deleted after the describe.",
        _START,
        "INVALID_FIELD",
        "No such column 'Gone__c' on entity",
        times=1,
    ),
    "not-found": _refusal(
        "The object was deleted.", _DESCRIBE, "NOT_FOUND", "The requested resource does not exist",
        status=404,
    ),
}  # fmt: skip

_QUOTAS = {
    "quota-gone": _refusal(
        "The daily API requests are used up.",
        _DATA,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
        status=403,
        after=5,
    ),
    "quota-told": _kind(
        "Sforce-Limit-Info reports no requests left.",
        _DATA,
        set_headers={"Sforce-Limit-Info": "api-usage=100000/100000"},
        after=4,
    ),
    "app-quota-told": _kind(
        "Sforce-Limit-Info reports the app's share as used up.",
        _DATA,
        set_headers={
            "Sforce-Limit-Info": "api-usage=9/5000; per-app-api-usage=250/250(appName=sample-app)"
        },
        after=4,
    ),
    "jobs-used-up": _refusal(
        "The daily query jobs are used up.",
        _START,
        "LIMIT_EXCEEDED",
        "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021)",
    ),
    "storage-used-up": _refusal(
        "The daily result storage is used up.",
        _START,
        "LIMIT_EXCEEDED",
        "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded",
    ),
}

_DELETIONS = {
    "deletions-too-many": _refusal(
        "The list of deletions exceeds its limit, once.", _DELETED, "EXCEEDED_ID_LIMIT",
        "exceeded 600000 ids", times=1,
    ),
    "deletions-too-old": _refusal(
        "The list of deletions starts too late, once.", _DELETED, "INVALID_REPLICATION_DATE",
        "startDate before org replication enabled date", times=1,
    ),
    "deletions-unsupported": _refusal(
        "The object has no list of deletions.", _DELETED, "INVALID_TYPE",
        "sObject type cannot be replicated",
    ),
    "deletions-behind": _kind(
        "The list of deletions ends before the requested period, once.", _DELETED,
        members={"latestDateCovered": "2020-01-01T00:00:00.000+0000", "deletedRecords": []},
        times=1,
    ),
    "deletions-unavailable": _kind(
        "The list of deletions fails with 500.", _DELETED, status=500, code="UNKNOWN_EXCEPTION"
    ),
}  # fmt: skip


def _stream(about: str, fault: StreamFault, place: str = "/deliver$") -> OrgFaultKind:
    """Of the Pub/Sub API's calls, once."""
    return _kind(about, f"^{_SUBSCRIBE}.*{place}", stream=fault, times=1)


STREAM_KINDS: Mapping[str, OrgFaultKind] = {
    "event-twice": _stream("Events come again under other replay ids.", "twice"),
    "event-gap": _stream("Change events name the records, and no values.", "gap"),
    "event-overflow": _stream("A change event says that too much changed.", "overflow"),
    "stream-auth": _stream("The session ends in the middle of a stream.", "auth"),
    "stream-auth-refresh": _stream("A stream's session is invalid.", "auth-refresh"),
    "stream-reset": _stream("A stream's connection is reset.", "reset"),
    "stream-unavailable": _stream("A stream ends, as the service is down.", "unavailable"),
    "stream-closed": _stream("A stream is closed without an error.", "close"),
    "stream-silent": _kind(
        "A stream is silent until this fault is removed.",
        f"^{_SUBSCRIBE}.*/deliver$",
        stream="silence",
    ),
    "replay-corrupted": _stream("A replay id is refused as corrupted.", "corrupted", _OPENING),
    "replay-refused": _stream("A replay id is refused as unknown.", "replay", _OPENING),
    "delivery-limit": _stream("The day's events are used up.", "limit", _OPENING),
    "client-limit": _stream("Too many clients have streams open.", "clients", _OPENING),
}

KINDS = FaultKinds(
    OrgFault,
    {
        **_SESSIONS,
        **_MOVED,
        **_BUSY,
        **_WIRE,
        **_HEADERS,
        **_TEXT,
        **_COUNTS,
        **_PAGES,
        **_JOBS,
        **_REFUSALS,
        **_QUOTAS,
        **_DELETIONS,
        **STREAM_KINDS,
    },
)
