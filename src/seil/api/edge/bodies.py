"""JSON bodies: parsed and validated once, large ones in a thread beside the loop.

A repeated key is refused, as one of its values would be lost: RFC 8259, section 4, leaves open
which one counts. So is whatever would take long: section 9 lets a parser limit size and depth.
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
from seil.api.faults import MOST_FAULTS, dotted_path, validation_faults

__all__ = ["LARGE_BODY", "BodyError", "JsonRoute", "run_off_loop"]

Result = TypeVar("Result")

# Longer bodies are validated in a thread: for shorter ones the switch costs more than the work.
LARGE_BODY = 16 << 10
# Commas and opening brackets, those in strings included: counting takes a thousandth of the time of
# parsing. A body of 1 MB with 100 line items has 60,000.
_MOST_SEPARATORS = 100_000
_SEPARATORS = ",[{"
# The largest object of the contract has 70 fields.
_MOST_FIELDS = 100

# The contract goes 12 deep. Paths in faults grow with every level.
_DEEPEST = 16

# One thread: under the GIL more would only delay the event loop.
_judge = ThreadPoolExecutor(1, thread_name_prefix="seil-judge")
# How long a large body waits for its caller's earlier ones.
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

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(request, judge))

        return handle_json


async def run_off_loop(request: Request, work: Callable[[], Result]) -> Result:
    """Runs `work`, off the event loop if the request's body is large."""
    if not (isinstance(request, _JsonRequest) and request.large):
        return work()
    return await asyncio.get_running_loop().run_in_executor(_judge, work)


class _JsonRequest(Request):
    """FastAPI takes the body from `json`, accepts a model's instance as it is, and lets an
    HTTPException pass.
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
            return await run_off_loop(self, partial(self._judge, content))


@asynccontextmanager
async def _turn(caller: str) -> AsyncIterator[None]:
    """Validates one large body per caller at a time, so that nobody waits for more than one of
    another caller's.

    Raises BodyError after `_TURN_SECONDS`, and CallerLeftError.
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
    values = _parse(content)
    if values is None:  # The framework would take null for an omitted optional body.
        raise BodyError(Fault("EC40001", "body: null is not an object"))
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        raise BodyError(*validation_faults(error, "body")) from None


def _parse(content: bytes) -> Any:
    text = content.decode(json.detect_encoding(content), "surrogatepass")
    count = sum(map(text.count, _SEPARATORS))
    if count > _MOST_SEPARATORS:
        reason = f"has {count} commas and opening brackets, at most {_MOST_SEPARATORS} are read"
        raise BodyError(Fault("EC40001", f"body: {reason}"))
    try:
        values = _decode(text)
    except _RepeatedKeyError:
        paths = islice(_repeated_keys(_decode_pairs(text), None), MOST_FAULTS)
        names = (dotted_path(_path_parts(path)) for path in paths)
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
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _RepeatedKeyError(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    """An object that keeps repeated keys."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _RepeatedKeyError
    if len(fields) > _MOST_FIELDS:
        reason = f"an object has {len(fields)} fields, at most {_MOST_FIELDS} are read"
        raise BodyError(Fault("EC40001", f"body: {reason}"))
    return fields


# Shared: json.loads would build one for every body.
_decode = json.JSONDecoder(object_pairs_hook=_object).decode
_decode_pairs = json.JSONDecoder(object_pairs_hook=_Pairs).decode


# The path of the surrounding object or list, and the key or index in it.
_Path = tuple["_Path | None", str | int]


def _repeated_keys(value: Any, parent: _Path | None) -> Iterator[_Path]:
    """Linked paths, not strings: a long key would be copied for every key below it."""
    if isinstance(value, _Pairs):
        counts: dict[str, int] = {}
        for name, child in value:
            path: _Path = (parent, name)
            counts[name] = counts.get(name, 0) + 1
            if counts[name] == 2:
                yield path
            yield from _repeated_keys(child, path)
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from _repeated_keys(child, (parent, at))


def _path_parts(path: _Path | None) -> list[str | int]:
    parts: list[str | int] = []
    while path is not None:
        path, part = path
        parts.append(part)
    return parts[::-1]
