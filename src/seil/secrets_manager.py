"""Secrets of AWS Secrets Manager, cached for five minutes."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seil.aws_clients import aws_client
from seil.errors import ConfigurationError, Problem, UnavailableError
from seil.extras import requires

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

__all__ = ["Secrets", "secret"]

_log = logging.getLogger(__name__)

_SERVICE = "AWS Secrets Manager"
_AGE = 300.0
# Not retried: the secret, its policy or its name has to change.
_PERMANENT = frozenset(
    {
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


@dataclass(frozen=True)
class _Cached:
    text: str = field(repr=False)
    expires_at: float


class Secrets:
    """Secrets by reference: `<name>` is the whole text, `<name>#<key>` one value of its JSON.

    Thread-safe. If Secrets Manager does not answer, the expired value is used.
    """

    def __init__(
        self,
        build: Callable[[], SecretsManagerClient],
        *,
        age: float = _AGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._age = age
        self._clock = clock
        self._lock = threading.Lock()
        self._client: SecretsManagerClient | None = None
        self._cache: dict[str, _Cached] = {}
        self._read_locks: dict[str, threading.Lock] = {}

    def reveal(self, reference: str) -> str:
        """Raises ConfigurationError, or UnavailableError if nothing is cached."""
        name, _, key = reference.partition("#")
        text = self._text(name)
        if not key:
            return text
        try:
            value = json.loads(text)[key]
        except (ValueError, KeyError, TypeError):
            value = None
        if not isinstance(value, str):
            raise _problem(reference, f"the secret is not a JSON object with a string under {key}")
        return value

    def _text(self, name: str) -> str:
        """One thread refreshes an expired value; the others use the old one meanwhile."""
        cached = self._cache.get(name)
        if cached and self._clock() < cached.expires_at:
            return cached.text
        with self._lock:
            read_lock = self._read_locks.setdefault(name, threading.Lock())
        if cached and read_lock.locked():
            return cached.text
        with read_lock:
            return self._refresh(name)

    def _refresh(self, name: str) -> str:
        cached = self._cache.get(name)
        if cached and self._clock() < cached.expires_at:  # Another thread has refreshed it.
            return cached.text
        try:
            text = self._read(name)
        except UnavailableError as error:
            if not cached:
                raise
            _log.warning("cannot refresh aws:%s, using the cached value: %s", name, error.reason)
            text = cached.text
        self._cache[name] = _Cached(text, self._clock() + self._age)
        return text

    def _read(self, name: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with self._lock:
                if self._client is None:
                    self._client = self._build()
            response = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _PERMANENT:
                raise _problem(name, f"Secrets Manager refused the request: {code}") from error
            raise UnavailableError(_SERVICE, code, reached=False) from error
        except BotoCoreError as error:
            raise UnavailableError(_SERVICE, type(error).__name__, reached=False) from error
        _log.info("secret %s read", name)
        return _text_of(name, response)


def secret(reference: str) -> str:
    """The secret `aws:<reference>`, with one client and one cache for the process."""
    with requires("aws"):
        return _secrets.reveal(reference)


def _text_of(name: str, response: Any) -> str:
    if "SecretString" in response:
        return str(response["SecretString"])
    try:
        return bytes(response["SecretBinary"]).decode("utf-8")
    except (KeyError, UnicodeDecodeError) as error:
        raise _problem(name, "the secret is not text") from error


def _problem(reference: str, reason: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"aws:{reference}", reason)])


_secrets = Secrets(lambda: aws_client("secretsmanager"))
