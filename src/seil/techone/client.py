"""TechOne's CiAnywhere over HTTP: exchange rates and the credit of debtors.

The paths are an installation's own reports and functions; the shapes of their answers are checked.
"""

from __future__ import annotations

import logging
import random
import re
import time
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import httpx
from opentelemetry import trace
from pydantic import ValidationError

from seil.deadline import deadline, remaining
from seil.errors import (
    RequestRejectedError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.settings import TechOneSettings
from seil.techone.models import Credit, CreditRequest, Rate, RateRequest
from seil.techone.session import Token, Tokens

__all__ = ["TechOne"]

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("seil.techone")

_SERVICE = "TechOne"
_COLUMNS = ("MAJOR_CCY_CODE", "TRANS_CCY_CODE", "START_DATEI", "END_DATEI", "EXCH_RATE_AMT")
_PAUSE = 0.25
_LONGEST_ANSWER = 1 << 20
_DRIP = 1.0
_TRANSIENT = (429, 500, 502, 503, 504)
# As in: Remaining credit limit for debtor C100=1597.14.
_AFTER_EQUALS = re.compile(r"=\s*(-?\d+(?:\.\d+)?)\s*\Z")


class TechOne:
    """One installation. Safe for threads. Every method raises SeilError's kinds only:

    RequestRejectedError, UnavailableError, TooSlowError, UnexpectedAnswerError, LoginError.
    """

    def __init__(
        self, settings: TechOneSettings, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._http = httpx.Client(transport=transport, follow_redirects=False)
        self._tokens = Tokens(settings, self._posted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def rate(self, _request: RateRequest) -> Rate:
        """The one rate of the configured report."""
        found = self._asked("rate", "GET", self._settings.rate_path)
        rows = found.get("DataSet")
        if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
            size = f"{len(rows)} rows" if isinstance(rows, list) else "no list"
            raise UnexpectedAnswerError(_SERVICE, f"DataSet has {size}, not one row")
        row = rows[0]
        if missing := [name for name in _COLUMNS if row.get(name) is None]:
            raise UnexpectedAnswerError(_SERVICE, f"the rate has no {', '.join(missing)}")
        try:
            return Rate.model_validate({name.lower(): row[name] for name in _COLUMNS})
        except ValidationError as error:
            fields = ", ".join(str(found["loc"][0]).upper() for found in error.errors())
            raise UnexpectedAnswerError(_SERVICE, f"{fields} cannot be read") from error

    def credit(self, request: CreditRequest) -> Credit:
        """What a debtor may still buy: the number at the end of TechOne's message."""
        variables = {"DebtorNumber": request.debtor_number}
        body = {
            "IgnoreOverride": False,
            "System": "DEFAULT",
            "Name": "DEBTOR_REMAINING_CREDIT",
            "Data": {"Variables": variables},
        }
        found = self._asked("credit", "POST", self._settings.credit_path, json=body)
        messages = found.get("Messages")
        if not isinstance(messages, list) or not messages or not isinstance(messages[0], dict):
            raise UnexpectedAnswerError(_SERVICE, "there is no message about the debtor")
        message = messages[0]
        told = message.get("Message")
        number = _AFTER_EQUALS.search(told) if isinstance(told, str) else None
        if number is None:
            raise UnexpectedAnswerError(_SERVICE, "its message does not end in =<number>")
        return Credit(
            code=str(message.get("Code", "")),
            notification_type=str(message.get("NotificationType", "")),
            remaining_credit_limit=_number(number[1]),
        )

    def _asked(self, name: str, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Both questions change nothing, so that they may be asked again."""
        with (
            _tracer.start_as_current_span(f"techone {name}", kind=trace.SpanKind.CLIENT),
            deadline(self._settings.timeout.total_seconds()),
        ):
            for left in reversed(range(self._settings.attempts)):
                try:
                    return self._answered(method, path, **options)
                except TooSlowError:
                    raise
                except UnavailableError as error:
                    pause = error.retry_after or _PAUSE * (1 + random.random())
                    if not left or remaining(pause + 1) <= pause:
                        raise
                    _log.warning("%s; once more in %.1f s", error.message, pause)
                    time.sleep(pause)
            raise AssertionError("attempts is at least 1")

    def _answered(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        token = self._tokens.current()
        answer = self._sent(method, path, token, **options)
        if answer.status_code == 401:
            token = self._tokens.current(refused=token)
            answer = self._sent(method, path, token, **options)
        return _checked(answer)

    def _sent(self, method: str, path: str, token: Token, **options: Any) -> httpx.Response:
        url = self._settings.base_url.rstrip("/") + "/" + path.lstrip("/")
        headers = {"Authorization": f"Bearer {token.value}", "Accept": "application/json"}
        return self._exchanged(method, url, headers=headers, **options)

    def _posted(self, url: str, **options: Any) -> httpx.Response:
        answer = self._exchanged("POST", url, **options)
        if answer.status_code in _TRANSIENT:
            raise _unavailable(answer)
        return answer

    def _exchanged(self, method: str, url: str, **options: Any) -> httpx.Response:
        seconds = remaining(self._settings.timeout.total_seconds())
        if not seconds:
            raise TooSlowError(_SERVICE, self._settings.timeout.total_seconds())
        begun = time.perf_counter()
        try:
            with self._http.stream(method, url, timeout=seconds, **options) as answer:
                body = self._read(answer)
        except httpx.ConnectError as error:
            raise UnavailableError(_SERVICE, "no connection", reached=False) from error
        except httpx.TimeoutException as error:
            raise TooSlowError(_SERVICE, self._settings.timeout.total_seconds()) from error
        except httpx.HTTPError as error:
            raise UnavailableError(_SERVICE, type(error).__name__) from error
        took = (time.perf_counter() - begun) * 1000
        _log.info("%s %s %d in %.0f ms", method, httpx.URL(url).path, answer.status_code, took)
        return httpx.Response(
            answer.status_code, headers=_plain(answer.headers), content=body, request=answer.request
        )

    def _read(self, answer: httpx.Response) -> bytes:
        """The body; httpx limits each read, a body that drips would have no end."""
        found = bytearray()
        for chunk in answer.iter_bytes():
            found += chunk
            if len(found) > _LONGEST_ANSWER:
                raise UnexpectedAnswerError(_SERVICE, f"it is over {_LONGEST_ANSWER} bytes")
            if not remaining(_DRIP):
                raise TooSlowError(_SERVICE, self._settings.timeout.total_seconds())
        return bytes(found)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Without what was said of the body on its way."""
    gone = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in headers.items() if name not in gone}


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code in _TRANSIENT:
        raise _unavailable(answer)
    if answer.status_code in (401, 403):
        raise UnexpectedAnswerError(_SERVICE, f"it refuses our token ({answer.status_code})")
    if answer.status_code == 404:
        raise UnexpectedAnswerError(_SERVICE, f"there is no {answer.request.url.path}")
    if answer.is_error:
        raise RequestRejectedError(
            _SERVICE, str(answer.status_code), answer.reason_phrase, status=answer.status_code
        )
    try:
        found = answer.json()
    except ValueError as error:
        raise UnexpectedAnswerError(_SERVICE, "it is not JSON") from error
    if answer.status_code != 200 or not isinstance(found, dict):
        raise UnexpectedAnswerError(_SERVICE, f"it is no object ({answer.status_code})")
    return found


def _unavailable(answer: httpx.Response) -> UnavailableError:
    after = answer.headers.get("Retry-After", "")
    return UnavailableError(
        _SERVICE,
        answer.reason_phrase or "no reason given",
        status=answer.status_code,
        retry_after=float(after) if after.isdecimal() else None,
    )


def _number(text: str) -> float:
    try:
        return float(Decimal(text))
    except (InvalidOperation, OverflowError) as error:
        raise UnexpectedAnswerError(_SERVICE, "the number in its message is none") from error
