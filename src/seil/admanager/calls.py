"""The one way out to Ad Manager: a time limit, a span, a log line, and retries where they are safe.

Loads nothing of Google's: the clients are handed in as callables.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from opentelemetry import trace
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from seil.deadline import remaining
from seil.errors import (
    ConflictError,
    RetryError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UncountedError,
)

SERVICE = "Ad Manager"

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("seil.admanager")

Result = TypeVar("Result")
Translate = Callable[[Exception, float], SeilError | None]

_SHORTEST_WAIT = 0.05
_BASE_WAIT = 0.2
_LONGEST_WAIT = 2.0


class Calls:
    """`translate` turns what a client raises, and the seconds waited, into ours.

    It gives None for what it does not know.
    """

    def __init__(self, *, timeout: float, attempts: int, translate: Translate) -> None:
        self._timeout = timeout
        self._attempts = attempts
        self._translate = translate

    def read(self, method: str, call: Callable[[float], Result]) -> Result:
        """Repeated where Ad Manager is not available: nothing is changed by it."""
        return self._retried(method, call, _unavailable)

    def effect(self, method: str, call: Callable[[float], Result]) -> Result:
        """Repeated only where the request surely never got there."""
        return self._retried(method, call, _not_reached)

    def _retried(
        self, method: str, call: Callable[[float], Result], again: Callable[[BaseException], bool]
    ) -> Result:
        retrying = Retrying(
            retry=retry_if_exception(again),
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            before_sleep=_leave_time,
            reraise=True,
        )
        result: Result = retrying(self._once, method, call)
        return result

    def _once(self, method: str, call: Callable[[float], Result]) -> Result:
        seconds = time_for_call(self._timeout)
        with _observed(method):
            try:
                return call(seconds)
            except SeilError:
                raise
            except Exception as error:
                translated_error = self._translate(error, seconds)
                if translated_error is None:
                    raise
                raise translated_error from error


def time_for_call(limit: float) -> float:
    """Seconds that a call may take. Raises TooSlowError, not `reached`, where there are none."""
    seconds = remaining(limit)
    if seconds <= 0:
        raise too_late(limit)
    return seconds


def too_late(limit: float) -> TooSlowError:
    """For what took its time before anything was sent."""
    error = TooSlowError(SERVICE, limit)
    error.reached = False
    return error


@contextmanager
def before_effect() -> Iterator[None]:
    """What fails inside has changed nothing yet: its error says so."""
    try:
        yield
    except RetryError as error:
        error.reached = False
        raise


@contextmanager
def after_effect(ids: Sequence[int]) -> Iterator[None]:
    """What fails inside takes nothing back: raises UncountedError instead."""
    try:
        yield
    except SeilError as error:
        raise UncountedError(SERVICE, ids, error.message) from error


@contextmanager
def _observed(method: str) -> Iterator[None]:
    begun = time.perf_counter()
    outcome = "ok"
    with _tracer.start_as_current_span(
        f"{SERVICE} {method}",
        kind=trace.SpanKind.CLIENT,
        attributes={"rpc.method": method},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            # Not the error's text: a refusal quotes the caller's words.
            span.set_status(trace.StatusCode.ERROR, outcome)
            raise
        finally:
            milliseconds = round((time.perf_counter() - begun) * 1000)
            _log.info(
                "%s %s: %s in %d ms",
                SERVICE,
                method,
                outcome,
                milliseconds,
                extra={"method": method, "outcome": outcome, "milliseconds": milliseconds},
            )


def _unavailable(error: BaseException) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, TooSlowError)


def _not_reached(error: BaseException) -> bool:
    return _unavailable(error) and isinstance(error, UnavailableError) and not error.reached


_jittered = wait_random_exponential(multiplier=_BASE_WAIT, min=_SHORTEST_WAIT, max=_LONGEST_WAIT)


def _wait(state: RetryCallState) -> float:
    """At least what Ad Manager asks for, else a jittered pause that grows."""
    error = state.outcome.exception() if state.outcome else None
    at_least = error.retry_after if isinstance(error, UnavailableError) else None
    return max(_jittered(state), at_least or 0.0)


def _leave_time(state: RetryCallState) -> None:
    """The error is passed on at once where the pause would outlast the caller or our patience."""
    pause = state.next_action.sleep if state.next_action else 0.0
    if (pause > _LONGEST_WAIT or pause >= remaining(pause + 1)) and state.outcome:
        state.outcome.result()


def after_conflicts(attempts: int, run: Callable[[], Result]) -> Result:
    """Again where somebody else changed the same thing; `run` has to look at it anew."""
    retrying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(attempts),
        wait=_wait,
        before_sleep=_leave_time,
        reraise=True,
    )
    result: Result = retrying(run)
    return result
