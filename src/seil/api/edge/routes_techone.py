"""/v1/techone: rates and credit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from seil.api.contract import techone
from seil.api.edge.dispatch import Dispatch
from seil.api.edge.refusals import system_router
from seil.api.edge.send import Sender, success
from seil.techone.models import CreditRequest, RateRequest

__all__ = ["techone_router"]

DebtorNumber = Annotated[
    str,
    Path(
        pattern="^[A-Za-z0-9]{3,10}$",
        description="3 to 10 letters or digits.",
        examples=["D10042"],
    ),
]


def techone_router(dispatch: Dispatch) -> APIRouter:
    router = system_router("techone")
    send = Sender(dispatch)

    @router.get(
        "/foreign-exchange-rate/aud-usd",
        summary="The rate of AUD to USD",
        response_model=success(techone.RATE),
    )
    async def get_exchange_rate(request: Request) -> Response:
        """Reads TechOne's current rate of AUD to USD."""
        return await send(request, techone.RATE, RateRequest())

    @router.get(
        "/debtor/{debtor_number}/remaining-credit-limit",
        summary="A debtor's remaining credit",
        response_model=success(techone.CREDIT),
    )
    async def get_remaining_credit_limit(request: Request, debtor_number: DebtorNumber) -> Response:
        """Reads a debtor's remaining credit, in the ledger's currency."""
        return await send(request, techone.CREDIT, CreditRequest(debtor_number=debtor_number))

    return router
