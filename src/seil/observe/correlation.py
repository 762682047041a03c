"""The correlation id of the current request, added to its log lines."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from typing_extensions import override

__all__ = ["CorrelationFilter", "correlation", "correlation_id", "new_id", "valid_id"]

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def new_id() -> str:
    return str(uuid.uuid4())


def valid_id(text: str) -> str | None:
    """The GUID in canonical form; None if `text` is not one (RFC 9562)."""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        return None
    # UUID() is laxer: it takes 0x and 30 digits, underscores, braces, any number of hyphens.
    return str(parsed) if text.lower() in (str(parsed), parsed.hex) else None


def correlation_id() -> str:
    """Empty outside a request."""
    return _current.get()


@contextmanager
def correlation(identity: str) -> Iterator[None]:
    token = _current.set(identity)
    try:
        yield
    finally:
        _current.reset(token)


class CorrelationFilter(logging.Filter):
    """Adds `correlation_id` to the log lines of a request."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if (identity := _current.get()) and not hasattr(record, "correlation_id"):
            record.correlation_id = identity
        return True
