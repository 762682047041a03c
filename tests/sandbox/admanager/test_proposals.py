"""Proposals through the official SOAP client, and what the buyer does."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
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
    AGENCY_ID,
    ORDER_IDS,
    PARTNER_CLIENT_ID,
    SALESPERSON_ID,
)

GoogleAdsServerFault: Any = importlib.import_module("googleads.errors").GoogleAdsServerFault

# The official client logs every fault with a function that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")


def _fault(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value.errors[0]["errorString"])


def _state(soap: Soap, proposal: int) -> tuple[str, str, bool]:
    found = soap.read(proposal)
    info = found["marketplaceInfo"]
    return found["status"], info["negotiationStatus"], info["hasLocalVersionEdits"]


def _sent(soap: Soap, clock: Time, action: str = "RequestBuyerAcceptance") -> tuple[int, int]:
    proposal = soap.proposal()
    line = soap.line(proposal["id"], clock.now)
    assert soap.act(action, proposal["id"]) == 1
    return proposal["id"], line["id"]


def _line(soap: Soap, number: int) -> Any:
    found = soap.lines.getProposalLineItemsByStatement(by_id(number).ToStatement())
    return found["results"][0]


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
    found = _line(soap, line)
    assert (found["netRate"]["microAmount"], found["goal"]["units"]) == (9_000_000, 150_000)
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
    assert _line(soap, line)["computedStatus"] == "PAUSED"
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
def test_buyer_has_no_say_before_it_is_asked(
    soap: Soap, http: httpx.Client, lever: str, body: dict[str, Any]
) -> None:
    number = soap.proposal()["id"]
    assert http.post(f"/sandbox/proposals/{number}/{lever}", json=body).status_code == 400
    assert http.post(f"/sandbox/proposals/1/{lever}", json=body).status_code == 404


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


def _company(number: int, kind: str = "ADVERTISER", **more: Any) -> dict[str, Any]:
    return {"companyId": number, "type": kind, **more}


def _agency(number: int = AGENCY_ID, **more: Any) -> dict[str, Any]:
    return _company(number, "PRIMARY_AGENCY", **more)


INACTIVE = 240_000_006
_UNSUPPORTED_COMPANY = (
    "ProposalError.UNSUPPORTED_COMPANY_ASSOCIATION_TYPE_FOR_PROGRAMMATIC_PROPOSAL"
)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": None}, "RequiredError.REQUIRED"),
        ({"name": "x" * 256}, "StringLengthError.TOO_LONG"),
        ({"marketplaceInfo": None}, "RequiredError.REQUIRED"),
        ({"marketplaceInfo": {"buyerAccountId": 1}}, "ProgrammaticError.INVALID_BUYER"),
        ({"marketplaceInfo": {"buyerAccountId": 550_009}}, "ProgrammaticError.INVALID_BUYER"),
        ({"primaryTraffickerId": 1}, "CommonError.NOT_FOUND"),
        ({"sellerContactIds": [1]}, "CommonError.NOT_FOUND"),
        ({"primaryTraffickerId": INACTIVE}, "CommonError.NOT_FOUND"),
        ({"primarySalesperson": {"userId": INACTIVE}}, "CommonError.NOT_FOUND"),
        ({"salesPlannerIds": [INACTIVE]}, "CommonError.NOT_FOUND"),
        ({"salesPlannerIds": [SALESPERSON_ID] * 9}, "CollectionSizeError.TOO_LARGE"),
        ({"salesPlannerIds": [SALESPERSON_ID] * 2}, "ProposalError.DUPLICATED_SALES_PLANNER"),
        ({"internalNotes": "x" * 65_536}, "StringLengthError.TOO_LONG"),
        ({"currencyCode": "USD"}, "ProposalError.UNSUPPORTED_PROPOSAL_CURRENCY_CODE"),
        ({"currencyCode": "dollars"}, "CurrencyCodeError.INVALID"),
        ({"advertiser": _company(1)}, "CommonError.NOT_FOUND"),
        ({"advertiser": {"type": "ADVERTISER"}}, "RequiredError.REQUIRED"),
        ({"advertiser": {"companyId": ADVERTISER_ID}}, "RequiredError.REQUIRED"),
        ({"advertiser": _company(AGENCY_ID)}, "CompanyError.INVALID_COMPANY_TYPE"),
        (
            {"advertiser": _company(ADVERTISER_ID, contactIds=[1])},
            "ProposalError.CONTACT_UNSUPPORTED_FOR_ADVERTISER",
        ),
        ({"advertiser": _company(ADVERTISER_ID, "OTHER_AGENCY")}, _UNSUPPORTED_COMPANY),
        ({"agencies": [_company(AGENCY_ID, "BILLING_AGENCY")]}, _UNSUPPORTED_COMPANY),
        ({"agencies": [_agency(1)]}, "CommonError.NOT_FOUND"),
        ({"agencies": [_agency(ADVERTISER_ID)]}, "CompanyError.INVALID_COMPANY_TYPE"),
        ({"agencies": [_agency(contactIds=[1])]}, "ProposalError.INVALID_CONTACT"),
        ({"agencies": [_agency(), _agency()]}, "ProposalError.DUPLICATED_COMPANY_ASSOCIATION"),
        (
            {"agencies": [_agency(), _agency(AGENCY_ID + 1)]},
            "ProposalError.PRIMARY_AGENCY_NOT_UNIQUE",
        ),
    ],
    ids=str,
)
def test_bad_proposal_is_refused(soap: Soap, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposal(**fields)
    assert _fault(error) == reason


def test_update_replaces_the_whole_of_a_proposal(soap: Soap) -> None:
    made = soap.proposal(internalNotes="old")
    del made["internalNotes"]
    made["name"] = "New name"
    changed = soap.proposals.updateProposals([made])[0]
    assert (changed["name"], changed["internalNotes"]) == ("New name", None)
    assert changed["status"] == "DRAFT"


def test_update_of_a_proposal_with_the_buyer_is_refused(soap: Soap, clock: Time) -> None:
    proposal, line = _sent(soap, clock)
    found = soap.read(proposal)
    found["advertiser"] = {"companyId": ADVERTISER_ID + 1, "type": "ADVERTISER"}
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposals.updateProposals([found])
    assert _fault(error) == "ProposalError.UPDATE_PROPOSAL_NOT_ALLOWED"
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.lines.updateProposalLineItems([_line(soap, line)])
    assert _fault(error) == _NOT_OPEN


_AHEAD = datetime(2026, 3, 20, 9, tzinfo=UTC)
_LINE, _DEAL = "ProposalLineItemError", "ProposalLineItemProgrammaticError"
_TERMS, _PREFERRED_ERROR = "ReservationDetailsError", "PreferredDealError"
_SPONSORED = {
    "lineItemType": "SPONSORSHIP",
    "goal": {"goalType": "DAILY", "unitType": "IMPRESSIONS", "units": 50},
}
_CAPPED = [{"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 1_000}]
_PREFERRED = {
    "lineItemType": "PREFERRED_DEAL",
    "goal": {"goalType": "NONE"},
    "deliveryRateType": "FRONTLOADED",
    "estimatedMinimumImpressions": 1_000,
}


def _goal(**members: Any) -> dict[str, Any]:
    return {"goal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 5, **members}}


def _rate(amount: int, currency: str = "AUD", *, field: str = "netRate") -> dict[str, Any]:
    return {field: {"currencyCode": currency, "microAmount": amount}}


def _placed(*sizes: tuple[int, int], **members: Any) -> dict[str, Any]:
    placeholders = [{"size": {"width": w, "height": h}, **members} for w, h in sizes]
    return {"creativePlaceholders": placeholders}


def _targeted(**inventory: Any) -> dict[str, Any]:
    return {"targeting": {"inventoryTargeting": inventory}}


_BAD_LINES: dict[str, tuple[dict[str, Any], str]] = {
    "nobody's proposal": ({"proposalId": 1}, "CommonError.NOT_FOUND"),
    "no rate": ({"netRate": None}, "RequiredError.REQUIRED"),
    "no amount": ({"netRate": {"currencyCode": "AUD"}}, "RequiredError.REQUIRED"),
    "no delivery": ({"deliveryRateType": None}, "RequiredError.REQUIRED"),
    "long name": ({"name": "x" * 256}, "StringLengthError.TOO_LONG"),
    "rate 0": (_rate(0), f"{_DEAL}.ZERO_COST_PER_UNIT_NOT_SUPPORTED"),
    "rate below 0": (_rate(-100), "RangeError.TOO_LOW"),
    "rate too exact": (_rate(12_500_001), "PrecisionError.WRONG_PRECISION"),
    "cost too exact": (_rate(100, field="netCost"), "PrecisionError.WRONG_PRECISION"),
    "other currency": (_rate(100, "USD"), "CurrencyCodeError.UNSUPPORTED"),
    "start past": (
        {"startDateTime": soap_time(datetime(2026, 3, 3, tzinfo=UTC))},
        f"{_LINE}.START_DATE_TIME_IS_IN_PAST",
    ),
    "end before start": (
        {"endDateTime": soap_time(datetime(2026, 3, 4, 2, tzinfo=UTC))},
        f"{_LINE}.END_DATE_TIME_NOT_AFTER_START_TIME",
    ),
    "end too late": (
        {"endDateTime": soap_time(datetime(2037, 1, 2, tzinfo=UTC))},
        f"{_LINE}.END_DATE_TIME_TOO_LATE",
    ),
    "other zone": (
        {"startDateTime": soap_time(_AHEAD, "UTC")},
        f"{_LINE}.INVALID_TIME_ZONE_FOR_DEALS",
    ),
    "no zone": (
        {"startDateTime": {**soap_time(_AHEAD), "timeZoneId": "Mars/Base"}},
        "TimeZoneError.INVALID_TIMEZONE_ID",
    ),
    "type": ({"lineItemType": "HOUSE"}, f"{_DEAL}.INVALID_PROPOSAL_LINE_ITEM_TYPE"),
    "rate of standard": ({"rateType": "CPD"}, f"{_DEAL}.INVALID_RATE_TYPE"),
    "viewable": ({"rateType": "VCPM"}, f"{_DEAL}.INVALID_RATE_TYPE"),
    "goal of standard": (_goal(goalType="DAILY"), f"{_TERMS}.DURATION_NOT_ALLOWED"),
    "goal without units": ({"goal": {"goalType": "LIFETIME"}}, "RequiredError.REQUIRED"),
    "clicks": (_goal(unitType="CLICKS"), f"{_TERMS}.UNIT_TYPE_NOT_ALLOWED"),
    "units of a rate": (
        _goal(unitType="IN_TARGET_IMPRESSIONS"),
        f"{_TERMS}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED",
    ),
    "no units": (_goal(units=0), f"{_DEAL}.INVALID_NUM_UNITS"),
    "cap of standard": ({"secondaryGoals": _CAPPED}, "CommonError.NOT_APPLICABLE"),
    "sponsorship over 100": (
        {**_SPONSORED, "goal": {**_SPONSORED["goal"], "units": 101}},  # type: ignore[dict-item]
        f"{_TERMS}.PERCENTAGE_UNITS_BOUGHT_TOO_HIGH",
    ),
    "sponsorship for life": (
        {**_SPONSORED, **_goal()},
        f"{_TERMS}.DURATION_NOT_ALLOWED",
    ),
    "sponsorship by day": (
        {**_SPONSORED, "rateType": "CPD"},
        f"{_DEAL}.INVALID_SPONSORSHIP_CONTRACTED_UNITS_BOUGHT",
    ),
    "sponsorship without cap": (_SPONSORED, "RequiredError.REQUIRED"),
    "preferred by day": (
        {**_PREFERRED, "rateType": "CPD"},
        f"{_PREFERRED_ERROR}.INVALID_RATE_TYPE",
    ),
    "preferred with a goal": ({**_PREFERRED, **_goal()}, f"{_TERMS}.DURATION_NOT_ALLOWED"),
    "preferred evenly": (
        {**_PREFERRED, "deliveryRateType": "EVENLY"},
        f"{_PREFERRED_ERROR}.INVALID_DELIVERY_RATE_TYPE",
    ),
    "preferred capped": (
        {
            **_PREFERRED,
            "frequencyCaps": [{"maxImpressions": 1, "numTimeUnits": 1, "timeUnit": "DAY"}],
        },
        f"{_PREFERRED_ERROR}.INVALID_FREQUENCY_CAPS",
    ),
    "preferred together": (
        {**_PREFERRED, "roadblockingType": "ONLY_ONE"},
        f"{_PREFERRED_ERROR}.INVALID_ROADBLOCKING_TYPE",
    ),
    "preferred without an estimate": (
        {**_PREFERRED, "estimatedMinimumImpressions": None},
        "RequiredError.REQUIRED",
    ),
    "priority": ({"lineItemPriority": 4}, f"{_LINE}.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    "creative set": ({"roadblockingType": "CREATIVE_SET"}, f"{_DEAL}.ROADBLOCKING_NOT_SUPPORTED"),
    "companions": (
        {"companionDeliveryOption": "ALL"},
        f"{_LINE}.INVALID_COMPANION_DELIVERY_OPTION_FOR_ROADBLOCKING_TYPE",
    ),
    "no size": ({"creativePlaceholders": [{"isAmpOnly": True}]}, f"{_LINE}.SIZE_REQUIRED"),
    "odd size": (_placed((301, 251)), "ProgrammaticError.SIZE_NOT_SUPPORTED"),
    "ratio": (
        _placed((4, 1), creativeSizeType="ASPECT_RATIO"),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "any size": (
        _placed((1, 1), creativeSizeType="IGNORED"),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "size of a native": (
        _placed((300, 250), creativeSizeType="NATIVE", creativeTemplateId=1),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "native without template": (
        _placed((1, 1), creativeSizeType="NATIVE"),
        f"{_LINE}.CANNOT_INCLUDE_NATIVE_PLACEHOLDER_WITHOUT_TEMPLATE_ID",
    ),
    "banner with template": (
        _placed((300, 250), creativeTemplateId=1),
        f"{_LINE}.CANNOT_HAVE_CREATIVE_TEMPLATE",
    ),
    "size twice": (_placed((300, 250), (300, 250)), f"{_LINE}.DUPLICATED_MASTER_SIZE"),
    "companion size": (
        _placed((300, 250), companions=[{"size": {"width": 88, "height": 31}}]),
        f"{_LINE}.COMPANION_NOT_ALLOWED",
    ),
    "no creatives": (
        _placed((300, 250), expectedCreativeCount=0),
        f"{_LINE}.INVALID_EXPECTED_CREATIVE_COUNT",
    ),
    "duration of a banner": (
        {"videoMaxDuration": 30_000},
        f"{_LINE}.CANNOT_SET_VIDEO_DURATION_ON_NON_VIDEO_DEAL",
    ),
    "skippable banner": (
        {"videoCreativeSkippableAdType": "ANY"},
        f"{_LINE}.SKIPPABLE_AD_TYPE_NOT_ALLOWED",
    ),
    "video together": (
        {"environmentType": "VIDEO_PLAYER", "roadblockingType": "ONLY_ONE"},
        f"{_LINE}.VIDEO_INVALID_ROADBLOCKING",
    ),
    "nobody's ad unit": (_targeted(targetedAdUnits=[{"adUnitId": "1"}]), "CommonError.NOT_FOUND"),
    "nobody's placement": (_targeted(targetedPlacementIds=[1]), "CommonError.NOT_FOUND"),
    "no inventory": (
        {"targeting": {"userDomainTargeting": {"domains": ["a.example"], "targeted": True}}},
        "InventoryTargetingError.AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED",
    ),
}


@pytest.mark.parametrize(("fields", "reason"), _BAD_LINES.values(), ids=_BAD_LINES)
def test_bad_proposal_line_item_is_refused(
    soap: Soap, clock: Time, fields: dict[str, Any], reason: str
) -> None:
    number = soap.proposal()["id"]
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.line(number, clock.now, **fields)
    assert _fault(error) == reason


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {**_SPONSORED, "secondaryGoals": _CAPPED},
        {**_SPONSORED, "rateType": "CPD", "contractedUnitsBought": 1_000},
        _PREFERRED,
        {"lineItemPriority": 6, "roadblockingType": "ONLY_ONE"},
        _placed((300, 250), (728, 90)),
        {**_placed((1, 1), creativeSizeType="NATIVE", creativeTemplateId=1)},
        {"environmentType": "VIDEO_PLAYER", "videoMaxDuration": 30_000, **_placed((640, 361))},
    ],
    ids=["standard", "share", "days", "preferred", "priority", "sizes", "native", "video"],
)
def test_good_proposal_line_item_is_made(soap: Soap, clock: Time, fields: dict[str, Any]) -> None:
    assert soap.line(soap.proposal()["id"], clock.now, **fields)["reservationStatus"]


def test_line_items_of_a_proposal_go_together(soap: Soap, clock: Time) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now)
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.line(number, clock.now)
    assert _fault(error) == "UniqueError"
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.line(number, clock.now, name="Other", **_PREFERRED)
    assert _fault(error) == f"{_DEAL}.MIX_GUARANTEED_AND_PREFERRED_DEAL_NOT_ALLOWED"


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


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"programmaticCreativeSource": "ADVERTISER"},
            "CANNOT_UPDATE_PROGRAMMATIC_CREATIVE_SOURCE",
        ),
        (_placed((728, 90)), "CANNOT_UPDATE_SIZES"),
    ],
    ids=["source", "sizes"],
)
def test_what_the_buyer_has_seen_is_not_changed(
    soap: Soap, clock: Time, fields: dict[str, Any], reason: str
) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now, programmaticCreativeSource="PUBLISHER")
    soap.act("RequestBuyerReview", number)
    soap.act("EditProposalsForNegotiation", number)
    line = soap.lines_of(number)[0]
    for name, value in fields.items():
        line[name] = value
    _update_refused(soap, line, f"{_DEAL}.{reason}")


def test_advertiser_stays_once_inventory_is_reserved(soap: Soap, clock: Time) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now)
    soap.act("ReserveProposals", number)
    found = soap.read(number)
    found["advertiser"]["companyId"] = ADVERTISER_ID + 1
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.proposals.updateProposals([found])
    assert _fault(error) == "ProposalError.UPDATE_ADVERTISER_NOT_ALLOWED"


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
    found = service.getAvailabilityForecast(wish, {"includeContendingLineItems": False})
    assert found["matchedUnits"] >= found["possibleUnits"] >= found["availableUnits"] > 0
    assert (found["reservedUnits"], found["orderId"]) == (200_000, ORDER_IDS[0])
    for field in ("targeting", "creativePlaceholders", "endDateTime"):
        partial = {k: v for k, v in wish["lineItem"].items() if k != field}  # type: ignore[attr-defined]
        with pytest.raises(GoogleAdsServerFault) as error:
            service.getAvailabilityForecast({"lineItem": partial}, {})
        assert _fault(error) == "RequiredError.REQUIRED"
    with pytest.raises(GoogleAdsServerFault) as error:
        service.getAvailabilityForecast({**wish, "advertiserId": 1}, {})
    assert _fault(error) == "CommonError.NOT_FOUND"
    known = service.getAvailabilityForecastById(ORDER_IDS[0] + 1, {})
    assert (known["lineItemId"], known["deliveredUnits"] > 0) == (ORDER_IDS[0] + 1, True)


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
    assert [found["name"] for found in page["results"]] == ["Deal 3", "Deal 2"]


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
