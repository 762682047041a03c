"""The envelope of every answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from seil.api.calls import IdOutcome

__all__ = ["CORRELATION", "TIME", "FailureEnvelope", "Refusal", "ReportedFault", "Success"]

Data = TypeVar("Data", bound=BaseModel)

TIME = "2026-03-02T04:05:06.789+00:00"
CORRELATION = "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11"


class _Envelope(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    message: str = Field(description="The code in words.", examples=["success"])
    application_label: str | None = Field(
        description="The request's X-Application-Label.", examples=["salesforce"]
    )
    time: datetime = Field(description="Time of the answer, UTC.", examples=[TIME])
    correlation_id: UUID = Field(
        description="The request's X-Correlation-Id, or a new one.", examples=[CORRELATION]
    )
    path: str = Field(description="The request's path.", examples=["/v1/gam/order/1"])
    method: str = Field(description="The request's method.", examples=["GET"])


class Success(_Envelope, Generic[Data]):
    """The result is in `data`."""

    # Parametrised classes do not inherit the docstring.
    model_config = ConfigDict(json_schema_extra={"description": "The result is in `data`."})

    @classmethod
    @override
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__}Success"

    code: Literal[200] = Field(description="The HTTP status.", examples=[200])
    status: Literal["200000"] = Field(description="The code, finer.", examples=["200000"])
    data: Data = Field(description="The operation's result.")


class ReportedFault(BaseModel):
    """One reason. `ids` and `outcome` are set after a partial success."""

    model_config = ConfigDict(title="Fault")

    code: Annotated[str, Field(pattern=r"^EC\d{5}$", description="docs/api.md lists them.")]
    message: str = Field(description="What is wrong, and where.")
    ids: Annotated[
        list[int], Field(description="The ids that this reason concerns, after a partial success.")
    ] = []
    outcome: Annotated[
        IdOutcome | None,
        Field(
            description="These ids were not done, or their outcome is unknown.",
            examples=["notDone"],
        ),
    ] = None


class FailureEnvelope(_Envelope):
    """Nothing was done, unless `done` or `errors` say otherwise."""

    model_config = ConfigDict(title="Failure")

    code: int = Field(description="The HTTP status.", ge=400, le=599)
    status: str = Field(description="The code, finer.", pattern=r"^\d{6}$")
    errors: list[ReportedFault] = Field(description="The reasons.", min_length=1)
    done: Annotated[
        list[int] | None,
        Field(description="The ids that succeeded, after a partial success."),
    ] = None


class Refusal(BaseModel):
    """API Gateway's answer to a refused token."""

    model_config = ConfigDict(extra="forbid")

    message: Literal["Unauthorized", "Forbidden"] = Field(description="The code in words.")
