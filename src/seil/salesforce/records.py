"""Single records, written through simple-salesforce."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import local
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from seil.errors import OutcomeUnknownError, RequestRejectedError, UnavailableError
from seil.salesforce.connection import Call, Connection, log_call
from seil.salesforce.faults import SERVICE, Answer, fault
from seil.salesforce.session import Session
from seil.salesforce.soql import object_name, select, window_condition

if TYPE_CHECKING:
    import httpx
    import requests
    from simple_salesforce.api import SFType

T = TypeVar("T")

_CLOCKS_APART = timedelta(minutes=5)


@dataclass(frozen=True)
class Upserted:
    """`created` is False when the record was there and has been changed."""

    id: str
    created: bool


class Records:
    """Retries, logins and errors are the connection's; only the requests are another library's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # requests does not promise that threads can share a session.
        self._local = local()

    def create(self, name: str, values: Mapping[str, Any]) -> str:
        """The new record's Id. Raises OutcomeUnknownError rather than creating a second one."""
        look = self._look_for_new(name)
        answer = self._once(name, lambda table: _outcome(table.create(dict(values))), look=look)
        if not answer.get("success"):
            raise _refused(answer)
        return str(answer["id"])

    def update(self, name: str, record_id: str, values: Mapping[str, Any]) -> None:
        path = quote(record_id, safe="")
        self._again(name, lambda table: table.update(path, dict(values)))

    def upsert(self, name: str, key: tuple[str, str], values: Mapping[str, Any]) -> Upserted:
        """`key` is an external id field and its value.

        Idempotent where the field is unique, else two requests at once create two records, and a
        repeated one may meet the first: OutcomeUnknownError then.
        """
        path = "/".join(quote(part, safe="") for part in key)

        def send(table: SFType) -> Mapping[str, Any]:
            response: requests.Response = table.upsert(path, dict(values), raw_response=True)
            # Before version 46 a record that was there is changed without a word.
            if response.status_code == 204:
                return {"id": ""}
            return {"created": response.status_code == 201, **_outcome(response.json())}

        try:
            look = f"Look for the record by its {key[0]}"
            answer = self._once(name, send, look=look)
        except OutcomeUnknownError:
            if not self._is_unique(name, key[0]):
                raise
            answer = self._again(name, send)
        if answer.get("errors"):
            raise _refused(answer)
        return Upserted(answer.get("id") or "", answer.get("created", False))

    def delete(self, name: str, record_id: str) -> None:
        """One that is deleted already is as wanted: the request before may have done it."""
        path = quote(record_id, safe="")
        try:
            self._again(name, lambda table: table.delete(path))
        except RequestRejectedError as error:
            if error.code != "ENTITY_IS_DELETED":
                raise

    def _is_unique(self, name: str, field: str) -> bool:
        described = self._connection.json(Call("GET", f"sobjects/{name}/describe", about=name))
        fields = described.get("fields", ()) if isinstance(described, dict) else ()
        return any(
            entry.get("unique") is True
            for entry in fields
            if str(entry.get("name")).lower() == field.lower()
        )

    def _look_for_new(self, name: str) -> str:
        since = datetime.now(UTC) - _CLOCKS_APART
        soql = select(["Id"], name, window_condition("CreatedDate", since, None))
        return f"Look for the record ({soql}), and create it again only if it is not there"

    def _again(self, name: str, operation: Callable[[SFType], T]) -> T:
        """What is idempotent."""
        return self._connection.retries.call(self._attempt(name, operation), idempotent=True)

    def _once(self, name: str, operation: Callable[[SFType], T], *, look: str) -> T:
        attempt = self._attempt(name, operation)
        return self._connection.once(attempt, f"a write to {name}", look=look)

    def _attempt(self, name: str, operation: Callable[[SFType], T]) -> Callable[[], T]:
        object_name(name)

        def attempt(session: Session) -> T:
            import requests

            self._connection.budget.check()
            try:
                return operation(self._table(session, name))
            except requests.RequestException as error:
                words = f"the call broke: {type(error).__name__}"
                raise UnavailableError(SERVICE, words, reached=_was_sent(error)) from error

        def authorized() -> T:
            result: T = self._connection.authorized(attempt)
            return result

        return authorized

    def _table(self, session: Session, name: str) -> SFType:
        from simple_salesforce.api import SFType

        table = SFType(
            name,
            session.access_token,
            urlsplit(session.instance_url).netloc,
            sf_version=self._connection.settings.api_version,
            session=self._session(),
        )
        # It builds https URLs only; on loopback the org may speak plain http.
        table.base_url = f"{self._connection.url(session, 'sobjects')}/{name}/"
        return table

    def _session(self) -> Any:
        if not hasattr(self._local, "session"):
            import requests

            opened = requests.Session()
            opened.trust_env = self._connection.uses_environment
            opened.headers.update(self._connection.headers)
            opened.hooks["response"] = [self._inspect]
            self._local.session = _Patient(opened, self._connection.timeout)
        return self._local.session

    def _inspect(self, response: requests.Response, *_: object, **__: object) -> None:
        """Runs before simple-salesforce sees the answer, so that errors are ours and whole."""
        started = time.perf_counter() - response.elapsed.total_seconds()
        parts = urlsplit(str(response.request.url)).path.split("/")
        # What follows .../sobjects/<object>/ is an id, or an external id: somebody's data.
        path = "/".join(parts[:6])
        log_call(str(response.request.method), path, response.status_code, started)
        self._connection.budget.saw(response.headers.get("Sforce-Limit-Info"))
        if response.status_code >= 300:
            raise fault(
                Answer(response.status_code, response.headers, response.content, response.url)
            )


class _Patient:
    """The part of a session that simple-salesforce uses. It sets no timeout, nor does requests."""

    def __init__(self, session: requests.Session, timeout: httpx.Timeout) -> None:
        self._session = session
        self._timeout = (timeout.connect, timeout.read)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        # It would follow a redirect, and send the record to wherever that leads.
        return self._session.request(
            method, url, timeout=self._timeout, allow_redirects=False, **options
        )


def _outcome(answer: Any) -> Mapping[str, Any]:
    """An answer of success that names no record, such as a gateway's page, says nothing of it."""
    if isinstance(answer, dict) and not answer.keys().isdisjoint(("id", "errors", "success")):
        return answer
    raise UnavailableError(SERVICE, "the answer does not say what was done")


def _was_sent(error: requests.RequestException) -> bool:
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    cause = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(cause, NewConnectionError | ConnectTimeoutError)


def _refused(answer: Any) -> RequestRejectedError:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    first = errors[0] if errors and isinstance(errors[0], dict) else {}
    code = str(first.get("statusCode") or first.get("errorCode") or "UNKNOWN")
    return RequestRejectedError(SERVICE, code, str(first.get("message") or "no reason given"))
