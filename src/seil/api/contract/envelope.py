"""What every answer is wrapped in."""

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
        description="X-Application-Label, as it came.", examples=["salesforce"]
    )
    time: datetime = Field(description="When it was answered, UTC.", examples=[TIME])
    correlation_id: UUID = Field(
        description="X-Correlation-Id, as it came or made.", examples=[CORRELATION]
    )
    path: str = Field(description="The path that was asked for.", examples=["/v1/gam/order/1"])
    method: str = Field(description="The method.", examples=["GET"])


class Success(_Envelope, Generic[Data]):
    """What was asked for is in `data`."""

    # The doc of a generic class is not that of its kinds.
    model_config = ConfigDict(json_schema_extra={"description": "What was asked for is in `data`."})

    @classmethod
    @override
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__}Success"

    code: Literal[200] = Field(description="The HTTP status.", examples=[200])
    status: Literal["200000"] = Field(description="The code, finer.", examples=["200000"])
    data: Data = Field(description="What was asked for.")


class ReportedFault(BaseModel):
    """One reason. `ids` and `outcome` are there where the request was done in part."""

    model_config = ConfigDict(title="Fault")

    code: Annotated[str, Field(pattern=r"^EC\d{5}$", description="docs/api.md lists them.")]
    message: str = Field(description="What is wrong, and with what.")
    ids: Annotated[
        list[int], Field(description="What this is the reason for, where another part was done.")
    ] = []
    outcome: Annotated[
        IdOutcome | None,
        Field(
            description="Of these ids: it was not done, or it is not known.", examples=["notDone"]
        ),
    ] = None


class FailureEnvelope(_Envelope):
    """Nothing was done, or what was done is said in `errors`."""

    model_config = ConfigDict(title="Failure")

    code: int = Field(description="The HTTP status.", ge=400, le=599)
    status: str = Field(description="The code, finer.", pattern=r"^\d{6}$")
    errors: list[ReportedFault] = Field(description="The reasons.", min_length=1)
    done: Annotated[
        list[int] | None,
        Field(description="The ids for which it was done, where it was not done for all."),
    ] = None


class Refusal(BaseModel):
    """As API Gateway refuses a token."""

    model_config = ConfigDict(extra="forbid")

    message: Literal["Unauthorized", "Forbidden"] = Field(description="The code in words.")
