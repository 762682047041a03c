"""Time limits of tests: no slow machine exceeds one that must hold, no test waits for the others.

`tests/test_limits.py` holds that a test has none of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

# What is expected has come by then, in seconds; only a test that hangs takes longer.
HANGS = 300.0
# A far end that holds its answer: whoever does not give up on it hangs.
HELD = 3600.0
# A limit in vain: against what is held, the sooner it is over the better.
SOON = 0.3
# The same where something has to come before, which takes milliseconds.
LATER = 3.0


def until(condition: Callable[[], T | None]) -> T:
    """What `condition` returns, asked again and again until it is true."""
    ends = time.monotonic() + HANGS
    while not (value := condition()):
        if time.monotonic() > ends:
            pytest.fail(f"{condition} is not so after {HANGS:.0f} seconds")
        time.sleep(0.01)
    return value
