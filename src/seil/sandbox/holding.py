"""A stand-in's folder is one stand-in's at a time, as long as that runs."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from seil.errors import ConfigurationError, ConflictError, Problem

__all__ = ["held"]

_FILE_NAME = "in-use"


def held(folder: Path) -> IO[str]:
    """Makes the folder, and holds it until the file is closed or the process ends.

    Raises ConflictError where another holds it, ConfigurationError where it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _FILE_NAME).open("a")
    except OSError as error:
        reason = error.strerror or str(error)
        problem = Problem(str(folder), f"cannot hold the state: {reason}", "name another --state")
        raise ConfigurationError([problem]) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        hint = "Stop it, or name another --state"
        raise ConflictError(f"Another stand-in runs in {folder}", hint=hint) from error
    return file
