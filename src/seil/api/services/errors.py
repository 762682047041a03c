"""Maps a client's errors to the contract's codes, and to their effect on the far end."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from seil.api.calls import Answer, Fault
from seil.api.contract.operation import AnyOperation
from seil.errors import (
    AbortError,
    ConflictError,
    NotSentError,
    PartialOutcomeError,
    RequestRejectedError,
    SeilError,
    ThrottledError,
    TooSlowError,
    UnavailableError,
    UncountedError,
    Undone,
    UnexpectedAnswerError,
)

__all__ = ["Effect", "answer_of", "effect_of"]

_DOWN = "EC50201"
# Google's advice for QuotaError.EXCEEDED_QUOTA:
# https://developers.google.com/ad-manager/api/reference/latest/ForecastService.QuotaError.Reason
_THROTTLED_SECONDS = 5.0
_NO_TIME_SECONDS = 1.0
# Beside up to 500 ids of 19 digits, in an answer that must stay short.
_LONGEST_REASON = 1000


class Effect(Enum):
    """A request's effect: as the answer says, none, or unknown."""

    FINAL = auto()
    NONE = auto()
    UNKNOWN = auto()


def effect_of(error: SeilError) -> Effect:
    if isinstance(error, PartialOutcomeError | UncountedError):
        return Effect.FINAL
    return Effect.UNKNOWN if error.in_doubt else Effect.NONE


def answer_of(error: SeilError, system: str, operation: AnyOperation) -> Answer:
    match error:
        case PartialOutcomeError():
            return _partial(error, system, operation)
        case UncountedError():
            text = f"It was done, but the number of changes could not be read: {error.reason}"
            return Answer(502, errors=(Fault("EC50209", text),), done=error.done)
    if operation.effect and isinstance(error, TooSlowError) and not error.in_doubt:
        fault = Fault("EC50402", f"{system} was too slow for anything to be done")
        return Answer(504, errors=(fault,), retry_after=_NO_TIME_SECONDS)
    answer = _refusal(error, system)
    if operation.effect and error.in_doubt and answer.errors[0].code == _DOWN:
        return _unknown_outcome(operation.name, answer)
    return answer


def _partial(error: PartialOutcomeError, system: str, operation: AnyOperation) -> Answer:
    """The code is that of the first failed part, which kept the others from being sent."""
    answers = [answer_of(part.error, system, operation) for part in error.undone]
    errors = (
        _reason(fault, part)
        for part, answer in zip(error.undone, answers, strict=True)
        for fault in answer.errors
    )
    return replace(answers[0], errors=tuple(errors), done=error.done)


def _reason(fault: Fault, part: Undone) -> Fault:
    text = fault.message
    if len(text) > _LONGEST_REASON:
        text = f"{text[:_LONGEST_REASON]}..."
    return Fault(fault.code, text, part.ids, "unknown" if part.error.in_doubt else "notDone")


def _refusal(error: SeilError, system: str) -> Answer:
    retry_after = None
    match error:
        case RequestRejectedError(status=404):
            parts = (404, "EC40402", error.reason)
        case RequestRejectedError(status=409) | ConflictError():
            parts = (409, "EC40901", error.message)
        case RequestRejectedError():
            parts = (400, "EC40010", error.reason)
        case NotSentError():
            parts = (424, "EC42401", "Not sent, since an earlier part failed")
        case TooSlowError():
            parts = (504, "EC50401", f"{system} did not answer in time")
        case UnexpectedAnswerError():
            parts = (502, "EC50202", error.message)
        case ThrottledError():
            retry_after = error.retry_after or _THROTTLED_SECONDS
            parts = (429, "EC42902", f"{system} refuses more calls for now: {error.reason}")
        case UnavailableError():
            retry_after = error.retry_after
            parts = (502, _DOWN, f"{system} is not available: {error.reason}")
        case AbortError():
            parts = (502, "EC50204", f"{system} does not accept our settings")
        case _:
            parts = (502, _DOWN, f"{system} is not available")
    code, fault, text = parts
    return Answer(code, errors=(Fault(fault, text),), retry_after=retry_after)


def _unknown_outcome(operation: str, answer: Answer) -> Answer:
    """Replaces EC50201, whose advice to retry could cause a second effect."""
    reasons = "; ".join(fault.message for fault in answer.errors)
    text = f"The outcome of {operation} is unknown: read, then decide ({reasons})"
    return Answer(502, errors=(Fault("EC50207", text),))
