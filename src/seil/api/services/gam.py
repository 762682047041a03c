"""Ad Manager's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.api.contract import gam
from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.service import Service, bind

if TYPE_CHECKING:
    from seil.admanager.client import AdManager

__all__ = ["gam_service"]


def gam_service(client: AdManager, keys: IdempotencyStore, *, seconds: float) -> Service:
    operations = (
        bind(gam.FORECAST, client.forecast),
        bind(gam.CREATE_ORDER, client.create_order),
        bind(gam.GET_ORDER, client.get_order),
        bind(gam.ORDER_ACTION, client.act_on_order),
        bind(gam.CREATE_LINE_ITEMS, client.create_line_items),
        bind(gam.UPDATE_LINE_ITEMS, client.update_line_items),
        bind(gam.GET_LINE_ITEMS, client.get_line_items),
        bind(gam.LINE_ITEM_ACTION, client.act_on_line_items),
        bind(gam.CREATE_PROPOSAL, client.create_proposal),
        bind(gam.GET_PROPOSAL, client.get_proposal),
        bind(gam.UPDATE_PROPOSAL, client.update_proposal),
        bind(gam.PROPOSAL_ACTION, client.act_on_proposal),
        bind(gam.CREATE_PROPOSAL_LINE_ITEMS, client.create_proposal_line_items),
        bind(gam.UPDATE_PROPOSAL_LINE_ITEMS, client.update_proposal_line_items),
        bind(gam.PROPOSAL_LINE_ITEM_ACTION, client.act_on_proposal_line_items),
        bind(gam.GET_PROPOSAL_LINE_ITEMS, client.get_proposal_line_items),
    )
    return Service("gam", operations, keys, seconds=seconds)
