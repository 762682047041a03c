"""JSON replies and errors in the shapes of ASP.NET Web API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import from_json
from typing_extensions import override

from seil.sandbox.base.messages import ReceivedRequest, Reply

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class TechOneRequest(ReceivedRequest):
    @override
    def json_object(self) -> dict[str, Any]:
        """Raises TechOneApiError for a body that is not a JSON object."""
        try:
            value = from_json(self.body, allow_inf_nan=False)
        except ValueError as error:
            raise TechOneApiError(400, "The request body is not JSON.") from error
        if not isinstance(value, dict):
            raise TechOneApiError(400, "The request body is not a JSON object.")
        return value


class TechOneApiError(Exception):
    """Answered with `reply`; raise it anywhere below a handler."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply = json_reply({"Message": message}, status, headers)


TechOneHandler: TypeAlias = Callable[[TechOneRequest], Reply]


def json_reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, body, JSON, headers or {})
