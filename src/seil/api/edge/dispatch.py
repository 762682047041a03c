"""Calls services with a timeout, one retry where that is safe, and a circuit breaker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import HALF_OPENED, Context, OpenedState

from seil.api.calls import (
    Answer,
    Downstream,
    DownstreamDownError,
    DownstreamSlowError,
    Fault,
    ServiceCall,
    no_time,
)
from seil.api.departures import CallerLeftError
from seil.deadline import remaining
from seil.observe.spans import client_span

if TYPE_CHECKING:
    from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

__all__ = ["Dispatch", "Limits"]

_log = logging.getLogger(__name__)

_BROKEN = (502, 504)
# The downstream is up but answers wrongly: opening the circuit would not help.
_ALIVE = frozenset({"EC50202", "EC50204", "EC50208"})
_TRIES = 2
_PAUSE = 0.2


class _BrokenError(Exception):
    """Counts as a failure of the downstream; carries the answer for the caller."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


@dataclass(frozen=True)
class Limits:
    """Times are in seconds."""

    timeout: float = 29
    failures: int = 5
    pause: float = 30


class Dispatch:
    """Hands calls to the downstream.

    After `failures` consecutive failures a system's circuit opens for `pause` seconds: callers are
    refused at once. Then one call at a time probes it until one succeeds.
    """

    def __init__(self, downstream: Downstream, limits: Limits) -> None:
        self._downstream = downstream
        self._limits = limits
        self._opened: dict[str, float] = {}
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=limits.failures,
            default_ttl=limits.pause,
        )
        self._breakers.add_listener(self._note)

    async def answer(self, call: ServiceCall, *, repeatable: bool) -> Answer:
        """`repeatable`: the operation is a read, so it may be retried."""
        system = call.operation.partition(".")[0]
        if not remaining(self._limits.timeout):
            return no_time(system)
        breaker = await self._breakers.get_breaker(system)
        if breaker.context.state == HALF_OPENED:  # It is for as long as the try takes.
            return self._left_alone(system)
        try:
            async with _counting(breaker):
                reply = await self._traced(call, system, repeatable=repeatable)
                if _is_broken(reply):
                    raise _BrokenError(reply)
                return reply
        except _BrokenError as broken:
            return broken.answer
        except OpenedState as opened:
            # One object for all who are turned away: it would keep the frames of each.
            opened.__traceback__ = None
            return self._left_alone(system)

    def open(self) -> list[str]:
        """The systems that are left alone now."""
        now = time.monotonic()
        return [name for name, at in self._opened.items() if now - at < self._limits.pause]

    def _left_alone(self, system: str) -> Answer:
        wait = max(1.0, self._opened.get(system, 0) + self._limits.pause - time.monotonic())
        text = f"{system} is down and left alone; try again in {ceil(wait)} seconds"
        return Answer(502, errors=(Fault("EC50203", text),), retry_after=wait)

    async def _traced(self, call: ServiceCall, system: str, *, repeatable: bool) -> Answer:
        with client_span(f"call {call.operation}") as span:
            if span.get_span_context().is_valid:
                carrier: dict[str, str] = {}
                propagate.inject(carrier)
                call = replace(call, traceparent=carrier.get("traceparent"))
            reply = await self._in_time(call, system, repeatable=repeatable)
            span.set_attribute("seil.code", reply.code)
            return reply

    async def _in_time(self, call: ServiceCall, system: str, *, repeatable: bool) -> Answer:
        limit = remaining(self._limits.timeout)
        deadline = time.monotonic() + limit
        for left in reversed(range(_TRIES if repeatable else 1)):
            seconds = deadline - time.monotonic()
            try:
                async with asyncio.timeout(seconds):
                    return await self._downstream.call(replace(call, seconds=seconds))
            except DownstreamDownError as error:
                _log.warning("%s is down: %s", system, error)
                if error.reached and not repeatable:
                    text = f"{system} broke off: what came of the call is not known"
                    return _fault(502, "EC50207", f"{text}; read, then decide")
                if not left or deadline - time.monotonic() <= _PAUSE:
                    return _fault(502, "EC50201", f"{system} is not reachable")
                await asyncio.sleep(_PAUSE)
            except (DownstreamSlowError, TimeoutError):
                break
        text = f"{system} did not answer within {limit:.3g} seconds"
        return _fault(504, "EC50401", text)

    def _note(self, name: str, kind: str, event: Any) -> None:
        if kind != "state_changed":
            return
        if event.state == "opened":
            _log.error("%s failed %d times in a row: left alone", name, self._limits.failures)
            self._opened[name] = time.monotonic()
        elif event.state == "closed":
            self._opened.pop(name, None)


@asynccontextmanager
async def _counting(breaker: AsyncCircuitBreaker) -> AsyncIterator[None]:
    """The breaker; a call that was withdrawn or cancelled is no success for it and no failure."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(breaker)
        try:
            yield
        except (asyncio.CancelledError, CallerLeftError):
            stack.pop_all()
            if breaker.context.state == HALF_OPENED:
                _open_again(breaker.context)
            raise


def _open_again(context: Context) -> None:
    """The probe was inconclusive: the next call is a probe."""
    opened = OpenedState(context.name)
    opened.opened_at = 0.0
    context.set_state(opened)
    # Nobody needs to hear of it: it was open before.
    context.messages.clear()


def _is_broken(answer: Answer) -> bool:
    """A partial outcome is replayed from the idempotency store, without a call to the system."""
    codes = {fault.code for fault in answer.errors}
    return answer.code in _BROKEN and answer.done is None and not _ALIVE & codes


def _fault(code: int, fault: str, message: str) -> Answer:
    return Answer(code, errors=(Fault(fault, message),))
