"""The SOAP client's services by their names: each is built once, for all who wait for it."""

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

# A building that has taken so many times what its callers have is believed in no more.
_PATIENCE = 3

BuildService = Callable[[str], Any]


class Services:
    """What is built in threads of its own, so that each caller waits as long as its call has.

    A description that comes slowly, or not at all, holds up nobody who asks for another one, or
    whose service there is already. `seconds` are those of a caller without a deadline.
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
        building = self._begin(name)
        try:
            return building.result(time_for_call(self._seconds))
        except TimeoutError:
            raise too_late(self._seconds) from None

    def renew(self, name: str, build: BuildService) -> None:
        """Builds it anew beside its use; the one there is stays until then, or where that fails."""
        with self._lock:
            if name in self._renewing:
                return
            self._renewing.add(name)
        _start(self._renew, name, build)

    def _begin(self, name: str) -> Future[Any]:
        with self._lock:
            building, since = self._building.get(name, (None, 0.0))
            if building and time.monotonic() - since < _PATIENCE * self._seconds:
                return building
            building = Future()
            if name in self._ready:  # Since it was looked for without the lock.
                building.set_result(self._ready[name])
                return building
            self._building[name] = building, time.monotonic()
        _start(self._run, name, building)
        return building

    def _run(self, name: str, building: Future[Any]) -> None:
        try:
            service = self._build(name)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
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
            _log.warning("The description of %s cannot be renewed: %s", name, error)
        finally:
            with self._lock:
                self._renewing.discard(name)


def _start(run: Callable[..., None], *arguments: Any) -> None:
    """In the caller's trace and with its correlation id, and without its deadline."""

    def unhurried() -> None:
        with unlimited():
            run(*arguments)

    thread = threading.Thread(
        target=copy_context().run, args=(unhurried,), name="seil-description", daemon=True
    )
    thread.start()
