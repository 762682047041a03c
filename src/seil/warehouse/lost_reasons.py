"""Retries statements that failed without a reason: a repeat usually gives one."""

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
    """The result of `action`. `roll_back` undoes each attempt that failed without a reason.

    Raises LostReasonError if no attempt gives one.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except LostReasonError:
            if roll_back:
                roll_back()
    return action()
