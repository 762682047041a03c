"""Processes of this machine: whether one that left its pid somewhere still runs."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")


@cache
def machine() -> str:
    """Where process ids mean the same: this host since its start, within its containers' walls.

    A host's name alone does not do: containers and functions often share one.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(_BOOT.read_text("utf-8").strip())
    with suppress(OSError):
        parts.append(str(_PROCESSES.readlink()))
    return " ".join(parts)


def process_start(pid: int) -> str:
    """When the kernel started it (proc(5), stat, field 22); empty without /proc."""
    with suppress(OSError, IndexError):
        return re.sub(r".*\)", "", Path(f"/proc/{pid}/stat").read_text("utf-8")).split()[19]
    return ""


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this machine runs that had this start."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Another user's.
        return True
    return started in ("", process_start(pid))
