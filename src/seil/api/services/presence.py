"""Whether a process still lives, seen by others on the same disk."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

__all__ = ["Presence"]


class Presence:
    """A file that is locked for as long as this process lives; the kernel lets go when it dies.

    A process id would not do: it is given out again, and means nothing in another container.
    Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._remove_the_dead()
        self.name, self._file = self._locked()

    def close(self) -> None:
        (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()

    def lives(self, name: str) -> bool:
        """Whether the process of that name does."""
        try:
            with (self._folder / name).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _locked(self) -> tuple[str, IO[str]]:
        """Between opening and locking it another process may take the file for a dead one's."""
        while True:
            name = uuid4().hex
            file = (self._folder / name).open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return name, file
            file.close()

    def _remove_the_dead(self) -> None:
        for path in self._folder.iterdir():
            with suppress(BlockingIOError, FileNotFoundError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
