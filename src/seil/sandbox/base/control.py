"""The faults' part of a stand-in's control: GET, POST, DELETE .../faults and .../faults/kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from seil.sandbox.base.faults import FaultKinds, FaultTable, Occasion, fault_problems

__all__ = ["FaultControl"]

F = TypeVar("F", bound=Occasion)
R = TypeVar("R")


class _Request(Protocol):
    @property
    def args(self) -> Mapping[str, str]: ...

    def json_object(self) -> dict[str, Any]: ...


class FaultControl(Generic[F, R]):
    """`reply` makes the service's reply of a status and a JSON value, `refusal` its error 400."""

    def __init__(
        self,
        faults: FaultTable[F],
        kinds: FaultKinds[F],
        *,
        reply: Callable[[int, Any], R],
        refusal: Callable[[str], Exception],
    ) -> None:
        self._faults = faults
        self._kinds = kinds
        self._reply = reply
        self._refusal = refusal

    def routes(self, base: str) -> list[tuple[str, str, Callable[[_Request], R]]]:
        """Entries of a RouteTable; `base` is the path of the control."""
        path = f"{base}/faults"
        return [
            ("GET", path, lambda _request: self._reply(200, self._faults.entries())),
            ("GET", f"{path}/kinds", lambda _request: self._reply(200, self._kinds.about())),
            ("POST", path, self._add),
            ("DELETE", path, self._clear),
            ("DELETE", f"{path}/{{number#}}", self._clear),
        ]

    def _add(self, request: _Request) -> R:
        """`id` is the number of the first; a kind may have several."""
        try:
            faults = self._kinds.of_body(request.json_object())
        except ValueError as error:
            raise self._refusal(fault_problems(error)) from error
        numbers = [self._faults.add(fault) for fault in faults]
        return self._reply(201, {"id": numbers[0], "ids": numbers})

    def _clear(self, request: _Request) -> R:
        number = request.args.get("number")
        self._faults.clear(int(number) if number else None)
        return self._reply(204, None)
