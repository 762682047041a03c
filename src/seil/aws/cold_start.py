"""A function's start, made shorter."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """For the imports: they make many objects that stay, and hardly any garbage.

    Looking for some, again and again, is a tenth of the time; what was made is not looked at later
    either.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
