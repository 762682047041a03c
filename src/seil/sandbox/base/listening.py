"""Runs a stand-in: in a thread for a test, or as a command."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from aiohttp import web

from seil.errors import ConfigurationError, Problem
from seil.sandbox.base.faults import FaultTable, Occasion
from seil.sandbox.base.frame import ServerFrame
from seil.sandbox.base.store import StateFile

__all__ = ["FrameParts", "Parts", "PortListener", "StandIn", "check_address", "serve"]

_log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 2.0
_LONGEST_LINE = 8190  # aiohttp's own
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REASONS = {errno.EADDRINUSE: "the port is already in use"}
_CURES = {
    errno.EADDRINUSE: "stop what listens there, or name another --port",
    errno.EACCES: "name a --port from 1024 on",
}


class PortListener:
    """Binds its port in the constructor, so that the application can know its address.

    Raises ConfigurationError if the port or address cannot be bound.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = _bind(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread: threading.Thread | None = None

    def start(
        self,
        app: web.Application,
        name: str,
        *,
        tls: ssl.SSLContext | None = None,
        longest_line: int = _LONGEST_LINE,
    ) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            max_line_size=longest_line,
            max_field_size=longest_line,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        listening = _listen(self._runner, self._socket, tls)
        asyncio.run_coroutine_threadsafe(listening, self._loop).result()

    def stop(self) -> None:
        """Waits for the last request."""
        if self._thread is not None:
            if self._runner is not None:
                done = asyncio.run_coroutine_threadsafe(_shut_down(self._runner), self._loop)
                done.result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        self._socket.close()


class Parts(Protocol):
    """The parts of a running stand-in."""

    def application(self) -> web.Application: ...

    def start(self) -> None:
        """Called when it listens."""
        ...

    def close(self) -> None: ...


class FrameParts:
    """One frame on one store; subclasses open both."""

    frame: ServerFrame[Any]
    store: StateFile

    def application(self) -> web.Application:
        return self.frame.application()

    def start(self) -> None: ...

    def close(self) -> None:
        self.frame.close()
        self.store.close()


P = TypeVar("P", bound=Parts)
OptionsT = TypeVar("OptionsT")
F = TypeVar("F", bound=Occasion)


class StandIn(ABC, Generic[P, OptionsT, F]):
    """A server on a folder, from `start` to `stop` or in a `with` block; port 0 takes a free one.

    A later server on the same folder goes on where this one stopped. `faults` may be changed while
    it runs. Subclasses open its parts; the port is bound before, since they may name it. Raises
    ConfigurationError if the folder cannot be used or the port cannot be bound.
    """

    name: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        options: OptionsT | None = None,
        faults: tuple[F, ...] = (),
    ) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self.options = self.default_options() if options is None else options
        self.faults = FaultTable(faults)
        self._listener: PortListener | None = None
        self._parts: P | None = None

    @classmethod
    @abstractmethod
    def default_options(cls) -> OptionsT: ...

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        if self._listener is not None:
            raise RuntimeError("The server is already running")
        self._listener = PortListener(self.host, self.port)
        try:
            self.port = self._listener.port
            self._parts = self._open()
            self._listen(self._listener, self._parts.application())
            self._parts.start()
        except BaseException:
            self.stop()
            raise
        _log.info("%s in %s listens at %s", self.name, self.folder, self.url)
        return self

    def stop(self) -> None:
        """Waits for the last request, and for writes to reach the disk."""
        if self._listener is not None:
            self._listener.stop()
        if self._parts is not None:
            self._parts.close()
        self._listener = self._parts = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _open(self) -> P: ...

    def _listen(self, listener: PortListener, app: web.Application) -> None:
        listener.start(app, self.name)


def serve(server: StandIn[P, OptionsT, F], started: Callable[[], None]) -> None:
    """Runs until SIGINT or SIGTERM, in the main thread; `started` is called once it listens."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in _STOP_SIGNALS}
    try:
        with server:
            started()
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_address(host: str, port: int) -> None:
    """Raises ConfigurationError if the port cannot be bound, before anything is made or opened."""
    _bind(host, port).close()


async def _listen(runner: web.AppRunner, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
    await runner.setup()
    await web.SockSite(runner, bound, ssl_context=tls).start()


async def _shut_down(runner: web.AppRunner) -> None:
    """Waits for the handlers' threads, which cannot be cancelled and may be writing."""
    await runner.cleanup()
    this = asyncio.current_task()
    if under_way := [task for task in asyncio.all_tasks() if task is not this]:
        await asyncio.wait(under_way)


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        cure = _CURES.get(error.errno or 0, "name an IPv4 address of this machine as --host")
        raise ConfigurationError([Problem(f"{host}:{port}", reason, cure)]) from error
    return bound
