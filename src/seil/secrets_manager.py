"""Secrets of AWS Secrets Manager, kept for some minutes: a rotated one is noticed after that."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seil.errors import ConfigurationError, Problem, UnavailableError
from seil.extras import requires

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

__all__ = ["Secrets", "secret"]

_log = logging.getLogger(__name__)

_SERVICE = "AWS Secrets Manager"
_AGE = 300.0
# What will not be better next time: somebody has to change the secret, its policy or its name.
_LASTING = frozenset(
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
class _Held:
    text: str = field(repr=False)
    until: float


class Secrets:
    """Secrets by reference: `<name>` for the whole text, `<name>#<key>` for one value of JSON.

    Safe for threads. While Secrets Manager is away, what was read last stays good.
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
        self._held: dict[str, _Held] = {}
        self._reading: dict[str, threading.Lock] = {}

    def reveal(self, reference: str) -> str:
        """Raises ConfigurationError, or UnavailableError where it was never read before."""
        name, _, key = reference.partition("#")
        text = self._text(name)
        if not key:
            return text
        try:
            value = json.loads(text)[key]
        except (ValueError, KeyError, TypeError):
            value = None
        if not isinstance(value, str):
            raise _problem(reference, f"the secret is no JSON object with a text under {key}")
        return value

    def _text(self, name: str) -> str:
        """Whoever has it, if an old one, waits for nobody who reads it anew, or reads another."""
        held = self._held.get(name)
        if held and self._clock() < held.until:
            return held.text
        with self._lock:
            reading = self._reading.setdefault(name, threading.Lock())
        if held and reading.locked():
            return held.text
        with reading:
            return self._renewed(name)

    def _renewed(self, name: str) -> str:
        held = self._held.get(name)
        if held and self._clock() < held.until:  # Since it was looked for without the lock.
            return held.text
        try:
            text = self._read(name)
        except UnavailableError as error:
            if not held:
                raise
            _log.warning("aws:%s is used as it was read before: %s", name, error.reason)
            text = held.text
        self._held[name] = _Held(text, self._clock() + self._age)
        return text

    def _read(self, name: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with self._lock:
                if self._client is None:
                    self._client = self._build()
            found = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _LASTING:
                raise _problem(name, f"Secrets Manager says {code}") from error
            raise UnavailableError(_SERVICE, code, reached=False) from error
        except BotoCoreError as error:
            raise UnavailableError(_SERVICE, type(error).__name__, reached=False) from error
        _log.info("secret %s read", name)
        return _text_of(name, found)


def secret(reference: str) -> str:
    """The secret `aws:<reference>`, with one client and one cache for the process."""
    with requires("aws"):
        return _secrets.reveal(reference)


def _text_of(name: str, found: Any) -> str:
    if "SecretString" in found:
        return str(found["SecretString"])
    try:
        return bytes(found["SecretBinary"]).decode("utf-8")
    except (KeyError, UnicodeDecodeError) as error:
        raise _problem(name, "the secret is no text") from error


def _problem(reference: str, reason: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"aws:{reference}", reason)])


def _client() -> SecretsManagerClient:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "secretsmanager",
        config=Config(
            connect_timeout=2,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


_secrets = Secrets(_client)
