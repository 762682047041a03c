"""The SOAP client's services, each built once for all waiting callers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from seil.admanager.calls import time_for_call, too_late
from seil.deadline import unlimited
from seil.errors import SeilError

_log = logging.getLogger(__name__)

# A build that takes this many times the callers' timeout is replaced by a new one.
_PATIENCE = 3

BuildService = Callable[[str], Any]


class Services:
    """Builds services in threads of their own, so that callers can time out.

    A slow WSDL delays neither callers of other services, nor of one that is built already.
    `seconds` is the timeout of a caller without a deadline.
    """

    def __init__(self, build: BuildService, *, seconds: float) -> None:
        self._build = build
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ready: dict[str, Any] = {}
        self._building: dict[str, tuple[Future[Any], float]] = {}
        self._renewing: set[str] = set()

    def get(self, name: str) -> Any:
        """Raises what `build` raises, or TooSlowError, not `reached`."""
        if name in self._ready:
            return self._ready[name]
        building = self._start_build(name)
        try:
            return building.result(time_for_call(self._seconds))
        except TimeoutError:
            raise too_late(self._seconds) from None

    def renew(self, name: str, build: BuildService) -> None:
        """Rebuilds it in the background; the current one stays in use until then, or on failure."""
        with self._lock:
            if name in self._renewing:
                return
            self._renewing.add(name)
        _start(self._renew, name, build)

    def _start_build(self, name: str) -> Future[Any]:
        with self._lock:
            building, since = self._building.get(name, (None, 0.0))
            if building and time.monotonic() - since < _PATIENCE * self._seconds:
                return building
            building = Future()
            if name in self._ready:  # Another thread has built it.
                building.set_result(self._ready[name])
                return building
            self._building[name] = building, time.monotonic()
        _start(self._run, name, building)
        return building

    def _run(self, name: str, building: Future[Any]) -> None:
        try:
            service = self._build(name)
        except Exception as error:  # noqa: BLE001 - re-raised to the waiting callers
            self._end(name, building)
            building.set_exception(error)
        else:
            self._ready.setdefault(name, service)
            self._end(name, building)
            building.set_result(service)

    def _end(self, name: str, building: Future[Any]) -> None:
        with self._lock:
            if self._building.get(name, (None,))[0] is building:
                del self._building[name]

    def _renew(self, name: str, build: BuildService) -> None:
        try:
            self._ready[name] = build(name)
        except SeilError as error:
            _log.warning("The WSDL of %s cannot be refreshed: %s", name, error)
        finally:
            with self._lock:
                self._renewing.discard(name)


def _start(run: Callable[..., None], *arguments: Any) -> None:
    """Runs with the caller's trace and correlation id, without its deadline."""

    def run_unlimited() -> None:
        with unlimited():
            run(*arguments)

    thread = threading.Thread(
        target=copy_context().run, args=(run_unlimited,), name="seil-description", daemon=True
    )
    thread.start()
