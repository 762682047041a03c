"""JSON bodies, read once. A key that is given again is refused: one of its values would be lost.

RFC 8259, section 4, leaves open which one counts, and readers differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator
from itertools import islice
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from typing_extensions import override

from seil.api.calls import Fault

__all__ = ["AmbiguousBodyError", "JsonRoute"]

_MOST_FAULTS = 50


class AmbiguousBodyError(HTTPException):
    """`places` are those of the keys that are given more than once, as `orders[0].name`."""

    def __init__(self, places: list[str]) -> None:
        super().__init__(400)
        self.faults = tuple(
            Fault("EC40001", f"{place}: is given more than once") for place in places
        )


class JsonRoute(APIRoute):
    """A route that takes JSON bodies."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return read if self.body_field else handle


class _JsonRequest(Request):
    """FastAPI takes bodies from here; it lets an HTTPException pass."""

    @override
    async def json(self) -> Any:
        content = await self.body()
        text = content.decode(json.detect_encoding(content), "surrogatepass")
        try:
            return _decode(text)
        except _TwiceError:
            places = islice(_twice(_decode_pairs(text), ""), _MOST_FAULTS)
            raise AmbiguousBodyError(list(places)) from None


class _TwiceError(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    """An object with all that was given."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


# Made once: json.loads would make one for every body.
_decode = json.JSONDecoder(object_pairs_hook=_object).decode
_decode_pairs = json.JSONDecoder(object_pairs_hook=_Pairs).decode


def _twice(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: dict[str, int] = {}
        for name, held in value:
            inner = f"{place}.{name}" if place else name
            seen[name] = seen.get(name, 0) + 1
            if seen[name] == 2:
                yield inner
            yield from _twice(held, inner)
    elif isinstance(value, list):
        for at, held in enumerate(value):
            yield from _twice(held, f"{place}[{at}]")
