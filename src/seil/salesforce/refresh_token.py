"""The refresh token as it is now: an org may give a new one with each answer, and end the old.

The setting is the seed. What the org gave since is kept in a file of this user's, which the next
process goes on with; a lock on it lets two processes rotate one after the other.
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
    """For whoever holds `alone`: what it is read from, asked with and kept as belongs together."""

    def __init__(self, settings: SalesforceSettings) -> None:
        self._file = settings.token_file
        self._seed = settings.refresh_token.reveal() if settings.refresh_token else ""
        # Another client or another seed: what was kept is of no use any more. The same ones at
        # another address, the org's My Domain, are the same token's.
        self._owner = {
            "client_id": settings.client_id,
            "seed": hashlib.sha256(self._seed.encode()).hexdigest(),
        }
        self._unkept = ""

    @contextmanager
    def alone(self) -> Iterator[None]:
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
        return self._unkept or self._stored() or self._seed

    def store(self, token: str) -> None:
        """One that cannot be written down serves this process only."""
        if token == self.current():
            return
        body = {**self._owner, "refresh_token": token, "rotated_at": datetime.now(UTC).isoformat()}
        try:
            write_private(self._file, json.dumps(body, indent=1))
        except OSError as error:
            self._unkept = token
            log.error(
                "the org rotated the refresh token, and the new one cannot be kept in %s (%s):"
                " the next process cannot log in; make it writable, then `seil login`",
                self._file,
                error.strerror,
            )
            return
        self._unkept = ""
        log.info("the org rotated the refresh token; the new one is in %s", self._file)

    def _stored(self) -> str:
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
    """Whole or not at all, and for this user alone from the first byte on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
