"""Requests, replies and the route table, independent of the HTTP server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import unquote_plus

__all__ = ["NoRouteError", "ReceivedRequest", "Reply", "RouteTable"]

T = TypeVar("T")


@dataclass(frozen=True)
class ReceivedRequest:
    """`base_url` is the address that the client used; `params` are those of the query, and `args`
    the parts of the path that the route names.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""
    args: Mapping[str, str] = field(default_factory=dict)

    def json_object(self) -> dict[str, Any]:
        """Raises the service's own error for a body that is not a JSON object."""
        raise NotImplementedError


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


class NoRouteError(LookupError):
    """`allowed` are the path's methods; empty where no template matches."""

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(f"{method} {path}")
        self.allowed = sorted(allowed)


class RouteTable(Generic[T]):
    """Entries by method and path template; the first matching template wins.

    In a template `{name}` stands for a segment, `{name#}` for digits, `{name*}` for any rest and
    `{version}` for v62.0 and the like. A slash at the end of a path changes nothing.
    """

    def __init__(self, entries: Iterable[tuple[str, str, T]]) -> None:
        table: dict[str, dict[str, T]] = {}
        for method, template, entry in entries:
            table.setdefault(template, {})[method] = entry
        self._table = [(_pattern(template), methods) for template, methods in table.items()]

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]]:
        """The entry and the decoded parts of the path. HEAD is GET. Raises NoRouteError."""
        allowed: set[str] = set()
        for pattern, methods in self._table:
            if not (match := pattern.fullmatch(path)):
                continue
            entry = methods.get("GET" if method == "HEAD" else method)
            if entry is not None:
                return entry, {name: unquote_plus(v) for name, v in match.groupdict().items()}
            allowed |= set(methods)
        raise NoRouteError(method, path, allowed)


def _pattern(template: str) -> re.Pattern[str]:
    expression = template.replace("{version}", r"v(?P<version>\d\d\.\d)")
    expression = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.*)", expression)
    expression = re.sub(r"\{(\w+)#\}", r"(?P<\1>[0-9]+)", expression)
    expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression)
    return re.compile(expression + "/?")
