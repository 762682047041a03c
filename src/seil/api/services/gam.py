"""Ad Manager's operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.service import Handler, Service

if TYPE_CHECKING:
    from seil.admanager.client import AdManager

__all__ = ["gam_service"]


def gam_service(client: AdManager, keys: IdempotencyStore, *, seconds: float) -> Service:
    handlers: Mapping[str, Handler] = {
        "gam.forecast": client.forecast,
        "gam.create-order": client.create_order,
        "gam.get-order": client.get_order,
        "gam.order-action": client.act_on_order,
        "gam.create-line-items": client.create_line_items,
        "gam.update-line-items": client.update_line_items,
        "gam.get-line-items": client.get_line_items,
        "gam.line-item-action": client.act_on_line_items,
        "gam.create-proposal": client.create_proposal,
        "gam.get-proposal": client.get_proposal,
        "gam.update-proposal": client.update_proposal,
        "gam.proposal-action": client.act_on_proposal,
        "gam.create-proposal-line-items": client.create_proposal_line_items,
        "gam.update-proposal-line-items": client.update_proposal_line_items,
        "gam.proposal-line-item-action": client.act_on_proposal_line_items,
        "gam.get-proposal-line-items": client.get_proposal_line_items,
    }
    return Service("gam", handlers, keys, seconds=seconds)
