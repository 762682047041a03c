"""How many examples a property is tried with: some by `make test`, many by `make test-all`."""

from __future__ import annotations

import os

THOROUGH = "TEST_ALL" in os.environ


def examples(some: int, *, many: int) -> int:
    return many if THOROUGH else some
