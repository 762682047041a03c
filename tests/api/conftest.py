from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.issuers import Clock, clock, issuer, keys_folder

__all__ = ["clock", "issuer", "keys_folder"]


@pytest.fixture
def breaker_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of how long a system is left alone, moved by hand."""
    clock = Clock(1000)
    time = SimpleNamespace(time=clock, monotonic=clock)
    monkeypatch.setattr("seil.api.edge.dispatch.time", time)
    monkeypatch.setattr("purgatory.domain.model.time", time)
    return clock
