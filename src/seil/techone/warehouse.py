"""TechOne's data warehouse over SOAP: rows are imported into a table, and read from it.

An import is not idempotent: it is sent once, and its errors say whether it may have been carried
out (`in_doubt`). A read is retried.
"""

from __future__ import annotations

import csv
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from seil.closing import Closing
from seil.errors import (
    ConfigurationError,
    LoginError,
    Problem,
    RequestRejectedError,
    RetryError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.settings import TechOneSettings
from seil.techone.answers import mask_secret, transient_error
from seil.techone.envelope import (
    NAMESPACE,
    AnswerPart,
    WarehouseAuth,
    WarehouseTable,
    import_request,
    parts,
    read_request,
)
from seil.techone.wire import SERVICE

__all__ = ["LONGEST_PAUSE", "ReadRows", "TechOneWarehouse", "pause_before_retry"]

_log = logging.getLogger(__name__)
# httpx logs whole URLs at INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_PAUSE = 0.5
LONGEST_PAUSE = 60.0
_MOST_ERRORS = 5
_LOGIN_CODES = frozenset({"AUTH", "FUNCTION", "LOGIN", "EXPIRED"})
_LONGEST_FIELD = 1 << 24
# Raised before the request was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


ReadRows = Callable[[Sequence[str], Iterator[list[str]]], T]
"""From the names of the columns (none for an empty table) and the rows to whatever is needed."""


class TechOneWarehouse(Closing):
    """`transport` and `sleep` are for tests."""

    def __init__(
        self,
        settings: TechOneSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._seconds = settings.import_timeout.total_seconds()
        loopback = urlsplit(settings.warehouse_url).hostname in ("127.0.0.1", "localhost", "::1")
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(self._seconds, connect=min(self._seconds, _CONNECT_SECONDS)),
            # A proxy from the environment cannot reach this machine's loopback.
            trust_env=not loopback,
        )

    def close(self) -> None:
        self._client.close()

    def import_rows(
        self, table: WarehouseTable, columns: Sequence[str], rows: Sequence[str]
    ) -> list[str]:
        """Inserts rows, each a line of CSV. Returns TechOne's warnings.

        Raises RequestRejectedError and LoginError, where TechOne refused them; UnavailableError,
        TooSlowError and UnexpectedAnswerError, where they may have been imported if `in_doubt`.
        """
        auth = self._auth(self._settings.import_function)
        body = import_request(table, columns, rows, auth)
        with self._call("Warehouse_DoImport", body) as answer:
            return [part.text for part in answer if part.kind == "error"]

    def read(self, table: WarehouseTable, criteria: Mapping[str, str], consume: ReadRows[T]) -> T:
        """`consume` of the rows that have all values of `criteria`, anew at each attempt.

        Raises RequestRejectedError, LoginError, UnavailableError, TooSlowError,
        UnexpectedAnswerError.
        """
        auth = self._auth(self._settings.read_function)
        body = read_request(table, criteria, auth, equals=self._settings.equals)
        attempts = self._settings.attempts
        while True:
            attempts -= 1
            try:
                with self._call("Warehouse_DoRead", body) as answer:
                    return _consumed(answer, consume)
            except RetryError as error:
                if not attempts:
                    raise
                pause = pause_before_retry(error, _PAUSE * (1 + random.random()))
                _log.warning("%s; retrying in %.1f s", error.message, pause)
                self._sleep(pause)

    def _auth(self, function: str) -> WarehouseAuth:
        settings = self._settings
        password = settings.warehouse_password.reveal()
        return WarehouseAuth(settings.warehouse_user, password, settings.warehouse_config, function)

    @contextmanager
    def _call(self, operation: str, body: bytes) -> Iterator[Iterator[AnswerPart]]:
        """The parts of an answer without error."""
        started = time.monotonic()
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{NAMESPACE}/{operation}"',
        }
        url = self._settings.warehouse_url
        with (
            _translated(self._seconds),
            self._client.stream("POST", url, content=body, headers=headers) as response,
        ):
            if response.status_code != 200 and not _is_fault(response):
                raise _refusal(response)
            yield self._checked(parts(self._chunks(response, started)))
        milliseconds = (time.monotonic() - started) * 1000
        _log.info("%s answered %d in %.0f ms", operation, response.status_code, milliseconds)

    def _chunks(self, response: httpx.Response, started: float) -> Iterator[bytes]:
        """The body, within the timeout of the whole call: one that drips in never times out."""
        for chunk in response.iter_bytes():
            if time.monotonic() - started > self._seconds:
                raise TooSlowError(SERVICE, self._seconds)
            yield chunk

    def _checked(self, answer: Iterator[AnswerPart]) -> Iterator[AnswerPart]:
        """Raises the error that the answer consists of, once it is read to its end."""
        is_error, errors, count = False, list[AnswerPart](), 0
        for part in answer:
            if part.kind == "fault":
                errors, is_error, count = [part], True, 1
            elif part.kind == "result":
                is_error = is_error or part.text == "error"
            elif part.kind == "error" and is_error:
                count += 1
                errors += [part] if len(errors) < _MOST_ERRORS else []
            else:
                yield part
        if is_error:
            raise self._rejection(errors, count)

    def _rejection(self, errors: Sequence[AnswerPart], count: int) -> SeilError:
        password = self._settings.warehouse_password.reveal()
        code = errors[0].name if errors else ""
        reasons = "; ".join(error.text for error in errors) or "no reason given"
        if count > len(errors):
            reasons += f"; and {count - len(errors)} more"
        reason = mask_secret(reasons, password)
        if code.upper() in _LOGIN_CODES:
            hint = "Check [techone] warehouse_user, warehouse_password, warehouse_config"
            return LoginError(self._settings.warehouse_url, code, reason, hint=hint)
        return RequestRejectedError(SERVICE, code or "ERROR", reason, status=200)


