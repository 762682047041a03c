from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.limits import HELD, LATER
from tests.salesforce.conftest import DATA, TOKEN, FarEnd, Reply, Request, errors

from seil.errors import (
    ConflictError,
    LoginError,
    ObjectRejectedError,
    OutcomeUnknownError,
    RequestRejectedError,
    UnavailableError,
)
from seil.salesforce.allowance import ApiUsage, PerAppUsage
from seil.salesforce.org import Org
from seil.secret import Secret
from seil.settings import SalesforceSettings

OBJECTS = f"{DATA}/sobjects"
JOBS = f"{DATA}/jobs/query"
LIST = Reply(body={"sobjects": [{"name": "Lead", "label": "Lead", "queryable": True}]})
JOB = Reply(body={"id": "750xx", "state": "UploadComplete", "object": "Lead"})
EXPIRED = errors("INVALID_SESSION_ID", "Session expired or invalid")
SOQL = "SELECT Id FROM Lead"


@pytest.mark.parametrize(
    "failure",
    [
        Reply(406),
        Reply(420),
        Reply(429),
        Reply(500, errors("UNKNOWN_EXCEPTION", "An unexpected error occurred")),
        Reply(502),
        Reply(503),
        Reply(504),
        Reply(200, b"<html>setting things up</html>"),
        Reply(400, errors("UNABLE_TO_LOCK_ROW", "locked")),
        Reply(hang_up=True),
        Reply(body=b'{"sobjects": []}', claims=500),
        Reply(400, b"half an err", claims=500),
    ],
    ids=lambda r: f"{r.status}-{r.hang_up}-{r.claims}",
)
def test_passing_failure_is_tried_again(
    far: FarEnd, org: Org, pauses: list[float], failure: Reply
) -> None:
    far.on("GET", OBJECTS, failure, LIST)
    assert [o.name for o in org.objects()] == ["Lead"]
    assert len(pauses) == 1


def test_lasting_failure_ends_after_the_attempts(
    far: FarEnd, org: Org, pauses: list[float]
) -> None:
    far.on("GET", OBJECTS, Reply(503, headers={"Retry-After": "9"}))
    with pytest.raises(UnavailableError) as caught:
        org.objects()
    assert (caught.value.status, caught.value.retry_after) == (503, 9.0)
    assert pauses == [9.0, 9.0]
    assert len(far.paths("GET")) == 3


def test_waits_grow_and_vary(far: FarEnd, settings: SalesforceSettings) -> None:
    pauses: list[float] = []
    far.on("GET", OBJECTS, Reply(503))
    patient = settings.model_copy(update={"attempts": 6, "max_wait": timedelta(seconds=5)})
    with Org(patient, sleep=pauses.append) as org, pytest.raises(UnavailableError):
        org.objects()
    assert len(pauses) == 5
    assert all(low <= pause <= 5 for low, pause in zip([0.5, 1, 2, 4, 5], pauses, strict=True))


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_capped(far: FarEnd, settings: SalesforceSettings, as_date: bool) -> None:
    pauses: list[float] = []
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    headers = {"Retry-After": later if as_date else "7200"}
    far.on("GET", OBJECTS, Reply(429, headers=headers), LIST)
    brief = settings.model_copy(update={"max_wait": timedelta(seconds=20)})
    with Org(brief, sleep=pauses.append) as org:
        org.objects()
    assert pauses == [20.0]


def test_row_lock_that_stays_is_a_conflict(far: FarEnd, org: Org) -> None:
    far.on("GET", OBJECTS, Reply(400, errors("UNABLE_TO_LOCK_ROW", "locked")))
    with pytest.raises(ConflictError, match="UNABLE_TO_LOCK_ROW"):
        org.objects()


