"""Proposals through the official SOAP client, and what the buyer does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from googleads.errors import GoogleAdsServerFault
from tests.sandbox.admanager.conftest import NETWORK, Google, Soap, Time, by_id

from seil.sandbox.admanager.seed import PARTNER_CLIENT_ID

# The official client logs every fault with a function that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")


def test_current_network_is_told(soap: Soap) -> None:
    network = soap.service("NetworkService").getCurrentNetwork()
    assert network["networkCode"] == "1234567"
    assert network["timeZone"] == "Australia/Sydney"


def test_new_proposal_is_a_draft_with_its_buyer(soap: Soap) -> None:
    made = soap.proposal(name="Spring deal")
    assert made["status"] == "DRAFT"
    assert made["marketplaceInfo"]["negotiationStatus"] == "SELLER_INITIATED"
    assert made["marketplaceInfo"]["partnerClientId"] == PARTNER_CLIENT_ID
    assert soap.read(made["id"])["name"] == "Spring deal"


def test_accepted_proposal_becomes_an_order_with_line_items(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    proposal = soap.proposal()
    line = soap.line(proposal["id"], clock.now)
    assert soap.act("RequestBuyerAcceptance", proposal["id"], allowOverbook=False) == 1
    assert soap.read(proposal["id"])["marketplaceInfo"]["negotiationStatus"] == (
        "ONLY_SELLER_ACCEPTED"
    )
    http.post(f"/sandbox/proposals/{proposal['id']}/accept").raise_for_status()
    sold = soap.read(proposal["id"])
    assert (sold["status"], sold["isSold"]) == ("APPROVED", True)
    assert sold["marketplaceInfo"]["negotiationStatus"] == "FINALIZED"
    order = google.orders.get_order(name=f"{NETWORK}/orders/{sold['dfpOrderId']}")
    assert (order.display_name, order.programmatic) == ("A proposal", True)
    found = soap.lines.getProposalLineItemsByStatement(by_id(line["id"]).ToStatement())
    sold_line = found["results"][0]
    assert sold_line["computedStatus"] == "READY"
    item = google.line_items.get_line_item(name=f"{NETWORK}/lineItems/{sold_line['dfpLineItemId']}")
    assert (item.rate.units, item.rate.nanos, item.goal.units) == (12, 500_000_000, 200_000)


def _fault(error: pytest.ExceptionInfo[GoogleAdsServerFault]) -> tuple[str, Any]:
    first = error.value.errors[0]
    return first["errorString"], first["fieldPath"]


def test_unknown_buyer_is_refused(soap: Soap) -> None:
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposal(marketplaceInfo={"buyerAccountId": 1})
    assert _fault(error) == (
        "ProgrammaticError.INVALID_BUYER",
        "proposals[0].marketplaceInfo.buyerAccountId",
    )
