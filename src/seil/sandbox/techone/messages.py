"""A request and its reply, free of the HTTP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import from_json

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Call:
    """`path` is decoded; `base_url` is the address that the client used."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""

    def json_object(self) -> dict[str, Any]:
        """Raises RefusedError for anything else."""
        try:
            value = from_json(self.body, allow_inf_nan=False)
        except ValueError as error:
            raise RefusedError(400, "The request body is not JSON.") from error
        if not isinstance(value, dict):
            raise RefusedError(400, "The request body is not a JSON object.")
        return value


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(
        cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Reply:
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status, body, headers=headers or {})


class RefusedError(Exception):
    """A request that is answered with an error, in the shape of ASP.NET Web API."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply = Reply.json({"Message": message}, status, headers)


Handler: TypeAlias = Callable[[Call], Reply]
