"""JSON bodies: read and judged once, large ones in a thread beside the loop.

A key that is given again is refused: one of its values would be lost. RFC 8259, section 4, leaves
open which one counts, and readers differ. What could take long is refused before it does: section
9 of the RFC lets a parser limit the size and the depth of what it takes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from typing_extensions import override

from seil.api.calls import Fault
from seil.api.departures import CallerLeftError, departure
from seil.api.edge.exchange import exchange_of
from seil.api.faults import MOST_FAULTS, place_of, validation_faults

__all__ = ["LARGE_BODY", "BodyError", "JsonRoute", "beside"]

Result = TypeVar("Result")

# Longer bodies are worked on beside the loop: to switch threads costs as much as a shorter one.
LARGE_BODY = 16 << 10
# Commas and opening brackets, those in texts included: to count them takes a thousandth of what
# it takes to make the values. A body of 1 MB with 100 line items has 60,000.
_MOST_MARKS = 100_000
_MARKS = ",[{"
# The largest object of the contract has 70 fields.
_MOST_FIELDS = 100

# The contract goes 12 deep. Faults get a longer place at every level, for each level around them.
_DEEPEST = 16

# One thread of the process: under the GIL more would only keep the loop waiting longer.
_judge = ThreadPoolExecutor(1, thread_name_prefix="seil-judge")
# A large body waits so long for those of its caller that came before it.
_TURN_SECONDS = 10.0
_turns: WeakValueDictionary[tuple[Any, str], asyncio.Lock] = WeakValueDictionary()


class BodyError(HTTPException):
    """A body's faults, as returned to the caller. `retry_after` is in seconds."""

    def __init__(self, *faults: Fault, status: int = 400, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.faults = faults
        self.retry_after = retry_after


class JsonRoute(APIRoute):
    """A route that takes JSON bodies."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not self.body_field:
            return handle
        model: Any = self.body_field.field_info.annotation
        judge = partial(_validate, TypeAdapter(model))

        async def read(request: Request) -> Response:
            return await handle(_JsonRequest(request, judge))

        return read


async def beside(request: Request, work: Callable[[], Result]) -> Result:
    """What `work` gives, done beside the loop where the request's body is large."""
    if not (isinstance(request, _JsonRequest) and request.large):
        return work()
    return await asyncio.get_running_loop().run_in_executor(_judge, work)


class _JsonRequest(Request):
    """FastAPI takes bodies from `json`, and an instance of the body's model as it is.

    It lets an HTTPException pass.
    """

    large = False

    def __init__(self, request: Request, judge: Callable[[bytes], Any]) -> None:
        super().__init__(request.scope, request.receive)
        self._judge = judge

    @override
    async def json(self) -> Any:
        content = await self.body()
        self.large = len(content) > LARGE_BODY
        if not self.large:
            return self._judge(content)
        async with _turn(exchange_of(self).caller):
            return await beside(self, partial(self._judge, content))


@asynccontextmanager
async def _turn(caller: str) -> AsyncIterator[None]:
    """One large body of each caller at a time is handed to the judge: nobody waits for more than
    one of another's.

    Raises BodyError where it takes too long, and CallerLeftError.
    """
    turn = _turns.setdefault((asyncio.get_running_loop(), caller), asyncio.Lock())
    try:
        async with asyncio.timeout(_TURN_SECONDS):
            await turn.acquire()
    except TimeoutError:
        text = f"The large bodies you sent before took more than {_TURN_SECONDS:g} seconds to read"
        fault = Fault("EC42901", f"{text}: nothing was done")
        raise BodyError(fault, status=429, retry_after=_TURN_SECONDS) from None
    try:
        if departure().happened:
            raise CallerLeftError
        yield
    finally:
        turn.release()


def _validate(adapter: TypeAdapter[Any], content: bytes) -> Any:
    """The body's model. Raises BodyError, or JSONDecodeError."""
    values = _read(content)
    if values is None:  # Where a body may be left out, the framework would take it for none.
        raise BodyError(Fault("EC40001", "body: null is not an object"))
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        raise BodyError(*validation_faults(error, "body")) from None


def _read(content: bytes) -> Any:
    text = content.decode(json.detect_encoding(content), "surrogatepass")
    marks = sum(map(text.count, _MARKS))
    if marks > _MOST_MARKS:
        reason = f"has {marks} commas and opening brackets, at most {_MOST_MARKS} are read"
        raise BodyError(Fault("EC40001", f"body: {reason}"))
    try:
        values = _decode(text)
    except _TwiceError:
        places = islice(_twice(_decode_pairs(text), None), MOST_FAULTS)
        names = (place_of(_parts(place)) for place in places)
        raise BodyError(
            *(Fault("EC40001", f"{name}: is given more than once") for name in names)
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if _deeper_than(_DEEPEST, values):
        raise _too_deep()
    return values


def _too_deep() -> BodyError:
    return BodyError(Fault("EC40002", f"The body is nested more than {_DEEPEST} deep"))


def _deeper_than(levels: int, value: Any) -> bool:
    level = [value]
    for _ in range(levels):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _TwiceError(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    """An object with all that was given."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _TwiceError
    if len(fields) > _MOST_FIELDS:
        reason = f"an object has {len(fields)} fields, at most {_MOST_FIELDS} are read"
        raise BodyError(Fault("EC40001", f"body: {reason}"))
    return fields


# Made once: json.loads would make one for every body.
_decode = json.JSONDecoder(object_pairs_hook=_object).decode
_decode_pairs = json.JSONDecoder(object_pairs_hook=_Pairs).decode


# A place: that of the object or list around it, and the name or number in there.
_Place = tuple["_Place | None", str | int]


def _twice(value: Any, around: _Place | None) -> Iterator[_Place]:
    """Places, not texts: a long name around many others would be copied for each of them."""
    if isinstance(value, _Pairs):
        counts: dict[str, int] = {}
        for name, child in value:
            place: _Place = (around, name)
            counts[name] = counts.get(name, 0) + 1
            if counts[name] == 2:
                yield place
            yield from _twice(child, place)
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from _twice(child, (around, at))


def _parts(place: _Place | None) -> list[str | int]:
    parts: list[str | int] = []
    while place is not None:
        place, part = place
        parts.append(part)
    return parts[::-1]
