"""HTTP to the org: a shared session, retries, translated errors, the budget of calls."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

import seil
from seil.errors import AbortError, OutcomeUnknownError, SeilError, UnavailableError
from seil.salesforce.budget import Budget
from seil.salesforce.faults import SERVICE, OrgAnswer, OrgMovedError, SessionExpiredError, fault
from seil.salesforce.retries import Retries, before_call
from seil.salesforce.session import Admit, Login, Session, Sessions, admit_any
from seil.salesforce.token_endpoint import is_loopback
from seil.settings import SalesforceSettings

logger = logging.getLogger(__name__)
# httpx logs whole URLs, and so the text of queries; our own line does not.
logging.getLogger("httpx").setLevel(logging.WARNING)

T = TypeVar("T")

_CONNECT_SECONDS = 30.0
_IDLE_CONNECTIONS = 64
_IDLE_SECONDS = 30.0
# Raised before the request was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# Of one call. Threads share a session: where sessions expire one after another, what each of them
# sends can meet every one of these.
_RENEWALS = 4
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")


@dataclass(frozen=True)
class OrgCall:
    """One request. `path` is below /services/data/vXX.X/, or absolute when it starts with a slash.

    `body` is sent as JSON; `content` as it stands, of `content_type`.
    `about` names the object for messages; `also` are accepted statuses besides 2xx;
    `within_budget` is False for calls that are sent even when the budget is used up.

    `idempotent` calls are retried even if the response was lost; for others `look` says how to
    find out whether they were executed. A POST or a PATCH has to set `idempotent`; the default for
    the other methods is that of RFC 9110, 9.2.2.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    about: str = ""
    also: tuple[int, ...] = ()
    idempotent: bool | None = None
    look: str = ""
    attempts: int | None = None
    within_budget: bool = True

    def __post_init__(self) -> None:
        if self.idempotent is None:
            if self.method not in _IDEMPOTENT:
                raise ValueError(f"a {self.method} has to set idempotent")
            object.__setattr__(self, "idempotent", True)


