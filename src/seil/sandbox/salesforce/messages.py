"""A request and its reply, free of the HTTP server, and the table that brings them together."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote_plus

from seil.sandbox.salesforce.errors import ApiError, method_refused, not_found, unreadable_json
from seil.sandbox.salesforce.json_text import Source, parse

JSON = "application/json;charset=UTF-8"
CSV = "text/csv; charset=UTF-8"


@dataclass(frozen=True)
class Call:
    """`path` is still percent-encoded, `args` are the decoded parts of it that the route names.

    `base_url` is the address the client used. `fail_job` makes the job that this call creates fail.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: BinaryIO = field(default_factory=io.BytesIO)
    base_url: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    fail_job: str = ""

    @property
    def version(self) -> str:
        """Such as 62.0."""
        return self.args["version"]

    @property
    def root(self) -> str:
        return f"/services/data/v{self.version}"

    def text(self) -> str:
        self.body.seek(0)
        try:
            return self.body.read().decode()
        except UnicodeDecodeError as error:
            raise unreadable_json(f"The body is not UTF-8: {error}") from error

    def json(self) -> Any:
        return parse(self.text())

    def json_object(self, *members: str) -> dict[str, Any]:
        """With no other members than those, if any are named."""
        value = self.json()
        if not isinstance(value, dict):
            raise unreadable_json("The HTTP entity body is required to be a JSON object")
        if members:
            Source(self.text()).check_members(value, members)
        return value


@dataclass(frozen=True)
class FileRange:
    """`head`, then the bytes [start, end) of a file: a page that is never held in memory."""

    head: bytes
    path: Path
    start: int
    end: int

    @property
    def size(self) -> int:
        return len(self.head) + self.end - self.start


@dataclass(frozen=True)
class Reply:
    """`content` is a JSON value where `content_type` is JSON."""

    status: int = 200
    content: Any = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = Reply(204, b"", "")

Handler: TypeAlias = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """`template` is a path with {names}; {version} stands for v62.0 and the like.

    An `open` route needs no session; `accepts` are the content types of its body, of at most
    `max_body` bytes.
    """

    method: str
    template: str
    handler: Handler
    open: bool = False
    accepts: tuple[str, ...] = ("application/json",)
    max_body: int = 50 << 20


@dataclass(frozen=True)
class _Compiled:
    pattern: re.Pattern[str]
    routes: dict[str, Route]


class Router:
    """The first template that fits decides; a slash at the end of a path changes nothing."""

    def __init__(self, routes: Iterable[Route]) -> None:
        table: dict[str, dict[str, Route]] = {}
        for route in routes:
            table.setdefault(route.template, {})[route.method] = route
        self._table = [_Compiled(_pattern(t), methods) for t, methods in table.items()]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Raises ApiError 404 or 405."""
        allowed: set[str] = set()
        for entry in self._table:
            if not (match := entry.pattern.fullmatch(path)):
                continue
            wanted = "GET" if method == "HEAD" else method
            if route := entry.routes.get(wanted):
                return route, {k: unquote_plus(v) for k, v in match.groupdict().items()}
            allowed |= set(entry.routes)
        if allowed:
            raise method_refused(method, sorted(allowed))
        raise not_found()


def required(body: Mapping[str, Any], names: Sequence[str], *, code: str = "INVALIDJOB") -> None:
    for name in names:
        if body.get(name) in (None, ""):
            raise ApiError(400, code, f"Required field missing: {name}")


def _pattern(template: str) -> re.Pattern[str]:
    expression = template.replace("{version}", r"v(?P<version>\d\d\.\d)")
    expression = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.*)", expression)
    expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression)
    return re.compile(expression + "/?")
