"""Accepts connections up to a limit, and answers the others with 503."""

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
# Accepted at a time: connections that give way are closed before the next batch.
_BATCH = 16
_PAUSE_SECONDS = 0.5
_LINGERING = 16
_LINGER_SECONDS = 1.0
_EPISODE_SECONDS = 10.0
_UNSENT = 64 * 1024


class Listener:
    """Accepts connections itself: asyncio accepts the whole backlog before one can be refused, and
    logs a traceback for each without a descriptor
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
        self._overload_log = _OverloadLog(connections, self._loop)
        bound.settimeout(0)
        # Otherwise the kernel buffers megabytes of an answer, and hides whether they are read.
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        bound.listen(_BACKLOG)
        self._loop.add_reader(bound, self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for connection in [*self._lingering]:
            self._close_lingering(connection)
        self._overload_log.close()

    def _accept(self) -> None:
        for _ in range(_BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # Mostly out of descriptors or memory.
                self._pause(error)
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        protocol = self._build()
        if self._connections.full:
            self._overload_log.full()
        if not self._connections.admit(protocol):
            self._reject(connection)
            return
        task = self._loop.create_task(self._connect(connection, protocol))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, protocol: HttpProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # It has been closed already.
            connection.close()
            self._connections.release(protocol)

    def _reject(self, connection: socket.socket) -> None:
        self._overload_log.count_rejection()
        with suppress(OSError):
            connection.settimeout(0)
            connection.send(no_room(self._connections.limit))
            connection.shutdown(socket.SHUT_WR)
        if len(self._lingering) >= _LINGERING:
            connection.close()
            return
        # Closed before the request has arrived, it could be reset before the client reads the
        # answer: RFC 9112, section 9.6.
        self._lingering.add(connection)
        self._loop.call_later(_LINGER_SECONDS, self._close_lingering, connection)

    def _close_lingering(self, connection: socket.socket) -> None:
        self._lingering.discard(connection)
        connection.close()

    def _pause(self, error: OSError) -> None:
        self._overload_log.out_of_descriptors(error)
        self._loop.remove_reader(self._socket)
        self._loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)


class _OverloadLog:
    """Logs the start and the end of an overload, once each."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._connections = connections
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._rejected = 0
        self._before = self._seen = self._counts

    def count_rejection(self) -> None:
        self._rejected += 1
        self.full()

    def full(self) -> None:
        if self._timer is None:
            _log.warning(
                "all %d connections are taken: idle ones are closed, else callers are refused; "
                "[api] connections sets the limit",
                self._connections.limit,
            )
            self._watch()

    def out_of_descriptors(self, error: OSError) -> None:
        if self._timer is None:
            _log.error("no connection can be accepted now: %s", error.strerror)
            self._watch()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    @property
    def _counts(self) -> tuple[int, int]:
        return self._rejected, self._connections.replaced

    def _watch(self) -> None:
        self._seen = self._counts
        self._timer = self._loop.call_later(_EPISODE_SECONDS, self._check)

    def _check(self) -> None:
        if self._counts != self._seen:
            self._watch()
        else:
            self._end()

    def _end(self) -> None:
        counts = zip(self._counts, self._before, strict=True)
        rejected, replaced = (now - before for now, before in counts)
        _log.warning("%d callers were refused, %d idle connections closed", rejected, replaced)
        self._timer = None
        self._before = self._counts
