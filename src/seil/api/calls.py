"""What passes between the edge and a service, in one process or as a Lambda's event."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

__all__ = [
    "Answer",
    "Downstream",
    "DownstreamDownError",
    "DownstreamSlowError",
    "Fault",
    "Outcome",
    "ServiceCall",
    "no_time",
    "too_long",
]

Outcome = Literal["notDone", "unknown"]


@dataclass(frozen=True)
class ServiceCall:
    """One operation asked of a service.

    `request` is JSON of the operation's request model, `caller` the client id of the token,
    `traceparent` W3C's trace context, `seconds` how long the edge will wait for the answer.
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
        """Raises TypeError where `values` has other keys than a call."""
        return cls(**values)


@dataclass(frozen=True)
class Fault:
    """One reason of a refusal: `code` is one of docs/api.md's, as EC40001.

    Where a request was done in part, `ids` are those that it is the reason of, and `outcome` says
    whether these were not done or nobody knows.
    """

    code: str
    message: str
    ids: tuple[int, ...] = ()
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Answer:
    """`code` as HTTP has it; `data` where it is 200, else `errors`. `retry_after` is in seconds.

    `done` are the ids for which it was done, where it was not done for all.
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
    """One without its ids is of an earlier version: answers are kept for a day."""
    return Fault(**{**values, "ids": tuple(values.get("ids", ()))})


def no_time(system: str) -> Answer:
    """Of a call that was not made, since whoever was to wait for it has no time left."""
    fault = Fault("EC50402", f"No time was left to call {system}: nothing was done")
    return Answer(504, errors=(fault,), retry_after=1)


def too_long(operation: str, reason: str, *, effect: bool) -> Answer:
    """Instead of an answer that cannot be carried to the caller: `reason` says by whom."""
    advice = "It was done: do not repeat it, read" if effect else "Ask for less at a time"
    text = f"The answer of {operation} is too long: {reason}. {advice}"
    return Answer(502, errors=(Fault("EC50208", text),))


class DownstreamDownError(Exception):
    """The service could not be reached, or broke while it worked.

    `reached` is False where the call surely was not carried out.
    """

    def __init__(self, reason: str, *, reached: bool = True) -> None:
        super().__init__(reason)
        self.reached = reached


class DownstreamSlowError(Exception):
    """The service did not answer in time; what it did is not known."""


class Downstream(Protocol):
    async def call(self, call: ServiceCall) -> Answer:
        """Raises DownstreamDownError or DownstreamSlowError, nothing else.

        It need not end within the seconds of the call: whoever calls gives up then, by cancelling.
        """
        ...
