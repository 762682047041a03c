"""Between JSON and the client's messages."""

from __future__ import annotations

from typing import Any, TypeVar

from google.ads import admanager_v1
from google.protobuf import json_format
from pydantic import ValidationError

from seil.admanager.calls import SERVICE
from seil.admanager.models.base import Shape
from seil.errors import RequestRejectedError, UnexpectedAnswerError

Answer = TypeVar("Answer", bound=Shape)


def message(kind: str, values: dict[str, Any]) -> Any:
    """Of `kind`, as Order. Raises RequestRejectedError for a value that its type cannot hold."""
    found = getattr(admanager_v1, kind)
    try:
        return found(json_format.ParseDict(values, found.pb()()))
    except json_format.ParseError as error:
        reason = f"the REST API's {kind} cannot hold it: {error}"
        raise RequestRejectedError(SERVICE, "NOT_SUPPORTED", reason, status=400) from error


def as_json(found: Any) -> dict[str, Any]:
    """Without what is not set."""
    values: dict[str, Any] = json_format.MessageToDict(type(found).pb(found))
    return values


def answered(model: type[Answer], values: dict[str, Any]) -> Answer:
    """Raises UnexpectedAnswerError naming the parts that are missing or wrong, not their values."""
    try:
        found: Answer = model.of_answer(values)
    except ValidationError as error:
        parts = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise UnexpectedAnswerError(SERVICE, parts) from None
    return found
