"""How often and how patiently a call is tried again."""

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
def before_the_call() -> Iterator[None]:
    """What fails inside, such as a login, leaves the call that needs it not carried out."""
    try:
        yield
    except UnavailableError as error:
        error.reached = False
        raise


@dataclass(frozen=True)
class Retries:
    """`attempts` tries of a call, at most `max_wait` seconds apart."""

    attempts: int
    max_wait: float
    sleep: Callable[[float], None]

    def call(self, attempt: Callable[[], T], *, idempotent: bool, attempts: int | None = None) -> T:
        """Idempotent: tried again even if it may have been carried out.

        Any other call is tried again only where it surely was not.
        """

        def worth_it(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, UnavailableError):
                return idempotent or not error.reached
            if isinstance(error, ObjectRejectedError | RequestRejectedError):
                # The org is sometimes only busy; a second time is worth a call, a third is not.
                return error.code == QUERY_TIMEOUT and state.attempt_number == 1
            return isinstance(error, ConflictError)

        return Retrying(
            stop=stop_after_attempt(attempts or self.attempts),
            wait=self._wait,
            retry=worth_it,
            sleep=self.sleep,
            before_sleep=_announce,
            reraise=True,
        )(attempt)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, UnavailableError) else None
        if asked is not None:
            return min(asked, self.max_wait)
        growing = wait_exponential(multiplier=_FIRST_WAIT) + wait_random(0, _FIRST_WAIT)
        return min(growing(state), self.max_wait)


def _announce(state: RetryCallState) -> None:
    wait = state.next_action.sleep if state.next_action else 0.0
    error = state.outcome.exception() if state.outcome else None
    message = getattr(error, "message", "")
    logger.warning("try %d: %s; again in %.1f s", state.attempt_number, message, wait)
