"""What `--json` answers with: a document that names its schema and says what its exit code means.

Each schema has a version of its own, which grows when a field goes or changes its meaning; a new
field does not change it. docs/json.md lists all of them, from seil.app.document_shapes.
"""

from __future__ import annotations

from typing import Any

from seil.errors import ConfigurationError, SeilError, error_type

ERROR = "seil.error/1"

_MEANINGS = {
    1: ("incomplete", "finished, but something was set aside, failed or does not balance"),
    6: ("person_needed", "somebody has to do something"),
}


def failure(code: int, message: str, hint: str = "", *, kind: str = "") -> dict[str, Any] | None:
    """The `error` of an answer with this exit code; None for 0."""
    if not code:
        return None
    usual, meaning = _MEANINGS.get(code, ("failed", "it failed"))
    return {
        "type": kind or usual,
        "message": message or meaning,
        "hint": hint,
        "exit_code": code,
    }


def error_document(error: SeilError) -> dict[str, Any]:
    """The same of an error that ended a command: its type is its class, in small letters."""
    kind = error_type(error)
    document = failure(error.exit_code, error.message, error.hint, kind=kind) or {}
    if isinstance(error, ConfigurationError):
        document["problems"] = [dict(vars(problem)) for problem in error.problems]
    return document
