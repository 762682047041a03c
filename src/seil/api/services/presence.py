"""Whether a process is alive, visible to others on the same disk."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

__all__ = ["Presence"]


class Presence:
    """A locked file: the kernel releases the lock when this process dies.

    A process id would not do: ids are reused, and mean nothing in another container. Raises
    OSError.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._remove_stale()
        self.name, self._file = self._create_locked()

    def close(self) -> None:
        (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()

    def is_alive(self, name: str) -> bool:
        """Whether the process of that name is alive."""
        try:
            with (self._folder / name).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _create_locked(self) -> tuple[str, IO[str]]:
        """Retries if another process removes the file as stale before it is locked."""
        while True:
            name = uuid4().hex
            file = (self._folder / name).open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return name, file
            file.close()

    def _remove_stale(self) -> None:
        for path in self._folder.iterdir():
            with suppress(BlockingIOError, FileNotFoundError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
