"""Between what the contract's numbers lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticKnownError, core_schema

from seil.admanager.models.base import ANSWER

_NUMBERS = ("integer", "number")


@dataclass(frozen=True)
class Between:
    """Between these in requests; in answers any: what Ad Manager has is not ours to refuse."""

    lowest: int
    highest: int | None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        if handler.mode == "validation":
            number = next(p for p in found.get("anyOf", [found]) if p.get("type") in _NUMBERS)
            number["minimum"] = self.lowest
            if self.highest is not None:
                number["maximum"] = self.highest
        return found

    def _checked(self, value: float | None, info: ValidationInfo) -> float | None:
        if value is None or info.context == ANSWER:
            return value
        if value < self.lowest:
            raise PydanticKnownError("greater_than_equal", {"ge": self.lowest})
        if self.highest is not None and value > self.highest:
            raise PydanticKnownError("less_than_equal", {"le": self.highest})
        return value


def between(lowest: int, highest: int) -> Between:
    return Between(lowest, highest)


def at_least(lowest: int) -> Between:
    return Between(lowest, None)
