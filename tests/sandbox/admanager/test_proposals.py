"""Proposals through the official SOAP client, and what the buyer does."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.sandbox.admanager.conftest import (
    NETWORK,
    Google,
    Soap,
    Time,
    by_id,
    proposal_line,
    soap_time,
)

from seil.sandbox.admanager.seed import (
    ADVERTISER_ID,
    ORDER_IDS,
    PARTNER_CLIENT_ID,
)

GoogleAdsServerFault: Any = importlib.import_module("googleads.errors").GoogleAdsServerFault

# The official client logs every fault with a function that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")


def _fault(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value.errors[0]["errorString"])


def _state(soap: Soap, proposal: int) -> tuple[str, str, bool]:
    current = soap.read(proposal)
    info = current["marketplaceInfo"]
    return current["status"], info["negotiationStatus"], info["hasLocalVersionEdits"]


def _sent(soap: Soap, clock: Time, action: str = "RequestBuyerAcceptance") -> tuple[int, int]:
    proposal = soap.proposal()
    line = soap.line(proposal["id"], clock.now)
    assert soap.act(action, proposal["id"]) == 1
    return proposal["id"], line["id"]


def _line(soap: Soap, number: int) -> Any:
    page = soap.lines.getProposalLineItemsByStatement(by_id(number).ToStatement())
    return page["results"][0]


def test_current_network_is_returned(soap: Soap) -> None:
    network = soap.service("NetworkService").getCurrentNetwork()
    assert network["networkCode"] == "1234567"
    assert network["timeZone"] == "Australia/Sydney"


def test_new_proposal_is_a_draft_with_its_buyer(soap: Soap) -> None:
    proposal = soap.proposal(name="Spring deal")
    assert proposal["status"] == "DRAFT"
    assert proposal["marketplaceInfo"]["negotiationStatus"] == "SELLER_INITIATED"
    assert proposal["marketplaceInfo"]["partnerClientId"] == PARTNER_CLIENT_ID
    assert soap.read(proposal["id"])["name"] == "Spring deal"


def test_accepted_proposal_becomes_an_order_with_line_items(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    proposal, line = _sent(soap, clock)
    assert _state(soap, proposal) == ("PENDING_APPROVAL", "ONLY_SELLER_ACCEPTED", False)
    http.post(f"/sandbox/proposals/{proposal}/accept").raise_for_status()
    assert _state(soap, proposal) == ("APPROVED", "FINALIZED", False)
    sold = soap.read(proposal)
    assert sold["isSold"]
    order = google.orders.get_order(name=f"{NETWORK}/orders/{sold['dfpOrderId']}")
    assert (order.display_name, order.programmatic) == ("A proposal", True)
    sold_line = _line(soap, line)
    assert sold_line["computedStatus"] == "READY"
    name = f"{NETWORK}/lineItems/{sold_line['dfpLineItemId']}"
    item = google.line_items.get_line_item(name=name)
    assert (item.rate.units, item.rate.nanos, item.goal.units) == (12, 500_000_000, 200_000)
    assert item.targeting.geo_targeting.targeted_geos == [f"{NETWORK}/geoTargets/2036"]


def test_buyer_that_agrees_first_needs_the_seller_again(
    soap: Soap, http: httpx.Client, clock: Time
) -> None:
    proposal, _ = _sent(soap, clock, "RequestBuyerReview")
    assert _state(soap, proposal)[1] == "AWAITING_BUYER_REVIEW"
    http.post(f"/sandbox/proposals/{proposal}/accept").raise_for_status()
    assert _state(soap, proposal)[1] == "AWAITING_SELLER_REVIEW"
    soap.act("RequestBuyerAcceptance", proposal)
    assert _state(soap, proposal)[1] == "FINALIZED"


def test_counter_of_the_buyer_changes_rate_and_units(
    soap: Soap, http: httpx.Client, clock: Time
) -> None:
    proposal, line = _sent(soap, clock)
    wishes = {"netRate": 9_000_000, "units": 150_000, "comment": "Too dear"}
    http.post(f"/sandbox/proposals/{proposal}/counter", json=wishes).raise_for_status()
    assert _state(soap, proposal) == ("DRAFT", "AWAITING_SELLER_REVIEW", False)
    current = _line(soap, line)
    assert (current["netRate"]["microAmount"], current["goal"]["units"]) == (9_000_000, 150_000)
    soap.act("EditProposalsForNegotiation", proposal)
    soap.act("RequestBuyerAcceptance", proposal)
    assert _state(soap, proposal)[1] == "ONLY_SELLER_ACCEPTED"


def test_counter_during_edits_is_taken_by_discarding_them(
    soap: Soap, http: httpx.Client, clock: Time
) -> None:
    proposal, line = _sent(soap, clock)
    soap.act("EditProposalsForNegotiation", proposal)
    extra = soap.line(proposal, clock.now, name="Thought of later")
    http.post(f"/sandbox/proposals/{proposal}/counter", json={"netRate": 100}).raise_for_status()
    assert soap.read(proposal)["marketplaceInfo"]["isNewVersionFromBuyer"]
    with pytest.raises(GoogleAdsServerFault, match="NEW_VERSION_FROM_BUYER"):
        soap.act("RequestBuyerAcceptance", proposal)
    soap.act("DiscardLocalVersionEdits", proposal)
    assert _state(soap, proposal) == ("DRAFT", "AWAITING_SELLER_REVIEW", False)
    assert _line(soap, line)["netRate"]["microAmount"] == 100
    page = soap.lines.getProposalLineItemsByStatement(by_id(extra["id"]).ToStatement())
    assert page["totalResultSetSize"] == 0


def test_sold_proposal_is_paused_resumed_and_renamed(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    proposal, line = _sent(soap, clock)
    http.post(f"/sandbox/proposals/{proposal}/accept").raise_for_status()
    clock.pass_by(days=3)
    soap.act("PauseProposals", proposal, reason="holiday")
    paused = _line(soap, line)
    assert (paused["computedStatus"], paused["pauseReason"]) == ("PAUSED", "holiday")
    soap.act("ResumeProposals", proposal)
    assert _line(soap, line)["computedStatus"] == "DELIVERING"
    sold = soap.read(proposal)
    sold["name"] = "Another name"
    soap.proposals.updateProposals([sold])
    soap.act("UpdateOrderWithSellerData", proposal)
    order = google.orders.get_order(name=f"{NETWORK}/orders/{sold['dfpOrderId']}")
    assert order.display_name == "Another name"


def test_sold_proposal_is_negotiated_again_for_the_same_order(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    proposal, line = _sent(soap, clock)
    http.post(f"/sandbox/proposals/{proposal}/accept").raise_for_status()
    before = (soap.read(proposal)["dfpOrderId"], _line(soap, line)["dfpLineItemId"])
    soap.act("EditProposalsForNegotiation", proposal)
    changed = _line(soap, line)
    changed["goal"]["units"] = 300_000
    soap.lines.updateProposalLineItems([changed])
    soap.act("RequestBuyerAcceptance", proposal)
    http.post(f"/sandbox/proposals/{proposal}/accept").raise_for_status()
    after = (soap.read(proposal)["dfpOrderId"], _line(soap, line)["dfpLineItemId"])
    assert after == before
    item = google.line_items.get_line_item(name=f"{NETWORK}/lineItems/{after[1]}")
    assert item.goal.units == 300_000


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["TerminateNegotiations"], ("PENDING_APPROVAL", "CANCELLED", False)),
        (["EditProposalsForNegotiation"], ("DRAFT", "ONLY_SELLER_ACCEPTED", True)),
        (
            ["EditProposalsForNegotiation", "DiscardLocalVersionEdits"],
            ("PENDING_APPROVAL", "ONLY_SELLER_ACCEPTED", False),
        ),
        (["ReserveProposals"], ("PENDING_APPROVAL", "ONLY_SELLER_ACCEPTED", False)),
    ],
)
def test_sent_proposal_follows_its_actions(
    soap: Soap, clock: Time, actions: list[str], state: tuple[str, str, bool]
) -> None:
    proposal, _ = _sent(soap, clock)
    for action in actions:
        assert soap.act(action, proposal) == 1
    assert _state(soap, proposal) == state


def test_archived_proposal_comes_back(soap: Soap) -> None:
    number = soap.proposal()["id"]
    soap.act("ArchiveProposals", number)
    assert soap.read(number)["isArchived"]
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.act("RequestBuyerReview", number)
    assert _fault(error) == "ProposalActionError.IS_ARCHIVED"
    soap.act("UnarchiveProposals", number)
    assert not soap.read(number)["isArchived"]


_NOT_NOW = "ProposalActionError.NOT_APPLICABLE"
_NOT_OPEN = "DealError.CAN_ONLY_EXECUTE_IF_LOCAL_EDITS"
_STATES = ("draft", "review", "acceptance", "back", "final", "reopened", "terminated")
# Each action in each of these states: changed, or refused with its reason.
_MATRIX: dict[str, tuple[str, ...]] = {
    "RequestBuyerReview": ("", _NOT_OPEN, _NOT_OPEN, _NOT_OPEN, _NOT_OPEN, "", _NOT_NOW),
    "RequestBuyerAcceptance": ("", _NOT_OPEN, _NOT_OPEN, "", _NOT_OPEN, "", _NOT_NOW),
    "EditProposalsForNegotiation": (_NOT_NOW, "", "", "", "", _NOT_NOW, _NOT_NOW),
    "DiscardLocalVersionEdits": (
        *(_NOT_NOW, _NOT_OPEN, _NOT_OPEN, _NOT_OPEN, _NOT_OPEN, "", _NOT_OPEN),
    ),
    "PauseProposals": (_NOT_NOW, _NOT_NOW, _NOT_NOW, _NOT_NOW, "", _NOT_NOW, _NOT_NOW),
    "ResumeProposals": (_NOT_NOW,) * 7,
    "TerminateNegotiations": (_NOT_NOW, "", "", "", _NOT_NOW, _NOT_NOW, _NOT_NOW),
    "ReserveProposals": ("", "", "", "", _NOT_NOW, _NOT_NOW, _NOT_NOW),
    "UpdateOrderWithSellerData": (
        *(_NOT_NOW, _NOT_NOW, _NOT_NOW, _NOT_NOW),
        *("DealError.NO_PROPOSAL_CHANGES_FOUND", "DealError.NO_PROPOSAL_CHANGES_FOUND"),
        _NOT_NOW,
    ),
    "ArchiveProposals": (
        *("", _NOT_NOW, _NOT_NOW, ""),
        *("DealError.CANNOT_ARCHIVE_PROPOSAL_WHEN_SOLD",) * 2,
        "",
    ),
    "UnarchiveProposals": (_NOT_NOW,) * 7,
}


def _in_state(soap: Soap, http: httpx.Client, clock: Time, state: str) -> int:
    review = state in ("review", "back")
    if state == "draft":
        number = int(soap.proposal()["id"])
        soap.line(number, clock.now)
        return number
    number, _ = _sent(soap, clock, "RequestBuyerReview" if review else "RequestBuyerAcceptance")
    if state in ("back", "final", "reopened"):
        http.post(f"/sandbox/proposals/{number}/accept").raise_for_status()
    if state in ("reopened", "terminated"):
        reopens = state == "reopened"
        soap.act("EditProposalsForNegotiation" if reopens else "TerminateNegotiations", number)
    return number


@pytest.mark.parametrize(
    ("action", "state", "reason"),
    [
        pytest.param(action, state, reason, id=f"{action}-{state}")
        for action, reasons in _MATRIX.items()
        for state, reason in zip(_STATES, reasons, strict=True)
    ],
)
def test_action_is_taken_or_refused_by_the_state(
    soap: Soap, http: httpx.Client, clock: Time, action: str, state: str, reason: str
) -> None:
    number = _in_state(soap, http, clock, state)
    if not reason:
        assert soap.act(action, number) == 1
        return
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.act(action, number)
    assert _fault(error) == reason


def test_terminated_renegotiation_leaves_the_sold_deal(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    number = _in_state(soap, http, clock, "final")
    soap.act("EditProposalsForNegotiation", number)
    line = soap.lines_of(number)[0]
    line["netRate"]["microAmount"] = 20_000_000
    soap.lines.updateProposalLineItems([line])
    soap.act("RequestBuyerAcceptance", number)
    soap.act("TerminateNegotiations", number)
    assert _state(soap, number) == ("APPROVED", "FINALIZED", False)
    assert _line(soap, line["id"])["netRate"]["microAmount"] == 12_500_000
    order = google.orders.get_order(name=f"{NETWORK}/orders/{soap.read(number)['dfpOrderId']}")
    assert order.status == order.status.APPROVED


def test_sold_line_item_is_archived_with_the_buyers_consent(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    number = soap.proposal()["id"]
    first, second = (soap.line(number, clock.now, name=name)["id"] for name in "ab")
    soap.act("RequestBuyerAcceptance", number)
    http.post(f"/sandbox/proposals/{number}/accept").raise_for_status()
    _line_refused(soap, "Archive", first, "DealError.CANNOT_ARCHIVE_LINE_ITEM_WHEN_SOLD")
    _line_action(soap, "Pause", first)
    soap.act("EditProposalsForNegotiation", number)
    reason = "ProposalLineItemActionError.CANNOT_ARCHIVE_ONGOING_PROPOSAL_LINE_ITEM"
    _line_refused(soap, "Archive", second, reason)
    _line_action(soap, "Archive", first)
    reason = "CANNOT_UNARCHIVE_SOLD_PROGRAMMATIC_PROPOSAL_LINE_ITEM"
    _line_refused(soap, "Unarchive", first, f"ProposalLineItemActionError.{reason}")
    soap.act("RequestBuyerAcceptance", number)
    http.post(f"/sandbox/proposals/{number}/accept").raise_for_status()
    name = f"{NETWORK}/lineItems/{_line(soap, first)['dfpLineItemId']}"
    assert google.line_items.get_line_item(name=name).archived


def test_order_is_updated_with_what_needs_no_buyer(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    number = _in_state(soap, http, clock, "reopened")
    line = soap.lines_of(number)[0]
    line["name"] = "Another line"
    soap.lines.updateProposalLineItems([line])
    assert soap.act("UpdateOrderWithSellerData", number) == 1
    assert _state(soap, number) == ("APPROVED", "FINALIZED", False)
    item = google.line_items.get_line_item(name=f"{NETWORK}/lineItems/{line['dfpLineItemId']}")
    assert item.display_name == "Another line"
    soap.act("EditProposalsForNegotiation", number)
    line["netRate"]["microAmount"] = 20_000_000
    soap.lines.updateProposalLineItems([line])
    with pytest.raises(GoogleAdsServerFault, match="netRate") as error:
        soap.act("UpdateOrderWithSellerData", number)
    assert _fault(error) == "DealError.CANNOT_CHANGE_FIELD_REQUIRING_BUYER_APPROVAL"


@pytest.mark.parametrize(
    ("lever", "body"), [("accept", {}), ("counter", {"units": 1}), ("terminate", {})]
)
def test_buyer_cannot_act_before_the_proposal_is_sent(
    soap: Soap, http: httpx.Client, lever: str, body: dict[str, Any]
) -> None:
    number = soap.proposal()["id"]
    assert http.post(f"/sandbox/proposals/{number}/{lever}", json=body).status_code == 400
    assert http.post(f"/sandbox/proposals/1/{lever}", json=body).status_code == 404


@pytest.mark.parametrize("action", ["RequestBuyerAcceptance", "ReserveProposals"])
def test_more_than_there_is_has_to_be_overbooked(soap: Soap, clock: Time, action: str) -> None:
    number = soap.proposal()["id"]
    goal = {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 10**9}
    soap.line(number, clock.now, goal=goal)
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.act(action, number)
    assert _fault(error) == "ForecastError.NOT_ENOUGH_INVENTORY"
    assert soap.act(action, number, allowOverbook=True) == 1


@pytest.mark.parametrize("wishes", [{"netRate": 0}, {"netRate": 101}, {"units": 0}], ids=str)
def test_buyer_counters_within_the_rules(
    soap: Soap, http: httpx.Client, clock: Time, wishes: dict[str, int]
) -> None:
    number, _ = _sent(soap, clock)
    answer = http.post(f"/sandbox/proposals/{number}/counter", json=wishes)
    assert answer.status_code == 400


def test_buyer_can_end_it(soap: Soap, http: httpx.Client, clock: Time) -> None:
    proposal, _ = _sent(soap, clock)
    http.post(f"/sandbox/proposals/{proposal}/terminate").raise_for_status()
    assert _state(soap, proposal) == ("REJECTED", "CANCELLED", False)


def test_proposal_without_line_items_is_not_sent(soap: Soap, clock: Time) -> None:
    number = soap.proposal()["id"]
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.act("RequestBuyerReview", number)
    assert _fault(error) == "DealError.MISSING_PROPOSAL_LINE_ITEMS"
    _line_action(soap, "Archive", soap.line(number, clock.now)["id"])
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.act("RequestBuyerReview", number)
    assert _fault(error) == "ProposalError.HAS_NO_UNARCHIVED_PROPOSAL_LINEITEMS"


@pytest.mark.parametrize(
    "field", ["advertiser", "primarySalesperson", "primaryTraffickerId", "sellerContactIds"]
)
def test_proposal_is_not_sent_before_it_is_whole(soap: Soap, clock: Time, field: str) -> None:
    number = soap.proposal(**{field: None})["id"]
    soap.line(number, clock.now)
    with pytest.raises(GoogleAdsServerFault, match=field) as error:
        soap.act("RequestBuyerAcceptance", number)
    assert _fault(error) == "RequiredError.REQUIRED"


def test_update_replaces_the_whole_of_a_proposal(soap: Soap) -> None:
    proposal = soap.proposal(internalNotes="old")
    del proposal["internalNotes"]
    proposal["name"] = "New name"
    changed = soap.proposals.updateProposals([proposal])[0]
    assert (changed["name"], changed["internalNotes"]) == ("New name", None)
    assert changed["status"] == "DRAFT"


def test_update_of_a_proposal_with_the_buyer_is_refused(soap: Soap, clock: Time) -> None:
    proposal, line = _sent(soap, clock)
    current = soap.read(proposal)
    current["advertiser"] = {"companyId": ADVERTISER_ID + 1, "type": "ADVERTISER"}
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposals.updateProposals([current])
    assert _fault(error) == "ProposalError.UPDATE_PROPOSAL_NOT_ALLOWED"
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.lines.updateProposalLineItems([_line(soap, line)])
    assert _fault(error) == _NOT_OPEN


def _update_refused(soap: Soap, line: Any, reason: str) -> None:
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.lines.updateProposalLineItems([line])
    assert _fault(error) == reason


def test_sold_deal_is_changed_only_once_it_is_reopened(
    soap: Soap, http: httpx.Client, clock: Time
) -> None:
    number = _in_state(soap, http, clock, "final")
    line = soap.lines_of(number)[0]
    line["netRate"]["microAmount"] = 1_000_000
    _update_refused(soap, line, "DealError.CAN_ONLY_EXECUTE_IF_LOCAL_EDITS")
    soap.act("EditProposalsForNegotiation", number)
    soap.lines.updateProposalLineItems([line])
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.line(number, clock.now, name="One more")
    assert _fault(error) == "DealError.CANNOT_ADD_LINE_ITEM_WHEN_SOLD"
    line["startDateTime"] = soap_time(clock.now + timedelta(days=3))
    _update_refused(soap, line, "CommonError.CANNOT_UPDATE")


def _line_action(soap: Soap, kind: str, line: int) -> int:
    done = soap.lines.performProposalLineItemAction(
        {"xsi_type": f"{kind}ProposalLineItems"}, by_id(line).ToStatement()
    )
    return int(done["numChanges"])


def _line_refused(soap: Soap, kind: str, line: int, reason: str) -> None:
    with pytest.raises(GoogleAdsServerFault) as error:
        _line_action(soap, kind, line)
    assert _fault(error) == reason


def test_proposal_line_item_follows_its_actions(
    soap: Soap, http: httpx.Client, clock: Time
) -> None:
    number = soap.proposal()["id"]
    line = soap.line(number, clock.now)["id"]
    for action in ("Archive", "Unarchive", "Reserve"):
        assert _line_action(soap, action, line) == 1
    assert _line(soap, line)["reservationStatus"] == "RESERVED"
    _line_action(soap, "Release", line)
    assert _line(soap, line)["reservationStatus"] == "RELEASED"
    with pytest.raises(GoogleAdsServerFault) as error:
        _line_action(soap, "Pause", line)
    assert _fault(error) == "ProposalLineItemActionError.NOT_APPLICABLE"
    soap.act("RequestBuyerAcceptance", number)
    with pytest.raises(GoogleAdsServerFault) as error:
        _line_action(soap, "Archive", line)
    assert _fault(error) == "ProposalLineItemActionError.PROPOSAL_NOT_EDITABLE"
    http.post(f"/sandbox/proposals/{number}/accept").raise_for_status()
    _line_action(soap, "Pause", line)
    assert _line(soap, line)["computedStatus"] == "PAUSED"
    _line_action(soap, "Resume", line)
    assert _line(soap, line)["computedStatus"] == "READY"


def test_forecast_of_a_line_item_that_may_be_booked(soap: Soap, clock: Time) -> None:
    service = soap.service("ForecastService")
    line = proposal_line(0, clock.now)
    wish = {
        "lineItem": {
            "orderId": ORDER_IDS[0],
            "lineItemType": "STANDARD",
            "startDateTimeType": "IMMEDIATELY",
            "endDateTime": line["endDateTime"],
            "targeting": line["targeting"],
            "creativePlaceholders": line["creativePlaceholders"],
            "primaryGoal": line["goal"],
        },
        "advertiserId": ADVERTISER_ID,
    }
    answer = service.getAvailabilityForecast(wish, {"includeContendingLineItems": False})
    assert answer["matchedUnits"] >= answer["possibleUnits"] >= answer["availableUnits"] > 0
    assert (answer["reservedUnits"], answer["orderId"]) == (200_000, ORDER_IDS[0])
    for field in ("targeting", "creativePlaceholders", "endDateTime"):
        partial = {k: v for k, v in wish["lineItem"].items() if k != field}  # type: ignore[attr-defined]
        with pytest.raises(GoogleAdsServerFault) as error:
            service.getAvailabilityForecast({"lineItem": partial}, {})
        assert _fault(error) == "RequiredError.REQUIRED"
    with pytest.raises(GoogleAdsServerFault) as error:
        service.getAvailabilityForecast({**wish, "advertiserId": 1}, {})
    assert _fault(error) == "CommonError.NOT_FOUND"
    forecast = service.getAvailabilityForecastById(ORDER_IDS[0] + 1, {})
    assert (forecast["lineItemId"], forecast["deliveredUnits"] > 0) == (ORDER_IDS[0] + 1, True)


def test_statement_pages_and_sorts(soap: Soap) -> None:
    for number in range(5):
        soap.proposal(name=f"Deal {number}")
    statement = {
        "query": "WHERE name LIKE :pattern AND status = 'DRAFT'"
        " ORDER BY name DESC LIMIT 2 OFFSET 1",
        "values": [{"key": "pattern", "value": {"xsi_type": "TextValue", "value": "Deal%"}}],
    }
    page = soap.proposals.getProposalsByStatement(statement)
    assert (page["totalResultSetSize"], page["startIndex"]) == (5, 1)
    assert [entry["name"] for entry in page["results"]] == ["Deal 3", "Deal 2"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("WHERE id = :missing", "StatementError.VARIABLE_NOT_BOUND_TO_VALUE"),
        ("WHERE id == 1", "PublisherQueryLanguageSyntaxError.UNPARSABLE"),
        ("WHERE id = 1; DROP", "PublisherQueryLanguageSyntaxError.UNPARSABLE"),
        ("SELECT id", "PublisherQueryLanguageSyntaxError.UNPARSABLE"),
        ("LIMIT 5 WHERE id = 1", "PublisherQueryLanguageSyntaxError.UNPARSABLE"),
        ("WHERE secret = 1", "PublisherQueryLanguageContextError.UNEXECUTABLE"),
    ],
)
def test_broken_statement_is_refused(soap: Soap, query: str, reason: str) -> None:
    soap.proposal()
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposals.getProposalsByStatement({"query": query})
    assert _fault(error) == reason


def test_other_network_is_refused(soap: Soap) -> None:
    other = Soap(soap.server, network_code="99")
    with pytest.raises(GoogleAdsServerFault) as error:
        other.service("NetworkService").getCurrentNetwork()
    assert _fault(error) == "AuthenticationError.NETWORK_NOT_FOUND"
