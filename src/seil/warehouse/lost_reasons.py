"""Statements that failed without a reason: the same again gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from seil.errors import LostReasonError

__all__ = ["with_reason"]

Result = TypeVar("Result")

_ATTEMPTS = 10


def with_reason(
    action: Callable[[], Result], roll_back: Callable[[], None] | None = None
) -> Result:
    """What `action` gives. Where it fails, `roll_back` takes away what it left behind.

    Raises LostReasonError where no attempt gave a reason.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except LostReasonError:
            if roll_back:
                roll_back()
    return action()
