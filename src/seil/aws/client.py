"""A client function: one system's service, invoked by its router. It holds the credentials."""

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

# Seconds before the end at which a call is given up on that goes beyond its deadline.
_LAST = 0.7
# One for the event, the others for calls that were given up on and still wait.
_THREADS = 8
_TEXTS = ("operation", "correlation_id", "application_label", "caller")
_OPTIONAL_TEXTS = ("idempotency_key", "traceparent")


class Client:
    """The handler of `system`: events are ServiceCall.to_json(), results Answer.to_json().

    The service is built when the first event comes. It never raises: an exception would carry its
    stack trace to whoever asked. Neither is it killed by Lambda before it has answered, nor does it
    answer more than Lambda carries.
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
                return self._in_time(event, context).to_json()
        finally:
            flush_traces(context)

    def _in_time(self, event: Any, context: Any) -> Answer:
        """In a thread of its own, since not every wait of every library knows of the deadline.

        What is given up on goes on when the function is thawed for its next event, so that its
        outcome is known in the end. Should that never be, its claim of a key grows old.
        """
        seconds = seconds_left(context, reserve=_LAST)
        if seconds is None:
            return self._answer(event)
        answer = self._threads.submit(copy_context().run, self._answer, event)
        try:
            return answer.result(seconds)
        except TimeoutError:
            if answer.cancel():
                return no_time(self._system)
            _log.error("%s has no time left: what came of the call is not known", self._system)
            return _fault(504, "EC50401", f"{self._system} did not answer in time")

    def _answer(self, event: Any) -> Answer:
        try:
            call = _call(event)
        except (TypeError, ValueError) as error:
            return _fault(400, "EC40001", f"The event is no call: {error}")
        try:
            service = self._built()
        except SeilError as error:
            _log.critical("%s cannot be served: %s", self._system, error.message)
            return _fault(502, "EC50204", f"{self._system} is not set up")
        except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
            _log.exception("%s cannot be served", self._system)
            return _fault(500, "EC50001", f"{self._system} cannot be served")
        if not remaining(1):
            return no_time(self._system)
        return _carried(service.run(call), call, service)

    def _built(self) -> Service:
        with self._lock:
            if self._service is None:
                self._service = self._build(start())
            return self._service


def _carried(answer: Answer, call: ServiceCall, service: Service) -> Answer:
    """The answer, or one that says that it is too long."""
    if length(answer.to_json()) <= LONGEST_PAYLOAD:
        return answer
    _log.error("the answer of %s is longer than Lambda carries", call.operation)
    reason = f"Lambda carries {LONGEST_PAYLOAD} bytes"
    return too_long(call.operation, reason, effect=service.changes(call.operation))


def _call(event: Any) -> ServiceCall:
    """Raises TypeError or ValueError where the event is none; the message repeats no values."""
    if not isinstance(event, Mapping):
        raise TypeError("it is no object")
    try:
        call = ServiceCall.from_json(dict(event))
    except TypeError as error:
        raise TypeError("it has other keys than a call") from error
    if not isinstance(call.request, dict):
        raise TypeError("request is no object")
    for name in _TEXTS:
        if not isinstance(getattr(call, name), str):
            raise TypeError(f"{name} is no text")
    for name in _OPTIONAL_TEXTS:
        if not isinstance(getattr(call, name), str | None):
            raise TypeError(f"{name} is no text")
    seconds = call.seconds
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise TypeError("seconds is no number")
    return call


def _fault(code: int, fault: str, message: str) -> Answer:
    return Answer(code, errors=(Fault(fault, message),))
