"""The current refresh token, where an org rotates it with each answer.

The setting has the first token. Rotated ones are stored in a file readable by this user alone,
whose lock serialises the processes that rotate it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seil.settings import SalesforceSettings

log = logging.getLogger(__name__)

_OWNER_ONLY = 0o600


class RefreshToken:
    """Hold `lock` from reading the token until the rotated one is stored."""

    def __init__(self, settings: SalesforceSettings) -> None:
        self._file = settings.token_file
        self._seed = settings.refresh_token.reveal() if settings.refresh_token else ""
        # A stored token belongs to a client and a first token. The login URL does not count: the
        # same org has several.
        self._owner = {
            "client_id": settings.client_id,
            "seed": hashlib.sha256(self._seed.encode()).hexdigest(),
        }
        self._unsaved = ""

    @contextmanager
    def lock(self) -> Iterator[None]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
        except OSError as error:
            log.debug("no lock beside %s: %s", self._file, error)
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def current(self) -> str:
        return self._unsaved or self._load() or self._seed

    def store(self, token: str) -> None:
        """If the file cannot be written, the token serves this process alone."""
        if token == self.current():
            return
        body = {**self._owner, "refresh_token": token, "rotated_at": datetime.now(UTC).isoformat()}
        try:
            write_private(self._file, json.dumps(body, indent=1))
        except OSError as error:
            self._unsaved = token
            log.error(
                "the org rotated the refresh token, and the new one cannot be stored in %s (%s):"
                " the next process cannot log in; make it writable, then run `seil login`",
                self._file,
                error.strerror,
            )
            return
        self._unsaved = ""
        log.info("the org rotated the refresh token; the new one is in %s", self._file)

    def _load(self) -> str:
        try:
            body: dict[str, Any] = json.loads(self._file.read_bytes())
            owner = {name: body[name] for name in self._owner}
            return str(body["refresh_token"]) if owner == self._owner else ""
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is not used: %s", self._file, type(error).__name__)
            return ""


def write_private(file: Path, text: str) -> None:
    """Replaces the file atomically; readable by this user alone at all times."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
