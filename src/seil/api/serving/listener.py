"""Takes connections in, no more than there may be, and turns others away."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from seil.api.serving.connections import Connections
from seil.api.serving.protocol import HttpProtocol
from seil.api.serving.refusals import no_room

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

_BACKLOG = 2048
# Taken in at a time: what is closed to make room is closed before the next are.
_BATCH = 16
_PAUSE_SECONDS = 0.5
_LINGERING = 16
_LINGER_SECONDS = 1.0
_EPISODE_SECONDS = 10.0
_UNSENT = 64 * 1024


class Listener:
    """Accepts itself rather than through asyncio, which takes in all that wait before it lets one
    be refused, and logs a traceback for each that it has no descriptor for
    (https://github.com/python/cpython/issues/151615).
    """

    def __init__(
        self, bound: socket.socket, connections: Connections, build: Callable[[], HttpProtocol]
    ) -> None:
        self._socket = bound
        self._connections = connections
        self._build = build
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lingering: set[socket.socket] = set()
        self._crowd = _Crowd(connections, self._loop)
        bound.settimeout(0)
        # Else the kernel takes megabytes of an answer, and it cannot be seen whether they are read.
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        bound.listen(_BACKLOG)
        self._loop.add_reader(bound, self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for connection in [*self._lingering]:
            self._let_go(connection)
        self._crowd.close()

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # Out of descriptors or memory, most of all.
                self._pause(error)
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        protocol = self._build()
        if self._connections.full:
            self._crowd.full()
        if not self._connections.admit(protocol):
            self._turn_away(connection)
            return
        task = self._loop.create_task(self._connect(connection, protocol))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, protocol: HttpProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # It is gone already.
            connection.close()
            self._connections.release(protocol)

    def _turn_away(self, connection: socket.socket) -> None:
        self._crowd.turned_away()
        with suppress(OSError):
            connection.settimeout(0)
            connection.send(no_room(self._connections.limit))
            connection.shutdown(socket.SHUT_WR)
        if len(self._lingering) >= _LINGERING:
            connection.close()
            return
        # Closed before the request has come, the client could be told of a reset before it reads
        # the answer: RFC 9112, section 9.6.
        self._lingering.add(connection)
        self._loop.call_later(_LINGER_SECONDS, self._let_go, connection)

    def _let_go(self, connection: socket.socket) -> None:
        self._lingering.discard(connection)
        connection.close()

    def _pause(self, error: OSError) -> None:
        self._crowd.scarce(error)
        self._loop.remove_reader(self._socket)
        self._loop.call_later(_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)


class _Crowd:
    """Logs a time of too many callers once when it begins and once when it is over."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._connections = connections
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._turned_away = 0
        self._before = self._seen = self._counts

    def turned_away(self) -> None:
        self._turned_away += 1
        self.full()

    def full(self) -> None:
        if self._timer is None:
            _log.warning(
                "all %d connections are taken: idle ones give way, else callers are turned away; "
                "[api] connections sets how many there may be",
                self._connections.limit,
            )
            self._look_again()

    def scarce(self, error: OSError) -> None:
        if self._timer is None:
            _log.error("no connection can be accepted now: %s", error.strerror)
            self._look_again()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    @property
    def _counts(self) -> tuple[int, int]:
        return self._turned_away, self._connections.replaced

    def _look_again(self) -> None:
        self._seen = self._counts
        self._timer = self._loop.call_later(_EPISODE_SECONDS, self._look)

    def _look(self) -> None:
        if self._counts != self._seen:
            self._look_again()
        else:
            self._end()

    def _end(self) -> None:
        away, replaced = (now - was for now, was in zip(self._counts, self._before, strict=True))
        _log.warning("%d callers were turned away, %d idle ones gave way", away, replaced)
        self._timer = None
        self._before = self._counts
