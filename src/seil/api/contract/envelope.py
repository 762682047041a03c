"""What every answer is wrapped in."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Data = TypeVar("Data", bound=BaseModel)


class _Envelope(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
    )

    application_label: Annotated[
        str,
        Field(description="X-Application-Label: the calling system.", examples=["salesforce"]),
    ]
    time: Annotated[
        str, Field(description="When it was answered.", examples=["2026-11-23T08:45:10.123Z"])
    ]
    correlation_id: Annotated[
        str,
        Field(
            description="X-Correlation-Id, generated where absent.",
            examples=["3f0c1d1e-6f0a-4c5e-9f5c-0a4de0a4b6f1"],
        ),
    ]
    path: Annotated[str, Field(description="The path asked.", examples=["/v1/gam/order"])]
    method: Annotated[str, Field(description="The method.", examples=["POST"])]


class Success(_Envelope, Generic[Data]):
    """A request that was done."""

    code: Annotated[Literal[200], Field(description="As HTTP has it.")] = 200
    message: Annotated[Literal["success"], Field(description="In a word.")] = "success"
    status: Annotated[Literal["200000"], Field(description="Of six digits.")] = "200000"
    data: Annotated[Data, Field(description="The answer.")]


class Reason(BaseModel):
    """One reason of a refusal."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[
        str, Field(pattern=r"^EC\d{5}$", description="See docs/api.md.", examples=["EC40001"])
    ]
    message: Annotated[
        str, Field(description="In words.", examples=["orders.0.name: Field required"])
    ]


class Failure(_Envelope):
    """A request that was not done, and why. There is no `data`."""

    code: Annotated[int, Field(description="As HTTP has it.", examples=[400])]
    message: Annotated[str, Field(description="In a word.", examples=["bad request"])]
    status: Annotated[
        str, Field(pattern=r"^\d{6}$", description="Of six digits.", examples=["400000"])
    ]
    errors: Annotated[list[Reason], Field(min_length=1, description="Every reason.")]


def success_of(response: type[BaseModel]) -> Any:
    """The envelope's model for an operation's answer, named for the OpenAPI document."""
    return Success[response]  # type: ignore[valid-type]
