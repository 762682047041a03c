"""The base of the contract's Ad Manager models."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

# pydantic's `context` for Ad Manager's answers: their values may be newer than ours.
ANSWER = "answer"

_LONGEST_ID = 19
# Characters that XML 1.0, section 2.2, excludes: SOAP could not carry them.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Shape(BaseModel):
    """camelCase on the wire. Unknown fields are refused, since dropping one would lose data."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
    )

    def wire(self, **options: Any) -> dict[str, Any]:
        """As JSON, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, **options)

    @classmethod
    def of_answer(cls, values: Any) -> Any:
        """From Ad Manager's answer, where unknown fields and values are allowed."""
        return cls.model_validate(values, extra="ignore", context=ANSWER)


def about(description: str, example: Any = None) -> FieldInfo:
    """A field's text in the OpenAPI document."""
    examples = None if example is None else [example]
    field: FieldInfo = Field(description=description, examples=examples)
    return field


def check_once_each(identities: Iterable[int]) -> None:
    """Raises ValueError for a repeated id: one of two changes would be lost."""
    if twice := [str(identity) for identity, count in Counter(identities).items() if count > 1]:
        raise ValueError(f"{', '.join(twice)}: is named more than once")


def _digits(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("an id is digits only")
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID):
        raise ValueError(f"an id is 1 to {_LONGEST_ID} digits and nothing else")
    return int(text)


def _writable(value: str, info: ValidationInfo) -> str:
    if info.context != ANSWER and (match := _UNWRITABLE.search(value)):
        raise ValueError(f"U+{ord(match[0]):04X} is a character that Ad Manager does not accept")
    return value


Id = Annotated[
    int,
    BeforeValidator(_digits),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 10**_LONGEST_ID - 1},
                {"type": "string", "pattern": f"^[0-9]{{1,{_LONGEST_ID}}}$"},
            ]
        },
        mode="validation",
    ),
    WithJsonSchema({"type": "integer", "format": "int64"}, mode="serialization"),
]
Long = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Int = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Words = Annotated[str, AfterValidator(_writable)]
Text = Annotated[Words, Field(max_length=65_535)]
Name = Annotated[Words, Field(min_length=1, max_length=255)]


class RequestLimit(ABC):
    """A limit on requests, not on answers: Ad Manager's values may grow."""

    json_types: ClassVar[frozenset[str]]

    @abstractmethod
    def keywords(self) -> dict[str, Any]:
        """The limit in JSON Schema."""

    @abstractmethod
    def check(self, value: Any) -> None:
        """Raises ValueError."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._judge, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        json_schema = handler(schema)
        if handler.mode == "validation":
            parts = json_schema.get("anyOf", [json_schema])
            next(p for p in parts if p.get("type") in self.json_types).update(self.keywords())
        return json_schema

    def _judge(self, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.context != ANSWER:
            self.check(value)
        return value


@dataclass(frozen=True)
class OneOf(RequestLimit):
    words: tuple[str, ...]

    json_types = frozenset({"string"})

    def keywords(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def check(self, value: Any) -> None:
        if value not in self.words:
            raise ValueError(f"is none of {', '.join(self.words)}")


def one_of(*words: str) -> OneOf:
    return OneOf(words)
