"""/v1/gam: orders, line items, proposals and their line items, forecasts."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from seil.admanager import models
from seil.admanager.models.actions import (
    OrderAction,
    PauseReason,
    ProposalAction,
    ProposalLineItemAction,
)
from seil.admanager.models.base import Id, Shape, about
from seil.admanager.models.lists import BATCH, IDS, entries
from seil.api.contract import gam
from seil.api.edge.bodies import run_off_loop
from seil.api.edge.dispatch import Dispatch
from seil.api.edge.exchange import exchange_of
from seil.api.edge.refusals import system_router
from seil.api.edge.send import IdempotencyKey, Sender, success, values_of

__all__ = ["gam_router"]

# `examples` would be lost: an Id brings its own JSON schema.
OrderId = Annotated[
    Id, Path(description="The order's id.", openapi_examples={"an order": {"value": 3000000050}})
]
ProposalId = Annotated[
    Id,
    Path(description="The proposal's id.", openapi_examples={"a proposal": {"value": 3100000000}}),
]


class ProposalBody(models.ProposalChanges):
    """A proposal's changes, bare or as `{"proposals": [{...}]}`; with an action, its reason."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"proposals": [{"name": "Acme PG summer, v2"}]}]}
    )

    proposals: Annotated[
        list[models.ProposalChanges] | None,
        Field(min_length=1, max_length=1, description="Exactly one, instead of bare changes."),
    ] = None
    reason: PauseReason = None


class ProposalLineItemsBody(Shape):
    """Changes of proposal line items; with an action, the ids it applies to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"proposalLineitems": [{"id": 3100000000, "name": "Homepage MREC, v2"}]},
                {"proposalLineItemIds": [3100000000]},
            ]
        }
    )

    proposal_lineitems: Annotated[
        list[models.ProposalLineItemChanges] | None,
        Field(alias="proposalLineitems"),
        entries(BATCH),
        about("Changes of each.", [{"id": 3100000000, "name": "Homepage MREC, v2"}]),
    ] = None
    proposal_line_item_ids: Annotated[
        list[Id] | None, entries(IDS), about("With an action.", [3100000000])
    ] = None
    reason: PauseReason = None


def gam_router(dispatch: Dispatch) -> APIRouter:
    router = system_router("gam")
    send = Sender(dispatch)
    _orders(router, send)
    _line_items(router, send)
    _proposals(router, send)
    _proposal_line_items(router, send)
    return router


def _orders(router: APIRouter, send: Sender) -> None:
    @router.post("/order", summary="Create an order", response_model=success(gam.CREATE_ORDER))
    async def create_order(
        request: Request, body: models.CreateOrder, key: IdempotencyKey = None
    ) -> Response:
        """Creates one order, as a draft. Its name has to be unique in the network. Send an
        `Idempotency-Key`, so that a repeated request does not create another one.
        """
        return await send(request, gam.CREATE_ORDER, body, key=key)

    @router.get("/order/{orderid}", summary="Read an order", response_model=success(gam.GET_ORDER))
    async def get_order(request: Request, orderid: OrderId) -> Response:
        """Reads one order with all of Ad Manager's fields."""
        return await send(request, gam.GET_ORDER, models.GetOrder(order_id=orderid))

    @router.put(
        "/order/{orderid}",
        summary="Approve, pause, resume, archive ... an order",
        response_model=success(gam.ORDER_ACTION),
    )
    async def act_on_order(
        request: Request,
        orderid: OrderId,
        action: Annotated[OrderAction, Query(description="The action.", examples=["approve"])],
        key: IdempotencyKey = None,
    ) -> Response:
        """Performs an action on one order. The action may be written in camelCase, snake_case or
        words; `numChanges` counts what changed.
        """
        body = models.ActOnOrder(order_id=orderid, action=action)
        return await send(request, gam.ORDER_ACTION, body, key=key)


def _line_items(router: APIRouter, send: Sender) -> None:
    @router.post(
        "/forecast",
        summary="Forecast the availability of a new line item",
        response_model=success(gam.FORECAST),
    )
    async def forecast(request: Request, body: models.GetForecast) -> Response:
        """Forecasts how many units are available for one line item that is not booked yet.
        Nothing is booked.
        """
        return await send(request, gam.FORECAST, body)

    @router.post(
        "/lineitem", summary="Create line items", response_model=success(gam.CREATE_LINE_ITEMS)
    )
    async def create_line_items(
        request: Request, body: models.CreateLineItems, key: IdempotencyKey = None
    ) -> Response:
        """Creates line items: all of them, or none. Send an `Idempotency-Key`, so that a
        repeated request does not create others.
        """
        return await send(request, gam.CREATE_LINE_ITEMS, body, key=key)

    @router.put(
        "/lineitem", summary="Change line items", response_model=success(gam.UPDATE_LINE_ITEMS)
    )
    async def update_line_items(
        request: Request, body: models.UpdateLineItems, key: IdempotencyKey = None
    ) -> Response:
        """Changes the fields that are given and keeps the others. Archived line items are skipped
        and not counted; a concurrent modification is retried, three attempts in all.
        """
        return await send(request, gam.UPDATE_LINE_ITEMS, body, key=key)

    @router.get(
        "/lineitem",
        summary="Read one line item, or all of an order",
        response_model=success(gam.GET_LINE_ITEMS),
    )
    async def get_line_items(
        request: Request,
        lineitemid: Annotated[
            Id | None,
            Query(description="The line item; exactly one of the two.", examples=[3000000051]),
        ] = None,
        orderid: Annotated[
            Id | None,
            Query(description="The order; exactly one of the two.", examples=[3000000050]),
        ] = None,
    ) -> Response:
        """Reads one line item by its id, or all of an order: exactly one of the two parameters."""
        parameters = {"lineItemId": lineitemid, "orderId": orderid}
        values = {name: value for name, value in parameters.items() if value is not None}
        return await send.from_values(request, gam.GET_LINE_ITEMS, values)

    @router.put(
        "/lineitem/action",
        summary="Archive, pause, resume, activate, reserve, release or delete line items",
        response_model=success(gam.LINE_ITEM_ACTION),
    )
    async def act_on_line_items(
        request: Request, body: models.ActOnLineItems, key: IdempotencyKey = None
    ) -> Response:
        """Performs an action on line items. Unknown ids are ignored, unless all are unknown;
        `numChanges` counts the line items that changed.
        """
        return await send(request, gam.LINE_ITEM_ACTION, body, key=key)


