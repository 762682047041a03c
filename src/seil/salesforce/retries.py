"""Retries of calls, with exponential backoff."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from seil.errors import ConflictError, ObjectRejectedError, RequestRejectedError, UnavailableError
from seil.salesforce.faults import QUERY_TIMEOUT

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_WAIT = 0.5


@contextmanager
def before_call() -> Iterator[None]:
    """Marks errors inside, such as a login's, as before the call was sent."""
    try:
        yield
    except UnavailableError as error:
        error.reached = False
        raise


@dataclass(frozen=True)
class Retries:
    """At most `attempts` attempts, at most `max_wait` seconds apart."""

    attempts: int
    max_wait: float
    sleep: Callable[[float], None]

    def call(self, attempt: Callable[[], T], *, idempotent: bool, attempts: int | None = None) -> T:
        """Idempotent calls are retried even if the response was lost, others only if the request
        certainly was not executed.
        """

        def is_retryable(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, UnavailableError):
                return idempotent or not error.reached
            if isinstance(error, ObjectRejectedError | RequestRejectedError):
                # The org may just have been busy: worth one retry.
                return error.code == QUERY_TIMEOUT and state.attempt_number == 1
            return isinstance(error, ConflictError)

        return Retrying(
            stop=stop_after_attempt(attempts or self.attempts),
            wait=self._wait,
            retry=is_retryable,
            sleep=self.sleep,
            before_sleep=_log_retry,
            reraise=True,
        )(attempt)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        requested = error.retry_after if isinstance(error, UnavailableError) else None
        if requested is not None:
            return min(requested, self.max_wait)
        backoff = wait_exponential(multiplier=_FIRST_WAIT) + wait_random(0, _FIRST_WAIT)
        return min(backoff(state), self.max_wait)


def _log_retry(state: RetryCallState) -> None:
    wait = state.next_action.sleep if state.next_action else 0.0
    error = state.outcome.exception() if state.outcome else None
    message = getattr(error, "message", "")
    logger.warning("attempt %d: %s; retrying in %.1f s", state.attempt_number, message, wait)
