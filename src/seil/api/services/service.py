"""Runs operations with a system's client and answers with the contract's codes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import propagate, trace
from pydantic import BaseModel, ValidationError

from seil.api.calls import Answer, Fault, ServiceCall
from seil.api.contract.operation import AnyOperation, Operation, RequestModel, ResponseModel
from seil.api.faults import validation_faults
from seil.api.services.errors import Effect, answer_of, effect_of
from seil.api.services.idempotency import IdempotencyStore, KeyState, fingerprint, key_of
from seil.deadline import deadline, remaining
from seil.errors import PartialOutcomeError, RequestRejectedError, SeilError
from seil.observe.correlation import correlation

__all__ = ["BoundOperation", "Service", "bind"]

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("seil.api")

OperationHandler = Callable[[Any], BaseModel]
BoundOperation = tuple[AnyOperation, OperationHandler]

# A call that runs this much past its deadline has died or hangs.
_GRACE_SECONDS = 5.0


def bind(
    operation: Operation[RequestModel, ResponseModel],
    handler: Callable[[RequestModel], ResponseModel],
) -> BoundOperation:
    """`handler` runs the operation or raises SeilError."""
    return operation, handler


class Service:
    """The operations of one system.

    Outbound calls share a deadline of `seconds`, or of the edge's remaining time if that is less.
    """

    def __init__(
        self,
        system: str,
        operations: Iterable[BoundOperation],
        keys: IdempotencyStore,
        *,
        seconds: float = 25,
    ) -> None:
        self.system = system
        self._operations = {entry[0].name: entry for entry in operations}
        self._keys = keys
        self._seconds = seconds

    def changes(self, operation: str) -> bool:
        """Whether `operation` is known and changes the far end."""
        return operation in self._operations and self._operations[operation][0].effect

    def run(self, call: ServiceCall) -> Answer:
        """Never raises: errors are in the answer."""
        context = propagate.extract({"traceparent": call.traceparent} if call.traceparent else {})
        started = time.perf_counter()
        # An unknown name would let the caller choose span names.
        span_name = call.operation if call.operation in self._operations else "unknown operation"
        with (
            correlation(call.correlation_id),
            deadline(self._seconds),
            deadline(call.seconds),
            _tracer.start_as_current_span(
                f"run {span_name}", context=context, kind=trace.SpanKind.SERVER
            ) as span,
        ):
            answer = self._answer(call)
            span.set_attribute("seil.code", answer.code)
            _log.info(
                "%s %d",
                call.operation,
                answer.code,
                extra={
                    "operation": call.operation,
                    "code": answer.code,
                    "caller": call.caller,
                    "errors": [fault.code for fault in answer.errors],
                    "milliseconds": round((time.perf_counter() - started) * 1000, 2),
                },
            )
            return answer

    def _answer(self, call: ServiceCall) -> Answer:
        entry = self._operations.get(call.operation)
        if entry is None:
            text = f"{self.system} has no operation {call.operation}"
            return _fault(404, "EC40401", text)
        operation, handler = entry
        try:
            request = operation.request.model_validate(call.request)
        except ValidationError as error:
            return Answer(400, errors=validation_faults(error))
        if not (call.idempotency_key and operation.effect):
            return self._outcome(operation, handler, request)[0]
        return self._once(call, lambda: self._outcome(operation, handler, request))

    def _once(self, call: ServiceCall, run: Callable[[], tuple[Answer, Effect]]) -> Answer:
        key, digest = key_of(call), fingerprint(call.request)
        lease = remaining(self._seconds) + _GRACE_SECONDS
        try:
            claim = self._keys.claim(key, digest, lease=lease)
        except SeilError as error:
            _log.error("%s was not done: its key cannot be stored: %s", call.operation, error)
            return _fault(500, "EC50001", "The Idempotency-Key cannot be stored: nothing was done")
        if claim.state is not KeyState.CLAIMED:
            return _replay(claim.state, claim.answer, same=claim.fingerprint == digest)
        try:
            answer, effect = run()
        except BaseException:
            self._keys.doubt(key)
            raise
        try:
            self._keep(key, answer, effect)
        except SeilError as error:
            # The caller still gets the outcome; a repeat of the key gets EC40903.
            _log.error("the outcome of %s cannot be stored: %s", call.operation, error)
        return answer

    def _keep(self, key: str, answer: Answer, effect: Effect) -> None:
        match effect:
            case Effect.FINAL:
                self._keys.settle(key, answer)
            case Effect.NONE:
                self._keys.release(key)
            case Effect.UNKNOWN:
                self._keys.doubt(key)

    def _outcome(
        self, operation: AnyOperation, handler: OperationHandler, request: BaseModel
    ) -> tuple[Answer, Effect]:
        try:
            data = handler(request).model_dump(mode="json", by_alias=True, exclude_none=True)
        except SeilError as error:
            answer = answer_of(error, self.system, operation)
            _log.log(
                logging.INFO if answer.code < 500 else logging.WARNING,
                "%s: %s",
                operation.name,
                _loggable(error),
            )
            return answer, effect_of(error)
        except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
            _log.exception("%s failed unexpectedly", operation.name)
            text = f"{operation.name} failed unexpectedly"
            return _fault(500, "EC50001", text), Effect.UNKNOWN
        return Answer(200, data), Effect.FINAL


def _loggable(error: SeilError) -> str:
    """Omits the far end's reasons: they quote the caller's data, which is not logged."""
    match error:
        case RequestRejectedError():
            return f"{error.service} refused the request: {error.code}"
        case PartialOutcomeError():
            return f"{error.service}: done in part: {_loggable(error.undone[0].error)}"
    return str(error)


def _replay(state: KeyState, answer: Answer | None, *, same: bool) -> Answer:
    if not same:
        return _fault(409, "EC40904", "This Idempotency-Key was used with another body")
    if state is KeyState.DONE and answer:
        return answer
    if state is KeyState.RUNNING:
        fault = Fault("EC40902", "The request with this Idempotency-Key is still running")
        return Answer(409, errors=(fault,), retry_after=5)
    text = (
        "The outcome of the request with this Idempotency-Key is unknown: "
        "check whether it was done, then use a new key"
    )
    return _fault(409, "EC40903", text)


def _fault(code: int, fault: str, message: str) -> Answer:
    return Answer(code, errors=(Fault(fault, message),))
