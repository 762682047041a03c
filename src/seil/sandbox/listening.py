"""What every stand-in does to listen: in a thread of its own for a test, or as a command."""

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
from typing import Generic, Protocol, Self, TypeVar

from aiohttp import web

from seil.errors import ConfigurationError, Problem

_log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 2.0
_LONGEST_LINE = 8190  # aiohttp's own
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REASONS = {errno.EADDRINUSE: "the port is already in use"}
_CURES = {
    errno.EADDRINUSE: "stop what listens there, or name another --port",
    errno.EACCES: "name a --port from 1024 on",
}


class Listener:
    """Takes its port when it is made, so that an application can know its own address.

    Raises ConfigurationError where nobody can listen there.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = _bound(host, port)
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
        """Ends when the last request has."""
        if self._thread is not None:
            if self._runner is not None:
                done = asyncio.run_coroutine_threadsafe(_shut_down(self._runner), self._loop)
                done.result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        self._socket.close()


class Parts(Protocol):
    """What a running stand-in is made of."""

    def application(self) -> web.Application: ...

    def listening(self) -> None:
        """Called when it listens."""
        ...

    def close(self) -> None: ...


P = TypeVar("P", bound=Parts)


class StandIn(ABC, Generic[P]):
    """One that listens from `start` to `stop`, or in a `with` block; port 0 takes any free one.

    Subclasses open its parts. The port is taken before, since they may tell its number.
    """

    def __init__(self, name: str, folder: Path, host: str, port: int) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self._name = name
        self._listener: Listener | None = None
        self._parts: P | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        if self._listener is not None:
            raise RuntimeError("The server is already running")
        self._listener = Listener(self.host, self.port)
        try:
            self.port = self._listener.port
            self._parts = self._open()
            self._listen(self._listener, self._parts.application())
            self._parts.listening()
        except BaseException:
            self.stop()
            raise
        _log.info("%s in %s listens at %s", self._name, self.folder, self.url)
        return self

    def stop(self) -> None:
        """Returns when the last request has ended and all is safely on disk."""
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

    def _listen(self, listener: Listener, app: web.Application) -> None:
        listener.start(app, self._name)


def serve(server: StandIn[P], started: Callable[[], None]) -> None:
    """Runs until SIGINT or SIGTERM; `started` is called when it listens. For the main thread."""
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
    """Raises ConfigurationError where nobody can listen, before anything is made or opened."""
    _bound(host, port).close()


async def _listen(runner: web.AppRunner, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
    await runner.setup()
    await web.SockSite(runner, bound, ssl_context=tls).start()


async def _shut_down(runner: web.AppRunner) -> None:
    """A request's thread cannot be stopped, and may be writing: it is waited for."""
    await runner.cleanup()
    this = asyncio.current_task()
    if under_way := [task for task in asyncio.all_tasks() if task is not this]:
        await asyncio.wait(under_way)


def _bound(host: str, port: int) -> socket.socket:
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
