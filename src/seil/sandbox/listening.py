"""An aiohttp application that listens in a thread of its own, for a test or a command."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from aiohttp import web

from seil.errors import ConfigurationError, Problem

_SHUTDOWN_SECONDS = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    def start(self, app: web.Application, name: str) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        asyncio.run_coroutine_threadsafe(_listen(self._runner, self._socket), self._loop).result()

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


class Startable(Protocol):
    def start(self) -> object: ...

    def stop(self) -> None: ...


def serve(server: Startable, started: Callable[[], None]) -> None:
    """Runs until SIGINT or SIGTERM; `started` is called when it listens. For the main thread."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in _STOP_SIGNALS}
    try:
        server.start()
        try:
            started()
            stop.wait()
        finally:
            server.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _listen(runner: web.AppRunner, bound: socket.socket) -> None:
    await runner.setup()
    await web.SockSite(runner, bound).start()


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
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "the port is already in use"
        cure = "stop what listens there, or name another --port"
        raise ConfigurationError([Problem(f"{host}:{port}", reason, cure)]) from error
    return bound
