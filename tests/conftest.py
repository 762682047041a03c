from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from seil.observe.logs import unconfigure


@pytest.fixture(autouse=True)
def logging_as_it_starts() -> Iterator[None]:
    """Commands run in this process set logging up, in wider fixtures too: no test must notice."""
    unconfigure()
    yield
    unconfigure()
    logging.captureWarnings(capture=False)
