"""Connections that say nothing, or say it bit by bit, are closed: uvicorn waits for ever."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ImpatientProtocol"]


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 with a limit for a request's head, and for what still comes of a body after the
    answer. The body before it is the frame's matter, a silent connection between two requests
    uvicorn's.
    """

    seconds: ClassVar[float] = 10

    _limit: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._limit = self.loop.call_later(self.seconds, self._give_up)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._unasked:
            self._forget()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.seconds, self._give_up)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def _unasked(self) -> bool:
        """There is no request that waits for its answer."""
        # None at first, whatever its type says.
        return not self.cycle or self.cycle.response_complete

    def _forget(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        self._limit = None
        if self._unasked:
            self.transport.close()
