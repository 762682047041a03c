"""The current run's id, for its events, manifests, ledger rows and log lines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from seil.observe.correlation import correlation
from seil.observe.fields import log_fields

__all__ = ["current_run", "in_run", "new_run_id"]

_current: ContextVar[str] = ContextVar("run_id", default="")


def new_run_id(at: datetime) -> str:
    """Sorts by time: 20261129T100000Z-1f2e3d4c."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def current_run() -> str:
    """Empty outside a run. Another thread has it for tasks of `Workers`."""
    return _current.get()


@contextmanager
def in_run(run_id: str, command: str) -> Iterator[None]:
    token = _current.set(run_id)
    try:
        with correlation(run_id), log_fields(run_id=run_id, command=command):
            yield
    finally:
        _current.reset(token)
