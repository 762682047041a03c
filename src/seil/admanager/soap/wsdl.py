"""A folder of cached WSDLs: they are large, and rarely change within a version."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from typing_extensions import override
from zeep.cache import Base

_MARK = b"seil-wsdl-1 "
_PART = ".part"
# Older partial files were left by killed processes.
_PART_SECONDS = 3600


class WsdlFolder:
    """Files by URL. One that fails its checksum is ignored."""

    def __init__(self, folder: Path, age: timedelta) -> None:
        self._folder = folder
        self._age = age.total_seconds()

    def fresh(self, url: str) -> bytes | None:
        try:
            # abs: a file dated in the future would never expire.
            is_expired = abs(time.time() - self._file(url).stat().st_mtime) > self._age
        except OSError:
            return None
        return None if is_expired else self.any_age(url)

    def any_age(self, url: str) -> bytes | None:
        try:
            head, _, content = self._file(url).read_bytes().partition(b"\n")
        except OSError:
            return None
        return content if head == _MARK + _digest(content) else None

    def keep(self, url: str, content: bytes) -> None:
        """Replaces the file atomically; the last of concurrent writers wins. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clear()
        descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=_PART)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_MARK + _digest(content) + b"\n" + content)
            Path(name).replace(self._file(url))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _clear(self) -> None:
        for part in self._folder.glob(f"*{_PART}"):
            with suppress(FileNotFoundError):  # Another process has removed it.
                if time.time() - part.stat().st_mtime > _PART_SECONDS:
                    part.unlink()

    def _file(self, url: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.wsdl"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


class RecordingCache(Base):
    """A cache for zeep that returns `content`, and records fetched WSDLs."""

    def __init__(self, content: bytes | None) -> None:
        self._content = content
        self.fetched: dict[str, bytes] = {}

    @override
    def get(self, url: str) -> bytes | None:
        return self._content

    @override
    def add(self, url: str, content: bytes) -> None:
        self.fetched[url] = content
