"""TechOne's access tokens: OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

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
from seil.techone.answers import mask_secret, parse_json, transient_error
from seil.techone.wire import SERVICE, Wire

__all__ = ["TechOneToken", "Tokens"]

_log = logging.getLogger(__name__)

_EXPIRY_MARGIN = 60.0
_DEFAULT_LIFETIME = 300
_LOGIN_FAILURES = (400, 401, 403)
_VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class TechOneToken:
    """`expires_at` is on the monotonic clock, shortly before the server's own expiry."""

    value: str = field(repr=False)
    expires_at: float


class Tokens:
    """The token that all threads share. Concurrent callers request a new one once."""

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
        """A token that has not expired, and is not the `refused` one.

        Raises LoginError, UnexpectedAnswerError, UnavailableError, TooSlowError.
        """
        if token := self._valid_token(refused):
            return token
        with self._login_lock():
            if token := self._valid_token(refused):
                return token
            self._token = None
            self._token = token = self._request_token()
            return token

    def _valid_token(self, refused: TechOneToken | None) -> TechOneToken | None:
        token = self._token
        is_valid = token is not None and token is not refused and self._clock() < token.expires_at
        return token if is_valid else None

    @contextmanager
    def _login_lock(self) -> Iterator[None]:
        """Waits for another thread's login no longer than its own login may take."""
        if not self._lock.acquire(timeout=remaining(self._settings.timeout.total_seconds())):
            raise self._wire.too_slow()
        try:
            yield
        finally:
            self._lock.release()

    def _request_token(self) -> TechOneToken:
        settings, started = self._settings, self._clock()
        secret = settings.client_secret.reveal()
        answer = self._wire.send(
            "POST",
            settings.token_url,
            headers={
                "Authorization": _basic(settings.client_id, secret),
                "Accept": "application/json",
            },
            data={"grant_type": "client_credentials"},
        )
        if error := transient_error(answer):
            raise error
        document = parse_json(answer.content)
        grant: dict[str, Any] = document if isinstance(document, dict) else {}
        if answer.status_code in _LOGIN_FAILURES:
            raise LoginError(
                str(answer.request.url.copy_with(query=None, userinfo=b"")),
                mask_secret(grant.get("error", answer.status_code), secret),
                mask_secret(grant.get("error_description"), secret),
                hint="Check [techone] client_id and client_secret",
            )
        seconds = _lifetime(grant.get("expires_in", _DEFAULT_LIFETIME))
        value = _access_token(answer, grant)
        _log.info("TechOne issued a token for %d seconds", seconds)
        return TechOneToken(value, started + max(seconds - _EXPIRY_MARGIN, seconds / 2))


def _basic(client: str, secret: str) -> str:
    """RFC 6749, section 2.3.1: both are form-encoded first."""
    credentials = f"{quote(client, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def _access_token(answer: httpx.Response, grant: dict[str, Any]) -> str:
    value = grant.get("access_token")
    if answer.status_code != 200 or not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise UnexpectedAnswerError(SERVICE, f"no access_token ({answer.status_code})")
    kind = grant.get("token_type", "Bearer")
    if str(kind).casefold() != "bearer":
        raise UnexpectedAnswerError(SERVICE, "its token is not a Bearer token")
    return value


def _lifetime(lifetime: object) -> float:
    """In seconds; some servers put the number in quotes."""
    try:
        seconds = float(lifetime) if isinstance(lifetime, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(lifetime, bool) or not 0 <= seconds < math.inf:
        raise UnexpectedAnswerError(SERVICE, "expires_in is not a number of seconds")
    return seconds
