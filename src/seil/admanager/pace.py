"""The pace of a background flow's calls to Ad Manager.

A network takes 8 requests a second (Ad Manager 360) or 2; after a refusal Google recommends to wait
about 5 seconds, then longer:
https://developers.google.com/ad-manager/api/reference/v202608/OrderService.QuotaError.Reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from seil.errors import ThrottledError, UnavailableError

_LONGEST = 60.0


@dataclass
class CallPace:
    """Spaces calls evenly, counts them, and is patient where Ad Manager throttles. Thread-safe.

    `attempts` are per call; `after_refusal` is the first wait after a refusal, in seconds. `sleep`
    and `clock` are for tests.
    """

    per_second: float
    attempts: int = 6
    after_refusal: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def take_turn(self) -> None:
        """Waits until the next call may start."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._next)
            self._next = turn + 1 / self.per_second
            self.calls += 1
        if turn > now:
            self.sleep(turn - now)

    def pause(self, error: BaseException | None, attempt: int) -> float:
        """Seconds before the next attempt; `attempt` is the number of the last one."""
        at_least = error.retry_after if isinstance(error, UnavailableError) else None
        usual = self.after_refusal if isinstance(error, ThrottledError) else 1.0
        return min(max(usual * attempt, at_least or 0.0), _LONGEST)
