"""TechOne's tokens: OAuth 2.0 client credentials (RFC 6749, section 4.4), no refresh token."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from seil.errors import LoginError, UnexpectedAnswerError
from seil.settings import TechOneSettings

__all__ = ["Token", "Tokens"]

_log = logging.getLogger(__name__)

_MARGIN = 60.0
_NO_LIFETIME = 300.0

Post = Callable[..., httpx.Response]


@dataclass(frozen=True)
class Token:
    """`until` is when it is no longer used, shortly before it expires, on the monotonic clock."""

    value: str = field(repr=False)
    until: float


class Tokens:
    """The one token that all threads share; threads that need a new one ask for it once."""

    def __init__(
        self,
        settings: TechOneSettings,
        post: Post,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def current(self, *, refused: Token | None = None) -> Token:
        """A token that is good for a while, and is not the one that was refused.

        Raises LoginError, UnexpectedAnswerError, UnavailableError.
        """
        with self._lock:
            held = self._token
            if held is None or held is refused or self._clock() >= held.until:
                self._token = None
                self._token = held = self._asked()
            return held

    def _asked(self) -> Token:
        settings = self._settings
        answer = self._post(
            settings.token_url,
            data={"grant_type": "client_credentials"},
            auth=(settings.client_id, settings.client_secret.reveal()),
        )
        granted = _json(answer)
        if answer.status_code in (400, 401, 403):
            code = str(granted.get("error", answer.status_code))
            raise LoginError(
                settings.token_url,
                code,
                str(granted.get("error_description", "")),
                hint="Check [techone] client_id and client_secret",
            )
        value, lifetime = granted.get("access_token"), granted.get("expires_in", _NO_LIFETIME)
        if answer.is_error or not isinstance(value, str) or not value:
            raise UnexpectedAnswerError("TechOne", f"no access_token ({answer.status_code})")
        if not isinstance(lifetime, int | float | str) or not str(lifetime).isdecimal():
            raise UnexpectedAnswerError("TechOne", "expires_in is no number of seconds")
        seconds = float(lifetime)
        _log.info("TechOne gave a token for %d seconds", seconds)
        return Token(value, self._clock() + max(seconds - _MARGIN, seconds / 2))


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
