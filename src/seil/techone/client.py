"""TechOne's CiAnywhere over HTTP: exchange rates and the credit of debtors.

The paths are an installation's own reports and functions; the shapes of their answers are checked.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx
from opentelemetry import trace

from seil.deadline import deadline, remaining
from seil.errors import TooSlowError, UnavailableError
from seil.settings import TechOneSettings
from seil.techone.answers import credit_of, object_of, rate_of, unavailable
from seil.techone.models import Credit, CreditRequest, Rate, RateRequest
from seil.techone.periods import check_holds
from seil.techone.session import TechOneToken, Tokens
from seil.techone.wire import Wire

__all__ = ["TechOne"]

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("seil.techone")

_PAUSE = 0.25


class TechOne:
    """One installation. Safe for threads. Every method raises SeilError's kinds only:

    RequestRejectedError, UnavailableError, TooSlowError, UnexpectedAnswerError, LoginError,
    ConfigurationError.
    """

    def __init__(
        self, settings: TechOneSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone)
        self._now = now
        self._seconds = settings.timeout.total_seconds()
        self._wire = Wire(self._seconds)
        self._tokens = Tokens(settings, self._wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._wire.close()

    def rate(self, _request: RateRequest) -> Rate:
        """The one rate of the configured report, where it is today's."""
        today = self._today()
        reply, _ = self._ask("rate", "GET", self._settings.rate_path)
        rate = rate_of(reply)
        # Midnight may have passed meanwhile.
        check_holds(rate, (today, self._today()), self._zone)
        return rate

    def credit(self, request: CreditRequest) -> Credit:
        """What a debtor may still buy: the number at the end of TechOne's message."""
        body = {
            "IgnoreOverride": False,
            "System": "DEFAULT",
            "Name": "DEBTOR_REMAINING_CREDIT",
            "Data": {"Variables": {"DebtorNumber": request.debtor_number}},
        }
        values, token = self._ask("credit", "POST", self._settings.credit_path, json=body)
        return credit_of(values, request.debtor_number, token.value)

    def _today(self) -> date:
        return self._now().astimezone(self._zone).date()

    def _ask(
        self, name: str, method: str, path: str, **options: Any
    ) -> tuple[dict[str, Any], TechOneToken]:
        """The answer, and the token that it was given for.

        Both questions change nothing, so that they may be asked again.
        """
        span = _tracer.start_as_current_span(f"techone {name}", kind=trace.SpanKind.CLIENT)
        with span, deadline(self._seconds):
            left = self._settings.attempts
            while True:
                left -= 1
                try:
                    return self._answer(method, path, **options)
                except TooSlowError:
                    raise
                except UnavailableError as error:
                    pause = error.retry_after or _PAUSE * (1 + random.random())
                    if not left or pause >= remaining(self._seconds):
                        raise
                    _log.warning("%s; once more in %.1f s", error.message, pause)
                    time.sleep(pause)

    def _answer(
        self, method: str, path: str, **options: Any
    ) -> tuple[dict[str, Any], TechOneToken]:
        token = self._tokens.current()
        answer = self._send(method, path, token, **options)
        if answer.status_code == 401:
            token = self._tokens.current(refused=token)
            answer = self._send(method, path, token, **options)
        if error := unavailable(answer):
            raise error
        return object_of(answer, token.value), token

    def _send(self, method: str, path: str, token: TechOneToken, **options: Any) -> httpx.Response:
        url = self._settings.base_url.rstrip("/") + "/" + path.lstrip("/")
        headers = {"Authorization": f"Bearer {token.value}", "Accept": "application/json"}
        return self._wire.exchanged(method, url, headers=headers, **options)
