"""An org's requests, replies and routes. Bodies may exceed memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from seil.sandbox.base.messages import NoRouteError, RouteTable
from seil.sandbox.salesforce.errors import OrgApiError, method_refused, not_found, unreadable_json
from seil.sandbox.salesforce.json_text import JsonSource, parse

JSON = "application/json;charset=UTF-8"
CSV = "text/csv; charset=UTF-8"


@dataclass(frozen=True)
class OrgRequest:
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
        """Without members other than the named ones, if any."""
        value = self.json()
        if not isinstance(value, dict):
            raise unreadable_json("The HTTP entity body is required to be a JSON object")
        if members:
            JsonSource(self.text()).check_members(value, members)
        return value


@dataclass(frozen=True)
class FileRange:
    """`head`, then the bytes [start, end) of a file, streamed."""

    head: bytes
    path: Path
    start: int
    end: int

    @property
    def size(self) -> int:
        return len(self.head) + self.end - self.start


@dataclass(frozen=True)
class OrgReply:
    """`content` is a JSON value where `content_type` is JSON."""

    status: int = 200
    content: Any = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


NO_CONTENT = OrgReply(204, b"", "")

OrgHandler: TypeAlias = Callable[[OrgRequest], OrgReply]


@dataclass(frozen=True)
class OrgRoute:
    """`template` is as in a RouteTable.

    An `open` route needs no session; `accepts` are the content types of its body, of at most
    `max_body` bytes.
    """

    method: str
    template: str
    handler: OrgHandler
    open: bool = False
    accepts: tuple[str, ...] = ("application/json",)
    max_body: int = 50 << 20


class OrgRouter:
    """The routes by method and path."""

    def __init__(self, routes: Iterable[OrgRoute]) -> None:
        self._table = RouteTable((route.method, route.template, route) for route in routes)

    def find(self, method: str, path: str) -> tuple[OrgRoute, dict[str, str]]:
        """Raises OrgApiError 404 or 405."""
        try:
            return self._table.find(method, path)
        except NoRouteError as error:
            if error.allowed:
                raise method_refused(method, error.allowed) from error
            raise not_found() from error


def require(body: Mapping[str, Any], names: Sequence[str], *, code: str = "INVALIDJOB") -> None:
    for name in names:
        if body.get(name) in (None, ""):
            raise OrgApiError(400, code, f"Required field missing: {name}")