class OrgConnection:
    """Thread-safe. `transport` and `sleep` are for tests."""

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        admit: Admit = admit_any,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.budget = Budget(settings.reserve)
        loopback = is_loopback(settings.login_url)
        zipped = settings.gzip if settings.gzip is not None else not loopback
        seconds = settings.timeout.total_seconds()
        # The callers limit concurrency, not the pool.
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_SECONDS,
        )
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS), pool=None),
            limits=limits,
            headers={
                "User-Agent": f"seil/{seil.__version__}",
                "Accept-Encoding": "gzip" if zipped else "identity",
            },
            # A proxy from the environment cannot reach this machine's loopback.
            trust_env=not loopback,
            verify=_trust(environment=not loopback),
        )
        self.retries = Retries(settings.attempts, settings.max_wait.total_seconds(), sleep)
        self.sessions = Sessions(Login(settings, self.post_form), admit)

    def close(self) -> None:
        self._client.close()

    def login(self) -> Session:
        """Always a new session."""
        return self.retries.call(self.sessions.fresh, idempotent=True)

    def session(self) -> Session:
        """The current session, or a new one."""
        return self.retries.call(self.sessions.current, idempotent=True)

    def renew_session(self, refused: Session) -> Session:
        return self.retries.call(lambda: self.sessions.renew(refused), idempotent=True)

    def json(self, call: OrgCall) -> Any:
        """The parsed answer, decimals exact. Raises UnavailableError where it is not JSON."""

        def attempt() -> Any:
            response = self._send(call, stream=False)
            try:
                return json.loads(response.content, parse_float=Decimal)
            except (ValueError, RecursionError) as error:
                # An edge server's page: the request got no further. A truncated answer: it did.
                page = response.content.lstrip()[:1] == b"<"
                reason = "the answer is a web page" if page else "the answer is not JSON"
                status = response.status_code
                raise UnavailableError(SERVICE, reason, status=status, reached=not page) from error

        return self._execute(call, attempt)

    def send(self, call: OrgCall) -> httpx.Response:
        """The answer with its body."""
        return self._execute(call, lambda: self._send(call, stream=False))

    @contextmanager
    def stream(self, call: OrgCall) -> Iterator[httpx.Response]:
        """The answer with an unread body; closed at the end of the block."""
        response = self._execute(call, lambda: self._send(call, stream=True))
        try:
            yield response
        finally:
            response.close()

    def _authorize(self, attempt: Callable[[Session], T]) -> T:
        """Runs `attempt`, again with a new session if the org refuses the current one.

        A login counts as part of the attempt: a retry of the call logs in again.
        """
        with before_call():
            session = self.sessions.current()
        for _ in range(_RENEWALS):
            try:
                return attempt(session)
            except SessionExpiredError as error:
                session = self._renew(session, error)
                if isinstance(error, OrgMovedError):
                    break
        try:
            return attempt(session)
        except SessionExpiredError as error:
            raise error.refusal from error

    def _renew(self, session: Session, error: SessionExpiredError) -> Session:
        with before_call():
            new_session = self.sessions.renew(session)
        if isinstance(error, OrgMovedError):
            logger.warning(
                "the org at %s moved (it redirects to %s): after a new login it is at %s",
                session.instance_url,
                error.location,
                new_session.instance_url,
            )
        else:
            logger.info("the session has expired; logged in again")
        return new_session

    def _url(self, session: Session, path: str) -> str:
        if path.startswith(("/", "http")):
            # The host is ignored, so that the token goes to the instance only.
            parts = urlsplit(path)
            query = f"?{parts.query}" if parts.query else ""
            return f"{session.instance_url}{parts.path}{query}"
        return f"{session.instance_url}/services/data/v{self.settings.api_version}/{path}"

    def _execute(self, call: OrgCall, attempt: Callable[[], T]) -> T:
        """Raises OutcomeUnknownError where a call that is not idempotent may have been executed."""
        idempotent = bool(call.idempotent)
        lost: list[UnavailableError] = []

        def attempt_noted() -> T:
            try:
                return attempt()
            except UnavailableError as error:
                lost.extend([error] if error.reached else [])
                raise

        try:
            return self.retries.call(attempt_noted, idempotent=idempotent, attempts=call.attempts)
        except AbortError as error:
            # An earlier attempt may have been carried out before the allowance ended.
            error.reached = bool(lost)
            raise
        except UnavailableError as error:
            if idempotent or not error.reached:
                raise
            request = f"{call.method} {call.path}"
            raise OutcomeUnknownError(SERVICE, request, error.message, look=call.look) from error

    def _send(self, call: OrgCall, *, stream: bool) -> httpx.Response:
        return self._authorize(lambda session: self._attempt(call, session, stream=stream))

    def _attempt(self, call: OrgCall, session: Session, *, stream: bool) -> httpx.Response:
        headers = {"Authorization": f"Bearer {session.access_token}", "Accept": call.accept}
        if call.content is not None:
            headers["Content-Type"] = call.content_type
        request = self._client.build_request(
            call.method,
            self._url(session, call.path),
            params=call.params,
            content=call.content,
            json=call.body,
            headers=headers,
        )
        if call.within_budget:
            self.budget.check()
        response = self._transmit(request, stream=stream)
        self.budget.update(response.headers.get("Sforce-Limit-Info"))
        if response.is_success or response.status_code in call.also:
            return response
        try:
            body = response.read()
        except httpx.TransportError as error:
            raise _unavailable(error) from error
        finally:
            response.close()
        answer = OrgAnswer(response.status_code, response.headers, body, str(request.url))
        raise fault(answer, object_name=call.about)

    def post_form(
        self, url: str, form: dict[str, str], basic: tuple[str, str] | None
    ) -> httpx.Response:
        """For the token endpoint: without session, redirects or retries."""
        request = self._client.build_request("POST", url, data=form)
        if basic:
            request = next(httpx.BasicAuth(*basic).auth_flow(request))
        return self._transmit(request, stream=False)

    def _transmit(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        started = time.perf_counter()
        status = 0
        try:
            response = self._client.send(request, stream=stream)
            status = response.status_code
        except httpx.TransportError as error:
            raise _unavailable(error) from error
        except httpx.DecodingError as error:
            raise UnavailableError(SERVICE, "the answer is damaged: not gzip") from error
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            result = status or "no answer"
            logger.debug("%s %s %s %.0f ms", request.method, request.url.path, result, milliseconds)
        return response


@cache
def _trust(*, environment: bool) -> ssl.SSLContext:
    """Cached: loading the certificates takes longer than a call."""
    return httpx.create_ssl_context(trust_env=environment)


def _unavailable(error: httpx.TransportError) -> SeilError:
    reached = not isinstance(error, _UNSENT)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        host = urlsplit(str(error.request.url)).netloc
        return UnavailableError(SERVICE, f"no connection to {host}: {error}", reached=reached)
    reason = f"the connection broke: {type(error).__name__}: {error}"
    return UnavailableError(SERVICE, reason, reached=reached)
