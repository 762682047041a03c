"""The stand-in issuer as a fixture, with a clock that is moved by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from seil.sandbox.issuer.issuer import ClientGrant, Issuer

__all__ = ["Clock", "clock", "issuer", "keys_folder"]

SCOPES = frozenset({"seil-dev-oauth-rs/get", "seil-dev-oauth-rs/post"})


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One signing key for all tests: making one takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("issuer")
    Issuer(folder, "http://issuer.test", {})
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(keys_folder: Path, tmp_path: Path, clock: Clock) -> Issuer:
    for path in keys_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    grants = {
        "booking": ClientGrant("s3cret", SCOPES),
        "reader": ClientGrant("other", frozenset({"a/get"})),
    }
    return Issuer(tmp_path, "http://issuer.test", grants, clock=clock)
