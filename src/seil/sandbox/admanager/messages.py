"""Ad Manager's requests and replies: parameters and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import from_json
from typing_extensions import override

from seil.sandbox.admanager.errors import invalid
from seil.sandbox.base.messages import ReceivedRequest, Reply

JSON = "application/json; charset=UTF-8"
XML = "text/xml; charset=UTF-8"


@dataclass(frozen=True)
class AdManagerRequest(ReceivedRequest):
    def param(self, *names: str) -> str:
        """The first parameter with one of these names, or empty."""
        return next((value for name, value in self.params.items() if name in names), "")

    def json(self) -> Any:
        """Raises AdManagerApiError for anything but JSON."""
        try:
            return from_json(self.body, allow_inf_nan=False)
        except ValueError as error:
            raise invalid(f"Invalid JSON payload received. {error}") from error

    @override
    def json_object(self) -> dict[str, Any]:
        """Empty for no body. Raises AdManagerApiError for anything but an object."""
        value = self.json() if self.body.strip() else {}
        if not isinstance(value, dict):
            raise invalid("Invalid JSON payload received. An object is expected at the top")
        return value


AdManagerHandler: TypeAlias = Callable[[AdManagerRequest], Reply]


def json_reply(content: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(content, ensure_ascii=False, indent=2).encode(), JSON)
