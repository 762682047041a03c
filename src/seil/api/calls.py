"""Messages between the edge and a service, in one process or as a Lambda event."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

__all__ = [
    "Answer",
    "Downstream",
    "DownstreamDownError",
    "DownstreamSlowError",
    "Fault",
    "IdOutcome",
    "ServiceCall",
    "no_time",
    "too_long",
]

IdOutcome = Literal["notDone", "unknown"]


@dataclass(frozen=True)
class ServiceCall:
    """A call of one operation of a service.

    `request` is JSON of the operation's request model, `caller` the client id of the token,
    `traceparent` the W3C trace context, `seconds` how long the edge waits for the answer.
    """

    operation: str
    request: dict[str, Any]
    correlation_id: str
    application_label: str = ""
    caller: str = ""
    idempotency_key: str | None = None
    traceparent: str | None = None
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ServiceCall:
        """Raises TypeError for unknown keys."""
        return cls(**values)


@dataclass(frozen=True)
class Fault:
    """One reason for a refusal: `code` is one of docs/api.md's, as EC40001.

    After a partial success, `ids` are the objects it concerns, and `outcome` says whether they were
    not done or the outcome is unknown.
    """

    code: str
    message: str
    ids: tuple[int, ...] = ()
    outcome: IdOutcome | None = None


@dataclass(frozen=True)
class Answer:
    """`code` is the HTTP status; `data` is set for 200, else `errors`. `retry_after` is in seconds.

    `done` are the ids that succeeded, after a partial success.
    """

    code: int
    data: dict[str, Any] | None = None
    errors: tuple[Fault, ...] = ()
    retry_after: float | None = None
    done: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Answer:
        """Raises TypeError or KeyError where `values` does not have an answer's keys."""
        errors = tuple(_fault(fault) for fault in values["errors"])
        done = values.get("done")
        return cls(**{**values, "errors": errors, "done": None if done is None else tuple(done)})


def _fault(values: dict[str, Any]) -> Fault:
    """Answers stored by an earlier version have no `ids`: they are kept for a day."""
    return Fault(**{**values, "ids": tuple(values.get("ids", ()))})


def no_time(system: str) -> Answer:
    """The answer where the deadline passed before the call was sent."""
    fault = Fault("EC50402", f"No time was left to call {system}: nothing was done")
    return Answer(504, errors=(fault,), retry_after=1)


def too_long(operation: str, reason: str, *, effect: bool) -> Answer:
    """Replaces an answer over a size limit; `reason` names the limit."""
    advice = "It was done: do not repeat it, read" if effect else "Ask for less at a time"
    text = f"The answer of {operation} is too long: {reason}. {advice}"
    return Answer(502, errors=(Fault("EC50208", text),))


class DownstreamDownError(Exception):
    """The service is unreachable or failed during the call.

    `reached` is False if the call was certainly not executed.
    """

    def __init__(self, reason: str, *, reached: bool = True) -> None:
        super().__init__(reason)
        self.reached = reached


class DownstreamSlowError(Exception):
    """The service timed out; the outcome is unknown."""


class Downstream(Protocol):
    async def call(self, call: ServiceCall) -> Answer:
        """Raises DownstreamDownError or DownstreamSlowError, nothing else.

        It may run past `call.seconds`: the caller cancels it then.
        """
        ...
