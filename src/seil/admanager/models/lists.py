"""Limits on the length of lists in requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import (
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError, core_schema

from seil.admanager.models.base import ANSWER, RequestLimit

# The most entries of a list. Google's own limits are those of a batch of the REST API
# (BatchCreateLineItemsRequest: "A maximum of 100 objects can be created in a batch") and of
# https://support.google.com/admanager/answer/1628457: criteria and creatives of a line item.
BATCH = 100
CRITERIA = 800
CREATIVES = 260
# An action's ids, which go to Google in batches.
IDS = 500
# Where Google names no limit: labels, teams, contacts, custom fields and the like.
SEVERAL = 100
# Validation of a list stops after so many faults, with an error of the type TRUNCATION.
ENOUGH = 50
TRUNCATION = "truncation"

_ERROR_TYPES = frozenset(get_args(core_schema.ErrorType))


@dataclass(frozen=True)
class Entries(RequestLimit):
    """A limit on a list's length.

    Longer lists are refused without validating entries. Entries are validated one by one until
    there are ENOUGH faults; pydantic alone would report every one of a hundred thousand.
    """

    most: int

    json_types = frozenset({"array"})

    def keywords(self) -> dict[str, Any]:
        return {"maxItems": self.most}

    def check(self, value: Any) -> None:
        if len(value) > self.most:
            facts = {"field_type": "List", "max_length": self.most, "actual_length": len(value)}
            raise PydanticKnownError("too_long", facts)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_wrap_validator_function(self._judge_each, handler(source))

    def _judge_each(
        self, values: Any, judge: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if info.context == ANSWER or not isinstance(values, list) or not values:
            return judge(values)
        self.check(values)
        results: list[Any] = []
        faults: list[InitErrorDetails] = []
        for at, value in enumerate(values):
            try:
                results += judge([value])
            except ValidationError as error:
                faults += _faults_at(at, error)
                if len(faults) > ENOUGH and at + 1 < len(values):
                    faults.append(_truncation(at + 1))
                    break
        if faults:
            raise ValidationError.from_exception_data("list", faults)
        return results


def entries(most: int) -> Entries:
    return Entries(most)


def _truncation(at: int) -> InitErrorDetails:
    error = PydanticCustomError(TRUNCATION, "this entry and those after it were not judged")
    return InitErrorDetails(type=error, loc=(at,), input=None)


def _faults_at(at: int, error: ValidationError) -> Iterator[InitErrorDetails]:
    """The faults of a list of one entry, as those of the entry `at`."""
    for fault in error.errors(include_url=False):
        kind: str | PydanticCustomError = fault["type"]
        if kind not in _ERROR_TYPES:
            kind = PydanticCustomError(fault["type"], fault["msg"])
        yield InitErrorDetails(
            type=kind,
            loc=(at, *fault["loc"][1:]),
            input=fault["input"],
            ctx=fault.get("ctx", {}),
        )
