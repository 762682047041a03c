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

_FAILURE_CODES = (502, 504)
# The downstream is up but answers wrongly: opening the circuit would not help.
_SYSTEM_UP = frozenset({"EC50202", "EC50204", "EC50208"})
_ATTEMPTS = 2
_PAUSE = 0.2


class _FailureError(Exception):
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
        self._breakers.add_listener(self._on_state_change)

    async def answer(self, call: ServiceCall, *, repeatable: bool) -> Answer:
        """`repeatable`: the operation is a read, so it may be retried."""
        system = call.operation.partition(".")[0]
        if not remaining(self._limits.timeout):
            return no_time(system)
        breaker = await self._breakers.get_breaker(system)
        if breaker.context.state == HALF_OPENED:  # A probe is under way.
            return self._circuit_open(system)
        try:
            async with _through(breaker):
                reply = await self._call_traced(call, system, repeatable=repeatable)
                if _is_failure(reply):
                    raise _FailureError(reply)
                return reply
        except _FailureError as broken:
            return broken.answer
        except OpenedState as opened:
            # One object for all callers: its traceback would keep each one's frames alive.
            opened.__traceback__ = None
            return self._circuit_open(system)

    def open_circuits(self) -> list[str]:
        """The systems whose circuit is open now."""
        now = time.monotonic()
        return [name for name, at in self._opened.items() if now - at < self._limits.pause]

    def _circuit_open(self, system: str) -> Answer:
        wait = max(1.0, self._opened.get(system, 0) + self._limits.pause - time.monotonic())
        text = f"{system} is down and not called for now; try again in {ceil(wait)} seconds"
        return Answer(502, errors=(Fault("EC50203", text),), retry_after=wait)

    async def _call_traced(self, call: ServiceCall, system: str, *, repeatable: bool) -> Answer:
        with client_span(f"call {call.operation}") as span:
            if span.get_span_context().is_valid:
                carrier: dict[str, str] = {}
                propagate.inject(carrier)
                call = replace(call, traceparent=carrier.get("traceparent"))
            reply = await self._call_in_time(call, system, repeatable=repeatable)
            span.set_attribute("seil.code", reply.code)
            return reply

    async def _call_in_time(self, call: ServiceCall, system: str, *, repeatable: bool) -> Answer:
        limit = remaining(self._limits.timeout)
        deadline = time.monotonic() + limit
        for retries_left in reversed(range(_ATTEMPTS if repeatable else 1)):
            seconds = deadline - time.monotonic()
            try:
                async with asyncio.timeout(seconds):
                    return await self._downstream.call(replace(call, seconds=seconds))
            except DownstreamDownError as error:
                _log.warning("%s is down: %s", system, error)
                if error.reached and not repeatable:
                    text = f"{system} failed during the call: its outcome is unknown"
                    return _fault(502, "EC50207", f"{text}; read, then decide")
                if not retries_left or deadline - time.monotonic() <= _PAUSE:
                    return _fault(502, "EC50201", f"{system} is not reachable")
                await asyncio.sleep(_PAUSE)
            except (DownstreamSlowError, TimeoutError):
                break
        text = f"{system} did not answer within {limit:.3g} seconds"
        return _fault(504, "EC50401", text)

    def _on_state_change(self, name: str, kind: str, event: Any) -> None:
        if kind != "state_changed":
            return
        if event.state == "opened":
            _log.error("%s failed %d times in a row: circuit opened", name, self._limits.failures)
            self._opened[name] = time.monotonic()
        elif event.state == "closed":
            self._opened.pop(name, None)


@asynccontextmanager
async def _through(breaker: AsyncCircuitBreaker) -> AsyncIterator[None]:
    """Runs the block in the breaker; withdrawn and cancelled calls count as neither outcome."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(breaker)
        try:
            yield
        except (asyncio.CancelledError, CallerLeftError):
            stack.pop_all()
            if breaker.context.state == HALF_OPENED:
                _reopen(breaker.context)
            raise


def _reopen(context: Context) -> None:
    """The probe was inconclusive: the next call is a probe."""
    opened = OpenedState(context.name)
    opened.opened_at = 0.0
    context.set_state(opened)
    # No event: it was open before.
    context.messages.clear()


def _is_failure(answer: Answer) -> bool:
    """A partial outcome is replayed from the idempotency store, without a call to the system."""
    codes = {fault.code for fault in answer.errors}
    return answer.code in _FAILURE_CODES and answer.done is None and not _SYSTEM_UP & codes


def _fault(code: int, fault: str, message: str) -> Answer:
    return Answer(code, errors=(Fault(fault, message),))
