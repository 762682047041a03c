"""What log lines carry besides their text while a piece of work is under way: run, object, file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from typing_extensions import override

__all__ = ["FieldsFilter", "add_log_fields", "in_context", "log_fields"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_current: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Every line that is logged inside carries them, besides those of the work around it."""
    token = _current.set({**(_current.get() or {}), **fields})
    try:
        yield
    finally:
        _current.reset(token)


def add_log_fields(**fields: Any) -> None:
    """To the innermost `log_fields`, up to its end, its other threads included."""
    if (held := _current.get()) is not None:
        held.update(fields)


def in_context(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """`function` for another thread, with the fields and the correlation id of this one.

    Call it for each task: a context can be entered once at a time.
    """
    return partial(copy_context().run, function)


class FieldsFilter(logging.Filter):
    """Adds the fields to each line; what a line says itself counts."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_current.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
