"""The API contract of TechOne's operations."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    """Fields keep snake_case in the contract's JSON, too."""

    model_config = ConfigDict(extra="forbid")


class RateRequest(_Request):
    """The current rate from AUD to USD."""


class Rate(_Answer):
    """An exchange rate and its validity."""

    major_ccy_code: Annotated[str, Field(description="From.", examples=["AUD"])]
    trans_ccy_code: Annotated[str, Field(description="To.", examples=["USD"])]
    start_datei: Annotated[str, Field(description="First day.", examples=["2026-11-01T00:00:00"])]
    end_datei: Annotated[str, Field(description="Last day.", examples=["2026-11-30T00:00:00"])]
    exch_rate_amt: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="The rate.", examples=[0.6512])
    ]


class CreditRequest(_Request):
    """Whose credit to read."""

    debtor_number: Annotated[
        str,
        Field(
            pattern="^[A-Za-z0-9]{3,10}$",
            description="The debtor's number: 3 to 10 letters or digits.",
            examples=["D10042"],
        ),
    ]


class Credit(_Answer):
    """A debtor's remaining credit."""

    code: Annotated[str, Field(description="TechOne's code.", examples=["DEBTOR_CREDIT"])]
    notification_type: Annotated[str, Field(description="Its kind.", examples=["Information"])]
    remaining_credit_limit: Annotated[
        float, Field(description="What is left, in the ledger's currency.", examples=[1597.14])
    ]
