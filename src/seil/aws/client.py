"""A client function: one system's service and its credentials, invoked by the router function."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from seil.api.calls import Answer, Fault, ServiceCall, no_time, too_long
from seil.api.services.service import Service
from seil.aws.limits import LONGEST_PAYLOAD, length, seconds_left
from seil.aws.runtime import RESERVE, flush_traces, start
from seil.deadline import deadline, remaining
from seil.errors import SeilError
from seil.settings import Settings

__all__ = ["Client"]

_log = logging.getLogger(__name__)

# Seconds before the function's timeout at which a call past its deadline is abandoned.
_HARD_RESERVE = 0.7
# One for the event, the others for abandoned calls that still run.
_THREADS = 8
_TEXTS = ("operation", "correlation_id", "application_label", "caller")
_OPTIONAL_TEXTS = ("idempotency_key", "traceparent")


class Client:
    """The handler of `system`: events are ServiceCall.to_json(), results Answer.to_json().

    The service is built at the first event. It never raises: an exception would carry its stack
    trace to the caller. It answers before Lambda's timeout, and within Lambda's payload limit.
    """

    def __init__(self, system: str, build: Callable[[Settings], Service]) -> None:
        self._system = system
        self._build = build
        self._lock = threading.Lock()
        self._service: Service | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"seil-{system}")

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        try:
            with deadline(seconds_left(context, reserve=RESERVE)):
                return self._answer_in_time(event, context).to_json()
        finally:
            flush_traces(context)

    def _answer_in_time(self, event: Any, context: Any) -> Answer:
        """Runs the call in a thread, since some libraries' waits ignore the deadline.

        An abandoned call goes on when the function is thawed for its next event, and then records
        its outcome. If it never is, its claim of the idempotency key expires.
        """
        seconds = seconds_left(context, reserve=_HARD_RESERVE)
        if seconds is None:
            return self._answer(event)
        answer = self._threads.submit(copy_context().run, self._answer, event)
        try:
            return answer.result(seconds)
        except TimeoutError:
            if answer.cancel():
                return no_time(self._system)
            _log.error("%s ran out of time: the call's outcome is unknown", self._system)
            return _fault(504, "EC50401", f"{self._system} did not answer in time")

    def _answer(self, event: Any) -> Answer:
        try:
            call = _parse_call(event)
        except (TypeError, ValueError) as error:
            return _fault(400, "EC40001", f"The event is not a call: {error}")
        try:
            service = self._get_service()
        except SeilError as error:
            _log.critical("%s cannot be served: %s", self._system, error.message)
            return _fault(502, "EC50204", f"{self._system} is not set up")
        except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
            _log.exception("%s cannot be served", self._system)
            return _fault(500, "EC50001", f"{self._system} cannot be served")
        if not remaining(1):
            return no_time(self._system)
        return _limit_length(service.run(call), call, service)

    def _get_service(self) -> Service:
        with self._lock:
            if self._service is None:
                self._service = self._build(start())
            return self._service


def _limit_length(answer: Answer, call: ServiceCall, service: Service) -> Answer:
    """Replaces an answer over Lambda's payload limit by an error."""
    if length(answer.to_json()) <= LONGEST_PAYLOAD:
        return answer
    _log.error("the answer of %s is over Lambda's payload limit", call.operation)
    reason = f"Lambda carries {LONGEST_PAYLOAD} bytes"
    return too_long(call.operation, reason, effect=service.changes(call.operation))


def _parse_call(event: Any) -> ServiceCall:
    """Raises TypeError or ValueError for anything else; the message contains no values."""
    if not isinstance(event, Mapping):
        raise TypeError("it is not an object")
    try:
        call = ServiceCall.from_json(dict(event))
    except TypeError as error:
        raise TypeError("its keys are not those of a call") from error
    if not isinstance(call.request, dict):
        raise TypeError("request is not an object")
    for name in _TEXTS:
        if not isinstance(getattr(call, name), str):
            raise TypeError(f"{name} is not a string")
    for name in _OPTIONAL_TEXTS:
        if not isinstance(getattr(call, name), str | None):
            raise TypeError(f"{name} is not a string")
    seconds = call.seconds
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise TypeError("seconds is not a number")
    return call


def _fault(code: int, fault: str, message: str) -> Answer:
    return Answer(code, errors=(Fault(fault, message),))
