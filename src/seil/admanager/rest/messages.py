"""Converts between JSON and the client's protobuf messages."""

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
    """`kind` is a class, as Order. Raises RequestRejectedError for a value that it cannot hold."""
    kind_class = getattr(admanager_v1, kind)
    try:
        return kind_class(json_format.ParseDict(values, kind_class.pb()()))
    except json_format.ParseError as error:
        reason = f"the REST API's {kind} cannot hold it: {error}"
        raise RequestRejectedError(SERVICE, "NOT_SUPPORTED", reason, status=400) from error


def as_json(proto: Any) -> dict[str, Any]:
    """Without unset fields."""
    values: dict[str, Any] = json_format.MessageToDict(type(proto).pb(proto))
    return values


def parse_answer(model: type[Answer], values: dict[str, Any]) -> Answer:
    """Raises UnexpectedAnswerError naming missing or wrong fields, without their values."""
    try:
        parsed_answer: Answer = model.of_answer(values)
    except ValidationError as error:
        parts = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise UnexpectedAnswerError(SERVICE, parts) from None
    return parsed_answer
