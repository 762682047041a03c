"""TechOne's tokens: OAuth 2.0 client credentials (RFC 6749, section 4.4), no refresh token."""

from __future__ import annotations

import base64
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from seil.deadline import remaining
from seil.errors import LoginError, UnexpectedAnswerError
from seil.settings import TechOneSettings
from seil.techone.answers import mask_secret, parse_json, unavailable
from seil.techone.wire import SERVICE, Wire

__all__ = ["TechOneToken", "Tokens"]

_log = logging.getLogger(__name__)

_MARGIN = 60.0
_NO_LIFETIME = 300
_REFUSED = (400, 401, 403)
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class TechOneToken:
    """`until` is when it is no longer used, shortly before it expires, on the monotonic clock."""

    value: str = field(repr=False)
    until: float


class Tokens:
    """The one token that all threads share; threads that need a new one ask for it once."""

    def __init__(
        self,
        settings: TechOneSettings,
        wire: Wire,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._token: TechOneToken | None = None

    def current(self, *, refused: TechOneToken | None = None) -> TechOneToken:
        """A token that is good for a while, and is not the one that was refused.

        Raises LoginError, UnexpectedAnswerError, UnavailableError, TooSlowError.
        """
        if token := self._current(refused):
            return token
        with self._alone():
            if token := self._current(refused):
                return token
            self._token = None
            self._token = token = self._request_token()
            return token

    def _current(self, refused: TechOneToken | None) -> TechOneToken | None:
        token = self._token
        good = token is not None and token is not refused and self._clock() < token.until
        return token if good else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Whoever waits for another thread's login waits no longer than for one of its own."""
        if not self._lock.acquire(timeout=remaining(self._settings.timeout.total_seconds())):
            raise self._wire.too_slow()
        try:
            yield
        finally:
            self._lock.release()

    def _request_token(self) -> TechOneToken:
        settings, begun = self._settings, self._clock()
        secret = settings.client_secret.reveal()
        answer = self._wire.exchanged(
            "POST",
            settings.token_url,
            headers={
                "Authorization": _basic(settings.client_id, secret),
                "Accept": "application/json",
            },
            data={"grant_type": "client_credentials"},
        )
        if error := unavailable(answer):
            raise error
        granted = _json(answer)
        if answer.status_code in _REFUSED:
            raise LoginError(
                str(answer.request.url.copy_with(query=None, userinfo=b"")),
                mask_secret(granted.get("error", answer.status_code), secret),
                mask_secret(granted.get("error_description"), secret),
                hint="Check [techone] client_id and client_secret",
            )
        seconds = _lifetime(granted.get("expires_in", _NO_LIFETIME))
        value = _value(answer, granted)
        _log.info("TechOne gave a token for %d seconds", seconds)
        return TechOneToken(value, begun + max(seconds - _MARGIN, seconds / 2))


def _basic(client: str, secret: str) -> str:
    """RFC 6749, section 2.3.1: both are form-encoded first."""
    joined = f"{quote(client, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(joined.encode()).decode()


def _value(answer: httpx.Response, granted: dict[str, Any]) -> str:
    value = granted.get("access_token")
    if answer.status_code != 200 or not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise UnexpectedAnswerError(SERVICE, f"no access_token ({answer.status_code})")
    kind = granted.get("token_type", "Bearer")
    if str(kind).casefold() != "bearer":
        raise UnexpectedAnswerError(SERVICE, "its token is no Bearer token")
    return value


def _lifetime(lifetime: object) -> float:
    """Some servers put the number in quotes."""
    try:
        seconds = float(lifetime) if isinstance(lifetime, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(lifetime, bool) or not 0 <= seconds < math.inf:
        raise UnexpectedAnswerError(SERVICE, "expires_in is no number of seconds")
    return seconds


def _json(answer: httpx.Response) -> dict[str, Any]:
    values = parse_json(answer.content)
    return values if isinstance(values, dict) else {}
