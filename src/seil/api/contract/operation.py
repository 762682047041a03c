"""Operations that the edge calls on a service; each system declares its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

__all__ = ["AnyOperation", "Operation", "RequestModel", "ResponseModel", "changes", "reads"]

RequestModel = TypeVar("RequestModel", bound=BaseModel)
ResponseModel = TypeVar("ResponseModel", bound=BaseModel)


@dataclass(frozen=True)
class Operation(Generic[RequestModel, ResponseModel]):
    """`name` begins with the system's name and a dot.

    `effect` is True for an operation that changes the far end: it is not idempotent.
    """

    name: str
    request: type[RequestModel]
    response: type[ResponseModel]
    effect: bool


AnyOperation = Operation[Any, Any]


def reads(
    name: str, request: type[RequestModel], response: type[ResponseModel]
) -> Operation[RequestModel, ResponseModel]:
    return Operation(name, request, response, effect=False)


def changes(
    name: str, request: type[RequestModel], response: type[ResponseModel]
) -> Operation[RequestModel, ResponseModel]:
    return Operation(name, request, response, effect=True)
