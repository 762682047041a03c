"""A request and its reply, free of the HTTP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import from_json

from seil.sandbox.admanager.errors import invalid

JSON = "application/json; charset=UTF-8"
XML = "text/xml; charset=UTF-8"


@dataclass(frozen=True)
class Call:
    """`path` is decoded; `base_url` is the address that the client used."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""

    def param(self, *names: str) -> str:
        return next((value for name, value in self.params if name in names), "")

    def json(self) -> Any:
        try:
            return from_json(self.body, allow_inf_nan=False)
        except ValueError as error:
            raise invalid(f"Invalid JSON payload received. {error}") from error

    def json_object(self) -> dict[str, Any]:
        value = self.json() if self.body.strip() else {}
        if not isinstance(value, dict):
            raise invalid("Invalid JSON payload received. An object is expected at the top")
        return value


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(content, ensure_ascii=False, indent=2).encode())


Handler: TypeAlias = Callable[[Call], Reply]
