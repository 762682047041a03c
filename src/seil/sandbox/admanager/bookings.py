"""Orders, line items and proposals with given ids, as a Salesforce org knows them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seil.sandbox.admanager.errors import invalid
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.seed import BUYER_ACCOUNT_ID, CURRENCY, Seedling

PROPOSALS = "proposals"


class BookedOrder(BaseModel):
    """`start` and `end` are in days from today, in the network's time zone."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(gt=0)
    status: str = "APPROVED"
    line_items: list[int] = []
    start: int = -5
    end: int = 25


class BookedProposal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: int = Field(gt=0)
    status: str = "APPROVED"


class Bookings(BaseModel):
    """Replaces what has the same id."""

    model_config = ConfigDict(extra="forbid")

    orders: list[BookedOrder] = []
    proposals: list[BookedProposal] = []

    @classmethod
    def parse(cls, body: Any) -> Bookings:
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise invalid(str(error)) from error

    def store(self, network: SandboxNetwork) -> dict[str, int]:
        """Returns the counts by kind."""
        counts: dict[str, int] = {}
        for kind, number, entity in self._entities(network):
            network.store.put(kind, number, entity)
            counts[kind] = counts.get(kind, 0) + 1
        return counts

    def _entities(self, network: SandboxNetwork) -> Iterator[tuple[str, int, GamObject]]:
        for booked in self.orders:
            seedling = Seedling(network.code, random.Random(booked.id), network.clock)
            title = f"Booked {booked.id}"
            yield "orders", booked.id, seedling.order(booked.id, title, booked.status, booked.id)
            for line in booked.line_items:
                days = (booked.start, booked.end)
                yield "lineItems", line, seedling.line_item(line, booked.id, booked.status, days)
        for proposal in self.proposals:
            yield PROPOSALS, proposal.id, _proposal(proposal)


def _proposal(booked: BookedProposal) -> GamObject:
    return {
        "id": booked.id,
        "name": f"Proposal {booked.id}",
        "currencyCode": CURRENCY,
        "isProgrammatic": True,
        "status": booked.status,
        "isArchived": False,
        "isSold": booked.status == "APPROVED",
        "hasBuyerRfp": False,
        "marketplaceInfo": {
            "hasLocalVersionEdits": False,
            "negotiationStatus": "FINALIZED",
            "isNewVersionFromBuyer": False,
            "buyerAccountId": BUYER_ACCOUNT_ID,
        },
    }
