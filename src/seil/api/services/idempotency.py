"""Idempotency keys: repeating a request with its key changes nothing again.

The service claims the key before the external call and settles it afterwards, since the edge may
have timed out by then.
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from seil.api.calls import Answer, ServiceCall

__all__ = ["Claim", "IdempotencyStore", "KeyState", "fingerprint", "key_of"]


class KeyState(StrEnum):
    """`CLAIMED`: the key was free, and is this call's now."""

    CLAIMED = "claimed"
    RUNNING = "running"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Claim:
    """The state of a key: `fingerprint` and `answer` are those of the call that claimed it."""

    state: KeyState
    fingerprint: str = ""
    answer: Answer | None = None


class IdempotencyStore(Protocol):
    """Thread-safe and process-safe. Times are in seconds.

    Every method raises SeilError where the keys cannot be read or written.
    """

    def claim(self, key: str, fingerprint: str, *, lease: float) -> Claim:
        """Claims a free key for a call that ends within `lease` seconds, or returns its state.

        UNKNOWN where the claimant outlived its lease or is known to have died.
        """
        ...

    def settle(self, key: str, answer: Answer) -> None:
        """Stores the outcome."""
        ...

    def doubt(self, key: str) -> None:
        """Marks the outcome as unknown; the key stays taken."""
        ...

    def release(self, key: str) -> None:
        """Frees the key: nothing was done."""
        ...


def key_of(call: ServiceCall) -> str:
    """Scoped to the caller and the operation."""
    text = json.dumps([call.caller, call.operation, call.idempotency_key])
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
