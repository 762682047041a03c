"""The `error` of an answer: why the exit code is not 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.app.documents.base import JsonDocument, optional
from seil.errors import ConfigurationError, Problem, SeilError, error_type

if TYPE_CHECKING:
    from typing import Self

_MEANINGS: Mapping[int, tuple[str, str]] = {
    1: ("incomplete", "finished, but something was set aside, failed or does not balance"),
    6: ("person_needed", "somebody has to do something"),
}


@dataclass(frozen=True)
class ErrorPart:
    """`type` is for programs, `message` and `hint` are for people."""

    type: str
    message: str
    hint: str
    exit_code: int
    problems: Sequence[Problem] | None = optional()

    @classmethod
    def of_code(cls, code: int, message: str, hint: str = "", *, kind: str = "") -> Self | None:
        """None for the exit code 0."""
        if not code:
            return None
        usual, meaning = _MEANINGS.get(code, ("failed", "it failed"))
        return cls(kind or usual, message or meaning, hint, code)

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Its type is its class, in small letters; `internal` for an error that is not ours."""
        if not isinstance(error, SeilError):
            return cls("internal", f"{type(error).__name__}: {error}", "", 1)
        problems = error.problems if isinstance(error, ConfigurationError) else None
        return cls(error_type(error), error.message, error.hint, error.exit_code, problems)


@dataclass(frozen=True)
class ErrorDocument(
    JsonDocument, schema="seil.error/1", command="any command that fails before it has an answer"
):
    error: ErrorPart
