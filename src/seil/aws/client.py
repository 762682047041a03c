"""A client function: one system's service, asked by its router. It holds the credentials."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from seil.api.calls import Answer, Call, Fault
from seil.api.services.service import Service
from seil.aws.runtime import flush_traces, start
from seil.errors import SeilError
from seil.settings import Settings

__all__ = ["Client"]

_log = logging.getLogger(__name__)

_TEXTS = ("operation", "correlation_id", "application_label", "caller")
_OPTIONAL_TEXTS = ("idempotency_key", "traceparent")


class Client:
    """The handler of `system`: an event is Call.to_json(), what it gives back Answer.to_json().

    The service is built when the first event comes. It never raises: an exception would carry its
    stack trace to whoever asked.
    """

    def __init__(self, system: str, build: Callable[[Settings], Service]) -> None:
        self._system = system
        self._build = build
        self._lock = threading.Lock()
        self._service: Service | None = None

    def __call__(self, event: Any, _context: Any) -> dict[str, Any]:
        try:
            return self._answer(event).to_json()
        finally:
            flush_traces()

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
        return service.run(call)

    def _built(self) -> Service:
        with self._lock:
            if self._service is None:
                self._service = self._build(start())
            return self._service


def _call(event: Any) -> Call:
    """Raises TypeError or ValueError where the event is none; the message repeats no values."""
    if not isinstance(event, Mapping):
        raise TypeError("it is no object")
    try:
        call = Call.from_json(dict(event))
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
