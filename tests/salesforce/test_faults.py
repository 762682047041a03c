from __future__ import annotations

import pytest
from tests.salesforce.conftest import DATA, FarEnd, Reply, errors

from seil.errors import (
    ConflictError,
    LoginError,
    ObjectRejectedError,
    QuotaExhaustedError,
    RequestRejectedError,
    SeilError,
    UnavailableError,
)
from seil.salesforce.org import Org

SOQL = "SELECT Id FROM Account"
EDGE = b"<html><head><title>Sorry</title></head><body><p>We are setting things up</p></body></html>"
MARKUP = {"Content-Type": "text/html;charset=UTF-8"}

OBJECT_REFUSED = [
    (400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API.", "enabled = false"),
    (400, "INVALID_FIELD", "No such column 'f' on entity 'X'", "exclude it"),
    (400, "INVALID_FIELD", "Selecting compound data not supported in Bulk Query", "exclude it"),
    (400, "API_ERROR", "Account does not support query", "View All Data"),
    (400, "API_ERROR", "Implementation restriction: filter on Id", "View All Data"),
    (
        400,
        "TXN_SECURITY_METERING_ERROR",
        "We can't complete the action because enabled transaction security policies took too long",
        "transaction security",
    ),
    (400, "QUERY_TIMEOUT", "Your query request was running for too long.", "Exclude fields"),
    (400, "OPERATION_TOO_LARGE", "exceeded 100000 distinct ids", "View All Data"),
    (400, "MALFORMED_QUERY", "unexpected token: 'FORM'", ""),
    (403, "FORBIDDEN", "insufficient rights", "API Enabled"),
    (404, "NOT_FOUND", "The requested resource does not exist", "spelling"),
    (400, "SOMETHING_NEW", "never seen before", ""),
]


@pytest.mark.parametrize(
    ("status", "code", "message", "hint"), OBJECT_REFUSED, ids=[c[1] for c in OBJECT_REFUSED]
)
def test_start_refused_for_the_object(
    far: FarEnd, org: Org, status: int, code: str, message: str, hint: str
) -> None:
    far.on("POST", f"{DATA}/jobs/query", Reply(status, errors(code, message)))
    with pytest.raises(ObjectRejectedError) as caught:
        org.bulk.start(SOQL)
    error = caught.value
    assert (error.object_name, error.code) == ("Account", code)
    assert error.message == f"Account: {code}: {message}"
    assert hint in error.hint


OTHER = [
    (
        "total requests",
        Reply(403, errors("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")),
        QuotaExhaustedError,
        "Salesforce allowance is used up: TotalRequests Limit exceeded.",
    ),
    (
        "query jobs a day",
        Reply(
            400,
            errors(
                "LIMIT_EXCEEDED",
                "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021)",
            ),
        ),
        QuotaExhaustedError,
        "allowance is used up: Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021)",
    ),
    (
        "result size stored",
        Reply(
            400,
            errors(
                "API_ERROR",
                "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded",
            ),
        ),
        QuotaExhaustedError,
        "allowance is used up: Max bulk v2 query result size stored (1000000000) kb per 24 hrs",
    ),
    (
        "concurrent requests pass",
        Reply(403, errors("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")),
        UnavailableError,
        "Salesforce answered 403: REQUEST_LIMIT_EXCEEDED: ConcurrentRequests Limit exceeded.",
    ),
    (
        "api disabled",
        Reply(403, errors("API_DISABLED_FOR_ORG", "API is disabled for this User")),
        LoginError,
        "API_DISABLED_FOR_ORG: API is disabled for this User",
    ),
    (
        "session refused twice",
        Reply(401, errors("INVALID_SESSION_ID", "Session expired or invalid")),
        LoginError,
        "INVALID_SESSION_ID: Session expired or invalid",
    ),
    ("401 without a body", Reply(401), LoginError, "401: Session expired or invalid"),
    (
        "row locked",
        Reply(400, errors("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access")),
        ConflictError,
        "Salesforce: UNABLE_TO_LOCK_ROW: unable to obtain exclusive access",
    ),
    ("empty 406", Reply(406), UnavailableError, "Salesforce answered 406: no reason given"),
    ("empty 420", Reply(420), UnavailableError, "Salesforce answered 420: no reason given"),
    (
        "edge page",
        Reply(420, EDGE, MARKUP),
        UnavailableError,
        "Salesforce answered 420: Sorry We are setting things up",
    ),
    (
        "page with an odd status",
        Reply(403, EDGE, MARKUP),
        UnavailableError,
        "Salesforce answered 403: Sorry We are setting things up",
    ),
    ("throttled", Reply(429), UnavailableError, "Salesforce answered 429: no reason given"),
    (
        "server unavailable",
        Reply(503, errors("SERVER_UNAVAILABLE", "Too busy to respond")),
        UnavailableError,
        "Salesforce answered 503: SERVER_UNAVAILABLE: Too busy to respond",
    ),
    ("bad gateway", Reply(502, b"oops"), UnavailableError, "Salesforce answered 502: oops"),
    ("gateway timeout", Reply(504, EDGE, MARKUP), UnavailableError, "Salesforce answered 504"),
    (
        "API_ERROR of a broken server",
        Reply(500, errors("API_ERROR", "unexpected")),
        UnavailableError,
        "Salesforce answered 500: API_ERROR: unexpected",
    ),
    ("200 but a page", Reply(200, EDGE, MARKUP), UnavailableError, "the answer is a web page"),
    ("200 but not JSON", Reply(200, b'{"sobj'), UnavailableError, "the answer is not JSON"),
    ("200 but deep", Reply(200, b"[" * 100_000), UnavailableError, "the answer is not JSON"),
    ("400 but deep", Reply(400, b"[" * 100_000), RequestRejectedError, "HTTP_400: [["),
    ("200 but empty", Reply(200), UnavailableError, "the answer is not JSON"),
    ("200 but a list", Reply(200, []), UnavailableError, "the answer has no sobjects"),
    (
        "several records",
        Reply(300, ["/services/data/v62.0/sobjects/A/1", "/services/data/v62.0/sobjects/A/2"]),
        RequestRejectedError,
        "Salesforce refused the request: MULTIPLE_RECORDS: no reason given",
    ),
    (
        "uri too long",
        Reply(414, b"<h1>URI Too Long</h1>", MARKUP),
        RequestRejectedError,
        "Salesforce refused the request: URI_TOO_LONG: URI Too Long",
    ),
    (
        "headers too long",
        Reply(431, b"<h1>Bad Message 431</h1><pre>reason: Header Fields Too Large</pre>", MARKUP),
        RequestRejectedError,
        "URI_TOO_LONG: Bad Message 431 reason: Header Fields Too Large",
    ),
    (
        "list with an empty object",
        Reply(403, [{}]),
        RequestRejectedError,
        "Salesforce refused the request: FORBIDDEN: no reason given",
    ),
    ("empty list", Reply(400, []), RequestRejectedError, "HTTP_400: no reason given"),
    ("text", Reply(400, b"nope"), RequestRejectedError, "HTTP_400: nope"),
    (
        "async error object",
        Reply(400, {"exceptionCode": "InvalidJob", "exceptionMessage": "Invalid job id"}),
        RequestRejectedError,
        "InvalidJob: Invalid job id",
    ),
    ("moved", Reply(302, b"", {"Location": "/x"}), RequestRejectedError, "HTTP_302"),
]


@pytest.mark.parametrize(
    ("reply", "kind", "message"), [c[1:] for c in OTHER], ids=[c[0] for c in OTHER]
)
def test_answer_becomes_error(
    far: FarEnd, org: Org, reply: Reply, kind: type[SeilError], message: str
) -> None:
    far.on("GET", f"{DATA}/sobjects", reply)
    with pytest.raises(SeilError) as caught:
        org.objects()
    assert isinstance(caught.value, kind)
    assert message in caught.value.message


def test_empty_error_on_job_creation_names_the_object(far: FarEnd, org: Org) -> None:
    far.on("POST", f"{DATA}/jobs/query", Reply(403, [{}]))
    with pytest.raises(ObjectRejectedError, match="Account: FORBIDDEN: no reason given"):
        org.bulk.start(SOQL)


def test_error_never_shows_the_query(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{DATA}/query", Reply(401, errors("INVALID_SESSION_ID", "expired")))
    with pytest.raises(LoginError) as caught:
        list(org.query("SELECT Id FROM Contact WHERE Email = 'someone@example.com'"))
    assert caught.value.login_url == f"{far.url}{DATA}/query"
    assert "example.com" not in str(caught.value)
