"""TechOne's CiAnywhere over HTTP: exchange rates and the credit of debtors.

The reports and functions are each installation's own, so that the shape of every answer is checked.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from opentelemetry import trace

from seil.closing import Closing
from seil.deadline import deadline, remaining
from seil.errors import TooSlowError, UnavailableError
from seil.settings import TechOneSettings
from seil.techone.answers import credit_of, json_object, rate_of, transient_error
from seil.techone.models import Credit, CreditRequest, Rate, RateRequest
from seil.techone.periods import check_holds
from seil.techone.session import TechOneToken, Tokens
from seil.techone.wire import Wire

__all__ = ["TechOne"]

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("seil.techone")

_PAUSE = 0.25


class TechOne(Closing):
    """One installation. Thread-safe.

    Every method raises RequestRejectedError, UnavailableError, TooSlowError,
    UnexpectedAnswerError, LoginError or ConfigurationError, nothing else.
    """

    def __init__(
        self, settings: TechOneSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone)
        self._now = now
        self._timeout = settings.timeout.total_seconds()
        self._wire = Wire(self._timeout)
        self._tokens = Tokens(settings, self._wire)

    def close(self) -> None:
        self._wire.close()

    def rate(self, _request: RateRequest) -> Rate:
        """The configured report's rate. Raises RequestRejectedError if it is not valid today."""
        today = self._today()
        document, _ = self._request("rate", "GET", self._settings.rate_path)
        rate = rate_of(document)
        # Midnight may have passed during the request.
        check_holds(rate, (today, self._today()), self._zone)
        return rate

    def credit(self, request: CreditRequest) -> Credit:
        """The debtor's remaining credit, read from the end of TechOne's message."""
        body = {
            "IgnoreOverride": False,
            "System": "DEFAULT",
            "Name": "DEBTOR_REMAINING_CREDIT",
            "Data": {"Variables": {"DebtorNumber": request.debtor_number}},
        }
        document, token = self._request("credit", "POST", self._settings.credit_path, json=body)
        return credit_of(document, request.debtor_number, token.value)

    def _today(self) -> date:
        return self._now().astimezone(self._zone).date()

    def _request(
        self, name: str, method: str, path: str, **options: Any
    ) -> tuple[dict[str, Any], TechOneToken]:
        """The answer, and the token it was requested with. For reads only, as it retries."""
        span = _tracer.start_as_current_span(f"techone {name}", kind=trace.SpanKind.CLIENT)
        with span, deadline(self._timeout):
            retries = self._settings.attempts
            while True:
                retries -= 1
                try:
                    return self._exchange(method, path, **options)
                except TooSlowError:
                    raise
                except UnavailableError as error:
                    pause = error.retry_after or _PAUSE * (1 + random.random())
                    if not retries or pause >= remaining(self._timeout):
                        raise
                    _log.warning("%s; retrying in %.1f s", error.message, pause)
                    time.sleep(pause)

    def _exchange(
        self, method: str, path: str, **options: Any
    ) -> tuple[dict[str, Any], TechOneToken]:
        token = self._tokens.current()
        answer = self._send(method, path, token, **options)
        if answer.status_code == 401:
            token = self._tokens.current(refused=token)
            answer = self._send(method, path, token, **options)
        if error := transient_error(answer):
            raise error
        return json_object(answer, token.value), token

    def _send(self, method: str, path: str, token: TechOneToken, **options: Any) -> httpx.Response:
        url = self._settings.base_url.rstrip("/") + "/" + path.lstrip("/")
        headers = {"Authorization": f"Bearer {token.value}", "Accept": "application/json"}
        return self._wire.send(method, url, headers=headers, **options)