def pause_before_retry(error: RetryError, usual: float) -> float:
    """Seconds; what TechOne asks for, but not for ever: others wait for the lease."""
    return min(getattr(error, "retry_after", None) or usual, LONGEST_PAUSE)


def _consumed(answer: Iterator[AnswerPart], consume: ReadRows[T]) -> T:
    columns: list[str] = []
    first: list[AnswerPart] = []
    for part in answer:
        if part.kind == "row":
            first = [part]
            break
        if part.kind == "column":
            columns.append(part.name)

    def rows() -> Iterator[list[str]]:
        yield from map(_values, first)
        yield from (_values(part) for part in answer if part.kind == "row")

    remaining = rows()
    result = consume(columns, remaining)
    # Its errors, and whether it is whole, show at its end.
    for _ in remaining:
        pass
    return result


def _values(part: AnswerPart) -> list[str]:
    if csv.field_size_limit() < _LONGEST_FIELD:
        csv.field_size_limit(_LONGEST_FIELD)
    try:
        records = list(csv.reader([part.text], strict=True)) if part.text else [[""]]
    except csv.Error as error:
        raise UnexpectedAnswerError(SERVICE, f"a row is not CSV ({error})") from error
    return records[0]


@contextmanager
def _translated(seconds: float) -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        problem = Problem("techone.warehouse_url", "is not a URL")
        raise ConfigurationError([problem]) from error
    except _UNSENT as error:
        raise UnavailableError(SERVICE, "no connection", reached=False) from error
    except httpx.TimeoutException as error:
        raise TooSlowError(SERVICE, seconds) from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise UnavailableError(SERVICE, type(error).__name__) from error


def _is_fault(response: httpx.Response) -> bool:
    """SOAP 1.1 sends faults with status 500 (section 6.2)."""
    return response.status_code == 500 and "xml" in response.headers.get("Content-Type", "")


def _refusal(response: httpx.Response) -> SeilError:
    status, path = response.status_code, response.request.url.path
    url = str(response.request.url.copy_with(query=None, userinfo=b""))
    if status in (401, 403):
        hint = "Check [techone] warehouse_user and warehouse_password"
        return LoginError(url, str(status), "the server refuses the request", hint=hint)
    if status == 413:
        hint = "Lower batch_rows in [sf_to_t1]"
        return RequestRejectedError(
            SERVICE, "413", "the request is too large", status=413, hint=hint
        )
    if error := transient_error(response):
        return error
    if status == 404:
        hint = "Check [techone] warehouse_url"
        return RequestRejectedError(SERVICE, "404", f"there is no {path}", status=404, hint=hint)
    return UnexpectedAnswerError(SERVICE, f"its status is {status}")