def test_query_timeout_gets_a_second_chance_only(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{DATA}/query", Reply(400, errors("QUERY_TIMEOUT", "too long")))
    with pytest.raises(ObjectRejectedError, match="QUERY_TIMEOUT"):
        list(org.query(SOQL))
    assert len(far.paths("GET")) == 2


def test_silence_counts_as_unavailable(far: FarEnd, settings: SalesforceSettings) -> None:
    far.on("GET", OBJECTS, Reply(delay=HELD))
    hasty = settings.model_copy(update={"attempts": 1, "timeout": timedelta(seconds=LATER)})
    with Org(hasty) as org, pytest.raises(UnavailableError, match="ReadTimeout"):
        org.objects()


CALLS: dict[str, Callable[[Org], object]] = {
    "login": Org.login,
    "identity": Org.identity,
    "query": lambda org: list(org.query(SOQL)),
    "job": lambda org: org.bulk.start(SOQL),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nobody_listens(
    settings: SalesforceSettings, pauses: list[float], call: Callable[[Org], object]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        nowhere = settings.model_copy(update={"login_url": url, "attempts": 5})
        with (
            Org(nowhere, sleep=pauses.append) as org,
            pytest.raises(UnavailableError, match=r"no connection to 127.*Connection refused"),
        ):
            call(org)
    assert len(pauses) == 4
    assert sum(pauses) < 10, "the default attempts are over within about ten seconds"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("failure", [Reply(503), Reply(hang_up=True)], ids=["503", "hung up"])
def test_login_is_tried_as_often_as_the_call_that_needs_it(
    far: FarEnd, org: Org, failure: Reply, call: Callable[[Org], object]
) -> None:
    far.on("POST", TOKEN, failure)
    with pytest.raises(UnavailableError):
        call(org)
    assert [request.path for request in far.requests] == [TOKEN] * 3


def test_lost_login_does_not_stop_a_single_attempt(far: FarEnd, org: Org) -> None:
    granted = Reply(body={"access_token": "t", "instance_url": far.url})
    far.on("POST", TOKEN, Reply(hang_up=True), granted)
    far.on("POST", JOBS, JOB)
    assert org.bulk.start(SOQL).id == "750xx"
    assert far.paths("POST") == [JOBS]


def test_refused_session_is_not_tried_again_when_the_login_fails(far: FarEnd, org: Org) -> None:
    org.login()
    granted = Reply(body={"access_token": "new", "instance_url": far.url})
    far.on("POST", TOKEN, Reply(503), granted)
    far.on("GET", OBJECTS, Reply(401, EXPIRED), LIST)
    assert len(org.objects()) == 1
    tokens = [r.headers["Authorization"] for r in far.requests if r.method == "GET"]
    assert tokens == ["Bearer token-1", "Bearer new"]


@pytest.mark.parametrize(
    "refusal",
    [Reply(503, errors("SERVER_UNAVAILABLE", "busy")), Reply(429), Reply(420)],
    ids=["503", "429", "420"],
)
def test_refused_job_is_requested_again(far: FarEnd, org: Org, refusal: Reply) -> None:
    far.on("POST", JOBS, refusal, JOB)
    assert org.bulk.start(SOQL).id == "750xx"


@pytest.mark.parametrize(
    "loss",
    [Reply(hang_up=True), Reply(body=b'{"id": "75'), Reply(body=b"{}", claims=99)],
    ids=["no answer", "half JSON", "cut"],
)
def test_job_is_requested_once_when_the_answer_gets_lost(
    far: FarEnd, org: Org, loss: Reply
) -> None:
    far.on("POST", JOBS, loss, JOB)
    with pytest.raises(OutcomeUnknownError):
        org.bulk.start(SOQL)
    assert far.paths("POST") == [JOBS]


@pytest.mark.parametrize("status", [401, 403])
def test_expired_session_logs_in_again(far: FarEnd, org: Org, status: int) -> None:
    far.on("GET", OBJECTS, Reply(status, EXPIRED), LIST)
    assert len(org.objects()) == 1
    tokens = [r.headers["Authorization"] for r in far.requests if r.method == "GET"]
    assert tokens == ["Bearer token-1", "Bearer token-2"]


def test_expired_session_on_job_creation(far: FarEnd, org: Org) -> None:
    far.on("POST", JOBS, Reply(401, EXPIRED), JOB)
    assert org.bulk.start(SOQL).id == "750xx"


def test_session_that_is_never_accepted_is_a_login_error(far: FarEnd, org: Org) -> None:
    far.on("GET", OBJECTS, Reply(401, EXPIRED))
    with pytest.raises(LoginError, match="INVALID_SESSION_ID"):
        org.objects()
    assert far.token == 5


def test_sessions_that_end_one_after_another_are_survived(far: FarEnd, org: Org) -> None:
    far.on("GET", OBJECTS, *[Reply(401, EXPIRED)] * 4, LIST)
    assert len(org.objects()) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_org_that_moved_is_found_by_one_new_login(
    far: FarEnd, org: Org, moved: FarEnd, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    org.login()
    away = Reply(status, b"", {"Location": "https://other.example/x?sid=00Dsecret"})
    far.on("GET", OBJECTS, away)
    far.on("POST", TOKEN, Reply(body={"access_token": "new", "instance_url": moved.url}))
    moved.on("GET", OBJECTS, LIST)
    assert len(org.objects()) == len(org.objects()) == 1
    assert [request.path for request in far.requests] == [TOKEN, OBJECTS, TOKEN]
    assert [r.headers["Authorization"] for r in moved.requests] == ["Bearer new"] * 2
    assert f"it is at {moved.url}" in caplog.text
    assert "secret" not in caplog.text


def test_redirect_that_a_new_login_does_not_end_is_refused(far: FarEnd, org: Org) -> None:
    far.on("GET", OBJECTS, Reply(301, b"", {"Location": "https://other.example/x"}))
    with pytest.raises(RequestRejectedError, match=r"it redirects to other\.example") as caught:
        org.objects()
    assert "My Domain" in caught.value.hint
    assert far.token == 2


def test_many_threads_refused_at_once_log_in_once(far: FarEnd, org: Org) -> None:
    def only_the_second_token(request: Request) -> Reply:
        old = request.headers["Authorization"] == "Bearer token-1"
        return Reply(401, EXPIRED, delay=0.05) if old else LIST

    far.on("GET", OBJECTS, only_the_second_token)
    org.login()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: org.objects(), range(24)))
    assert [len(a) for a in answers] == [1] * 24
    assert far.token == 2


def test_usage_is_read_off_every_answer(far: FarEnd, org: Org) -> None:
    limit_info = "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)"
    far.on(
        "GET",
        OBJECTS,
        Reply(503, headers={"Sforce-Limit-Info": "api-usage=24/5000"}),
        Reply(body=LIST.body, headers={"Sforce-Limit-Info": limit_info}, lower_case=True),
        LIST,
    )
    assert org.usage is None
    org.objects()
    assert org.usage == ApiUsage(25, 5000, PerAppUsage(17, 250, "sample-connected-app"))
    org.objects()
    assert org.usage is not None, "an answer without the header changes nothing"


@pytest.mark.parametrize(
    ("header", "usage"),
    [
        ("api-usage=18/5000", ApiUsage(18, 5000)),
        ("per-app-api-usage=1/2(appName=x)", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_usage_header(header: str | None, usage: ApiUsage | None) -> None:
    assert ApiUsage.parse(header) == usage


@pytest.mark.parametrize(("setting", "sent"), [(None, "identity"), (True, "gzip")])
def test_gzip_is_requested_except_on_loopback(
    far: FarEnd, settings: SalesforceSettings, setting: bool | None, sent: str
) -> None:
    packed = Reply(
        body=gzip.compress(b'{"sobjects": [{"name": "Lead"}]}'),
        headers={"Content-Encoding": "gzip"},
        framing="chunked",
    )
    far.on("GET", OBJECTS, packed if setting else LIST)
    with Org(settings.model_copy(update={"gzip": setting})) as org:
        assert org.objects()[0].name == "Lead"
    assert far.requests[-1].headers["Accept-Encoding"] == sent


def test_answer_that_only_claims_to_be_gzip(far: FarEnd, org: Org) -> None:
    far.on("GET", OBJECTS, Reply(body=b"plain", headers={"Content-Encoding": "gzip"}), LIST)
    assert len(org.objects()) == 1


def test_one_log_line_a_call_without_secrets(
    far: FarEnd, org: Org, caplog: pytest.LogCaptureFixture
) -> None:
    far.on("GET", f"{DATA}/query", Reply(body={"done": True, "records": [], "totalSize": 0}))
    with caplog.at_level(logging.DEBUG):
        list(org.query("SELECT Id FROM Lead WHERE Email = 'x@example.com'"))
    lines = [r.getMessage() for r in caplog.records if r.name == "seil.salesforce.connection"]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        f"POST {TOKEN} 200",
        f"GET {DATA}/query 200",
    ]
    assert not any(word in caplog.text for word in ("token-1", "s3cr3t", "example.com"))


def test_next_page_never_leaves_the_instance(far: FarEnd, org: Org) -> None:
    page = {"done": False, "records": [], "nextRecordsUrl": f"https://evil.example{DATA}/query/2"}
    far.on("GET", f"{DATA}/query", Reply(body=page))
    far.on("GET", f"{DATA}/query/2", Reply(body={"done": True, "records": [{"Id": "1"}]}))
    assert list(org.query(SOQL)) == [{"Id": "1"}]


def test_session_repr_has_no_token(org: Org) -> None:
    session = org.login()
    assert session.access_token == "token-1"
    assert "token-1" not in repr(session)


def test_secret_is_not_in_the_settings_repr(settings: SalesforceSettings) -> None:
    assert settings.client_secret == Secret("plain:s3cr3t")
    assert "s3cr3t" not in repr(settings)
