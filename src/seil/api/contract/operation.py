"""What the edge may ask of a service. Each system has a list of its own, for both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

__all__ = ["AnyOperation", "Operation", "changes", "reads"]

Asked = TypeVar("Asked", bound=BaseModel)
Told = TypeVar("Told", bound=BaseModel)


@dataclass(frozen=True)
class Operation(Generic[Asked, Told]):
    """`name` begins with the system's name and a dot.

    `effect` is True where the far end is changed: it must not be repeated blindly.
    """

    name: str
    request: type[Asked]
    response: type[Told]
    effect: bool


AnyOperation = Operation[Any, Any]


def reads(name: str, request: type[Asked], response: type[Told]) -> Operation[Asked, Told]:
    return Operation(name, request, response, effect=False)


def changes(name: str, request: type[Asked], response: type[Told]) -> Operation[Asked, Told]:
    return Operation(name, request, response, effect=True)
