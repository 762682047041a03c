"""Runs every call to Ad Manager with a timeout, a span, a log line, and retries where safe.

Imports none of Google's libraries: the clients' methods come in as callables.
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

from seil.admanager.pace import CallPace
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
    """`translate` maps a client's exception, with the call's timeout in seconds, to a SeilError,
    or to None if it is unknown. With a `pace`, it sets attempts and pauses.
    """

    def __init__(
        self, *, timeout: float, attempts: int, translate: Translate, pace: CallPace | None = None
    ) -> None:
        self._timeout = timeout
        self._attempts = attempts
        self._translate = translate
        self._pace = pace

    def read(self, method: str, call: Callable[[float], Result]) -> Result:
        """Retried while Ad Manager is unavailable: a read has no effect."""
        return self._retry(method, call, _unavailable)

    def write(self, method: str, call: Callable[[float], Result]) -> Result:
        """Retried only if the request certainly never reached Ad Manager."""
        return self._retry(method, call, _not_reached)

    def _retry(
        self, method: str, call: Callable[[float], Result], again: Callable[[BaseException], bool]
    ) -> Result:
        pace = self._pace
        retrying = Retrying(
            retry=retry_if_exception(again),
            stop=stop_after_attempt(pace.attempts if pace else self._attempts),
            wait=_paced(pace) if pace else _wait,
            before_sleep=_leave_time if pace is None else None,
            sleep=pace.sleep if pace else time.sleep,
            reraise=True,
        )
        result: Result = retrying(self._attempt, method, call)
        return result

    def _attempt(self, method: str, call: Callable[[float], Result]) -> Result:
        if self._pace:
            self._pace.take_turn()
        seconds = time_for_call(self._timeout)
        with _observe(method):
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
    """The call's timeout in seconds. Raises TooSlowError, not `reached`, past the deadline."""
    seconds = remaining(limit)
    if seconds <= 0:
        raise too_late(limit)
    return seconds


def too_late(limit: float) -> TooSlowError:
    """For a timeout before anything was sent."""
    error = TooSlowError(SERVICE, limit)
    error.reached = False
    return error


@contextmanager
def before_write() -> Iterator[None]:
    """Marks errors inside as before the write: nothing was changed."""
    try:
        yield
    except RetryError as error:
        error.reached = False
        raise


@contextmanager
def after_write(ids: Sequence[int]) -> Iterator[None]:
    """Raises UncountedError for errors inside: the write has happened."""
    try:
        yield
    except SeilError as error:
        raise UncountedError(SERVICE, ids, error.message) from error


@contextmanager
def _observe(method: str) -> Iterator[None]:
    started = time.perf_counter()
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
            # Not the error's text, which quotes the caller's data.
            span.set_status(trace.StatusCode.ERROR, outcome)
            raise
        finally:
            milliseconds = round((time.perf_counter() - started) * 1000)
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
    """Exponential backoff with jitter, at least as long as Retry-After."""
    error = state.outcome.exception() if state.outcome else None
    at_least = error.retry_after if isinstance(error, UnavailableError) else None
    return max(_jittered(state), at_least or 0.0)


def _paced(pace: CallPace) -> Callable[[RetryCallState], float]:
    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return pace.pause(error, state.attempt_number)

    return wait


def _leave_time(state: RetryCallState) -> None:
    """Re-raises the error at once if the pause would exceed the deadline or `_LONGEST_WAIT`."""
    pause = state.next_action.sleep if state.next_action else 0.0
    if (pause > _LONGEST_WAIT or pause >= remaining(pause + 1)) and state.outcome:
        state.outcome.result()


def after_conflicts(attempts: int, run: Callable[[], Result]) -> Result:
    """Retries `run` after a concurrent change; it must read the current state again."""
    retrying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(attempts),
        wait=_wait,
        before_sleep=_leave_time,
        reraise=True,
    )
    result: Result = retrying(run)
    return result
