"""Flow control of one subscription."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_log = logging.getLogger(__name__)

MOST_PENDING = 100


class PendingEvents:
    """What a subscriber still wants: its `num_requested` add up, at most 100 are pending.

    `wake` is called at each change.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._pending = 0
        self._empty_since = time.monotonic()
        self.is_closed = False
        self.problem = ""

    @property
    def pending(self) -> int:
        return self._pending

    @property
    def idle_seconds(self) -> float:
        """How long nothing has been wanted."""
        return 0.0 if self._pending else time.monotonic() - self._empty_since

    def read(self, requests: Iterator[Any], topic: str) -> None:
        """Until the client closes its side; a thread's work."""
        try:
            for request in requests:
                if request.topic_name not in ("", topic):
                    self.problem = "topic"
                    break
                self.add(request.num_requested)
        except Exception:  # noqa: BLE001  (gRPC raises a bare one when the call ends)
            _log.debug("the call on %s has ended", topic)
        finally:
            self.is_closed = True
            self._wake()

    def add(self, count: int) -> None:
        if count <= 0:
            self.problem = "requested"
        with self._lock:
            self._pending = min(self._pending + count, MOST_PENDING)
        self._wake()

    def spend(self, count: int) -> int:
        """Returns what is left."""
        with self._lock:
            self._pending = max(self._pending - count, 0)
            if not self._pending:
                self._empty_since = time.monotonic()
            return self._pending