def _proposals(router: APIRouter, send: Sender) -> None:
    @router.post(
        "/proposal",
        summary="Create a programmatic guaranteed proposal",
        response_model=success(gam.CREATE_PROPOSAL),
    )
    async def create_proposal(
        request: Request, body: models.CreateProposal, key: IdempotencyKey = None
    ) -> Response:
        """Creates one proposal, as a draft. `buyerAccountId` may be a buyer's account or a
        partner client's id; it has to be exactly one of the network's programmatic buyers. Send
        an `Idempotency-Key`, so that a repeated request does not create another one.
        """
        return await send(request, gam.CREATE_PROPOSAL, body, key=key)

    @router.get(
        "/proposal/{proposalid}",
        summary="Read a proposal",
        response_model=success(gam.GET_PROPOSAL),
    )
    async def get_proposal(request: Request, proposalid: ProposalId) -> Response:
        """Reads one proposal, with the state of its negotiation."""
        body = models.GetProposal(proposal_id=proposalid)
        return await send(request, gam.GET_PROPOSAL, body)

    @router.put(
        "/proposal/{proposalid}",
        summary="Change a proposal, or perform an action on it with ?action=",
        response_model=success(gam.UPDATE_PROPOSAL) | success(gam.PROPOSAL_ACTION),
    )
    async def update_proposal(
        request: Request,
        proposalid: ProposalId,
        *,
        action: Annotated[
            ProposalAction | None,
            Query(description="The action.", examples=["request-buyer-acceptance"]),
        ] = None,
        body: ProposalBody | None = None,
        key: IdempotencyKey = None,
    ) -> Response:
        """Without `action`: changes the fields that are given, and answers the whole proposal.
        With `action`: performs it, and answers `numChanges`; only pause may have a body, with a
        `reason`.
        """
        values = await run_off_loop(request, partial(values_of, body)) if body else {}
        if action is not None:
            path_values = {"proposalId": proposalid, "action": action}
            return await send.from_values(
                request, gam.PROPOSAL_ACTION, values | path_values, key=key
            )
        if not values:
            text = "The request has neither a body with changes nor an action"
            return exchange_of(request).refuse(400, "EC40003", text)
        return await send.from_values(
            request, gam.UPDATE_PROPOSAL, values | {"proposalId": proposalid}, key=key
        )


def _proposal_line_items(router: APIRouter, send: Sender) -> None:
    @router.post(
        "/proposallineitem",
        summary="Create proposal line items",
        response_model=success(gam.CREATE_PROPOSAL_LINE_ITEMS),
    )
    async def create_proposal_line_items(
        request: Request, body: models.CreateProposalLineItems, key: IdempotencyKey = None
    ) -> Response:
        """Creates line items of one or more proposals: all of them, or none. Send an
        `Idempotency-Key`, so that a repeated request does not create others.
        """
        return await send(request, gam.CREATE_PROPOSAL_LINE_ITEMS, body, key=key)

    @router.put(
        "/proposallineitem",
        summary="Change proposal line items, or archive them with ?action=",
        response_model=success(gam.UPDATE_PROPOSAL_LINE_ITEMS)
        | success(gam.PROPOSAL_LINE_ITEM_ACTION),
    )
    async def update_proposal_line_items(
        request: Request,
        body: ProposalLineItemsBody,
        action: Annotated[
            ProposalLineItemAction | None, Query(description="The action.", examples=["archive"])
        ] = None,
        key: IdempotencyKey = None,
    ) -> Response:
        """Without `action`: changes the fields that are given, and answers the whole line items.
        With `action`: performs it on `proposalLineItemIds`, and answers `numChanges`.
        """
        values = await run_off_loop(request, partial(values_of, body))
        if action is None:
            return await send.from_values(request, gam.UPDATE_PROPOSAL_LINE_ITEMS, values, key=key)
        return await send.from_values(
            request, gam.PROPOSAL_LINE_ITEM_ACTION, values | {"action": action}, key=key
        )

    @router.get(
        "/proposallineitem/{proposalid}",
        summary="Read a proposal's line items",
        response_model=success(gam.GET_PROPOSAL_LINE_ITEMS),
    )
    async def get_proposal_line_items(request: Request, proposalid: ProposalId) -> Response:
        """Reads all line items of one proposal."""
        body = models.GetProposalLineItems(proposal_id=proposalid)
        return await send(request, gam.GET_PROPOSAL_LINE_ITEMS, body)
