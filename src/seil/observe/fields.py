"""Fields of the current work (run, object, file), added to its log lines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from typing_extensions import override

__all__ = ["FieldsFilter", "add_log_fields", "log_fields"]

_current: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Adds the fields to every line logged in the block, besides those of outer blocks."""
    token = _current.set({**(_current.get() or {}), **fields})
    try:
        yield
    finally:
        _current.reset(token)


def add_log_fields(**fields: Any) -> None:
    """Adds them to the innermost `log_fields`, until it ends and in all its threads."""
    if (current := _current.get()) is not None:
        current.update(fields)


class FieldsFilter(logging.Filter):
    """Adds the fields to each record; a record's own attributes win."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_current.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
