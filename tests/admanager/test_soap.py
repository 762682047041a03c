"""Proposals, their line items and forecasts against the stand-in's SOAP API."""

from __future__ import annotations

import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.admanager.conftest import Wire
from tests.admanager.test_rest import at
from tests.limits import HANGS, HELD, SOON, until

from seil.admanager.client import AdManager
from seil.admanager.models import (
    ActOnProposal,
    ActOnProposalLineItems,
    CreateProposal,
    CreateProposalLineItems,
    GetForecast,
    GetProposal,
    GetProposalLineItems,
    Proposal,
    UpdateProposal,
    UpdateProposalLineItems,
)
from seil.admanager.soap.wsdl import WsdlFolder
from seil.deadline import deadline
from seil.errors import (
    ConfigurationError,
    ConflictError,
    LoginError,
    RequestRejectedError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.sandbox.admanager import catalog, seed
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import AdManagerSettings

TARGETING = {
    "inventoryTargeting": {
        "targetedAdUnits": [{"adUnitId": seed.ROOT_AD_UNIT_ID, "includeDescendants": True}]
    },
    "customTargeting": {
        "logicalOperator": "OR",
        "children": [
            {
                "logicalOperator": "AND",
                "children": [
                    {
                        "keyId": catalog.KEY_ID,
                        "valueIds": [catalog.VALUE_ID, catalog.VALUE_ID + 1],
                        "operator": "IS_NOT",
                    },
                    {"audienceSegmentIds": [catalog.SEGMENT_ID], "operator": "IS"},
                ],
            }
        ],
    },
}


def new_proposal(gam: AdManager, **more: Any) -> Proposal:
    values = {
        "name": f"Deal {uuid.uuid4()}",
        "marketplaceInfo": {"buyerAccountId": seed.BUYER_ACCOUNT_ID},
        **more,
    }
    return gam.create_proposal(CreateProposal.model_validate({"proposals": [values]}))


def sydney(days: int) -> dict[str, Any]:
    """Deals keep to the network's zone."""
    return {**at(days), "timeZoneId": "Australia/Sydney"}


def proposal_line_item(proposal: int, **more: Any) -> dict[str, Any]:
    return {
        "proposalId": proposal,
        "name": f"Line {uuid.uuid4()}",
        "deliveryRateType": "EVENLY",
        "startDateTime": sydney(30),
        "endDateTime": sydney(60),
        "netRate": {"currencyCode": "AUD", "microAmount": 9_000_100},
        "rateType": "CPM",
        "lineItemType": "STANDARD",
        "goal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 5_000},
        "creativePlaceholders": [{"size": {"width": 300, "height": 250, "isAspectRatio": False}}],
        "targeting": TARGETING,
        **more,
    }


def new_lines(gam: AdManager, proposal: int, count: int = 1) -> list[int]:
    values = {"proposalLineitems": [proposal_line_item(proposal) for _ in range(count)]}
    answer = gam.create_proposal_line_items(CreateProposalLineItems.model_validate(values))
    return [item.id for item in answer.proposal_lineitems]


def act(gam: AdManager, proposal: int, action: str, **more: Any) -> int:
    values = {"proposalId": proposal, "action": action, **more}
    return gam.act_on_proposal(ActOnProposal.model_validate(values)).num_changes


def test_proposal_is_created_and_read_whole(gam: AdManager) -> None:
    proposal = new_proposal(gam, internalNotes='a "b" <c> \U0001f680')
    read = gam.get_proposal(GetProposal(proposal_id=proposal.id))
    assert read.internal_notes == 'a "b" <c> \U0001f680'
    assert (read.status, read.is_programmatic) == ("DRAFT", True)
    assert read.marketplace_info is not None
    assert read.marketplace_info.buyer_account_id == seed.BUYER_ACCOUNT_ID


def test_buyer_of_a_proposal_may_be_a_partner_client(gam: AdManager) -> None:
    proposal = new_proposal(gam, marketplaceInfo={"buyerAccountId": seed.PARTNER_CLIENT_ID})
    assert proposal.marketplace_info is not None
    assert proposal.marketplace_info.buyer_account_id == seed.BUYER_ACCOUNT_ID


def test_proposal_of_a_buyer_that_is_not_one_is_refused(gam: AdManager) -> None:
    with pytest.raises(RequestRejectedError, match="exactly one programmatic buyer"):
        new_proposal(gam, marketplaceInfo={"buyerAccountId": 1})


@pytest.mark.parametrize("identity", [5, 10**19 - 1])
def test_missing_proposal_is_named(gam: AdManager, identity: int) -> None:
    calls = (
        lambda: gam.get_proposal(GetProposal(proposal_id=identity)),
        lambda: gam.get_proposal_line_items(GetProposalLineItems(proposal_id=identity)),
        lambda: act(gam, identity, "archive"),
    )
    for call in calls:
        with pytest.raises(RequestRejectedError, match="there is no") as caught:
            call()
        assert caught.value.status == 404


def test_only_what_is_given_of_a_proposal_changes(gam: AdManager) -> None:
    before = new_proposal(gam, internalNotes="old")
    request = UpdateProposal.model_validate(
        {
            "proposalId": before.id,
            "internalNotes": "new",
            "marketplaceInfo": {"marketplaceComment": "hello"},
        }
    )
    after = gam.update_proposal(request)
    assert (after.name, after.internal_notes) == (before.name, "new")
    assert after.marketplace_info is not None
    assert after.marketplace_info.marketplace_comment == "hello"
    assert after.marketplace_info.buyer_account_id == seed.BUYER_ACCOUNT_ID


def test_null_takes_a_field_away(gam: AdManager) -> None:
    before = new_proposal(gam, internalNotes="old")
    values = {"proposalId": before.id, "internalNotes": None}
    assert gam.update_proposal(UpdateProposal.model_validate(values)).internal_notes is None


def test_change_of_a_proposal_is_repeated_after_a_concurrent_one(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    proposal = new_proposal(gam)
    conflict = AdManagerFault(body="updateProposals", error="concurrent-modification", times=2)
    stand_in.faults.add(conflict)
    values = {"proposalId": proposal.id, "internalNotes": "x"}
    assert gam.update_proposal(UpdateProposal.model_validate(values)).internal_notes == "x"
    stand_in.faults.clear()
    stand_in.faults.add(conflict.model_copy(update={"times": None}))
    with pytest.raises(ConflictError):
        gam.update_proposal(UpdateProposal.model_validate(values))


def test_action_on_a_proposal_counts_its_changes(gam: AdManager) -> None:
    proposal = new_proposal(gam)
    assert act(gam, proposal.id, "archive") == 1
    assert gam.get_proposal(GetProposal(proposal_id=proposal.id)).is_archived
    assert act(gam, proposal.id, "UNARCHIVE") == 1


def test_action_that_cannot_be_is_refused_with_the_reason(gam: AdManager) -> None:
    with pytest.raises(RequestRejectedError, match=r"\w+Error\.\w+") as caught:
        act(gam, new_proposal(gam).id, "pause", reason="late")
    assert caught.value.status == 400


def test_pause_takes_a_reason_to_ad_manager(gam: AdManager, stand_in: AdManagerServer) -> None:
    """The stand-in refuses the pause itself: what is seen here is that the reason was sent."""
    proposal = new_proposal(gam)
    stand_in.faults.add(AdManagerFault(body="PauseProposals.*creatives are late", error="quota"))
    with pytest.raises(UnavailableError, match="QuotaError"):
        act(gam, proposal.id, "pause", reason="creatives are late")


def _draft(gam: AdManager) -> int:
    proposal = new_proposal(
        gam,
        advertiser={"companyId": seed.ADVERTISER_ID, "type": "ADVERTISER"},
        primarySalesperson={"userId": seed.SALESPERSON_ID},
        primaryTraffickerId=seed.TRAFFICKER_ID,
        sellerContactIds=[seed.SALESPERSON_ID],
    )
    return proposal.id


def _sent(gam: AdManager, action: str) -> int:
    number = _draft(gam)
    new_lines(gam, number)
    act(gam, number, action)
    return number


@pytest.mark.parametrize("action", ["request-buyer-acceptance", "request-buyer-review"])
def test_retract_takes_a_proposal_back_from_the_buyer(gam: AdManager, action: str) -> None:
    number = _sent(gam, action)
    assert act(gam, number, "retract") == 1
    read = gam.get_proposal(GetProposal(proposal_id=number))
    assert (read.status, read.marketplace_info.has_local_version_edits) == ("DRAFT", True)  # type: ignore[union-attr]
    (line,) = gam.get_proposal_line_items(GetProposalLineItems(proposal_id=number)).wire()[
        "proposalLineitems"
    ]
    changes = {"id": line["id"], "netRate": {"currencyCode": "AUD", "microAmount": 8_000_000}}
    gam.update_proposal_line_items(
        UpdateProposalLineItems.model_validate({"proposalLineitems": [changes]})
    )
    assert act(gam, number, action) == 1


def test_more_than_there_is_is_sold_by_overbooking(gam: AdManager) -> None:
    number = _draft(gam)
    (line,) = new_lines(gam, number)
    goal = {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 10**12}
    gam.update_proposal_line_items(
        UpdateProposalLineItems.model_validate({"proposalLineitems": [{"id": line, "goal": goal}]})
    )
    with pytest.raises(RequestRejectedError, match="NOT_ENOUGH_INVENTORY"):
        act(gam, number, "request-buyer-acceptance")
    values = {"proposalLineItemIds": [line], "action": "reserve-and-overbook"}
    request = ActOnProposalLineItems.model_validate(values)
    assert gam.act_on_proposal_line_items(request).num_changes == 1
    assert act(gam, number, "RequestBuyerAcceptanceAndOverbook") == 1


def test_retract_of_what_the_buyer_does_not_have_is_refused(gam: AdManager) -> None:
    """Nothing is opened by it: neither a draft nor what is over."""
    number = _sent(gam, "request-buyer-acceptance")
    act(gam, number, "terminate-negotiations")
    for one, status in ((new_proposal(gam).id, "SELLER_INITIATED"), (number, "CANCELLED")):
        with pytest.raises(RequestRejectedError, match=f"its negotiation {status}") as caught:
            act(gam, one, "retract")
        assert caught.value.status == 400


def test_refused_action_says_in_which_state_the_proposal_is(gam: AdManager) -> None:
    number = _sent(gam, "request-buyer-acceptance")
    state = f"{number} is PENDING_APPROVAL, its negotiation ONLY_SELLER_ACCEPTED, not open for edit"
    for action in ("archive", "request-buyer-acceptance"):
        with pytest.raises(RequestRejectedError, match=state):
            act(gam, number, action)


def test_custom_fields_and_labels_survive_soap(gam: AdManager) -> None:
    fields = [
        {"customFieldId": catalog.PROPOSAL_FIELD_ID, "value": {"value": "a & b"}},
        {"customFieldId": catalog.PROPOSAL_FIELD_ID + 1, "value": {"value": True}},
        {"customFieldId": catalog.PROPOSAL_FIELD_ID + 2, "value": {"value": 12.5}},
        {
            "customFieldId": catalog.PROPOSAL_FIELD_ID + 3,
            "customFieldOptionId": catalog.OPTION_ID,
        },
    ]
    proposal = new_proposal(gam, customFieldValues=fields)
    assert proposal.wire()["customFieldValues"] == fields
    values = {"proposalId": proposal.id, "customFieldValues": fields[:1]}
    after = gam.update_proposal(UpdateProposal.model_validate(values))
    assert after.wire()["customFieldValues"] == fields[:1]


def test_buyer_of_a_change_may_be_a_partner_client_too(gam: AdManager) -> None:
    proposal = new_proposal(gam)
    same = {"buyerAccountId": seed.PARTNER_CLIENT_ID}
    request = UpdateProposal.model_validate({"proposalId": proposal.id, "marketplaceInfo": same})
    info = gam.update_proposal(request).marketplace_info
    assert info is not None
    assert info.buyer_account_id == seed.BUYER_ACCOUNT_ID


def test_forecast_names_the_advertiser(gam: AdManager) -> None:
    values = {"lineItem": PROSPECT, "advertiserId": seed.ADVERTISER_ID}
    forecast = gam.forecast(GetForecast.model_validate({"lineItems": [values]}))
    assert forecast.matched_units > 0


def test_more_than_a_page_of_line_items_is_read(
    gam: AdManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.admanager.soap.values.PAGE", 2)
    proposal = new_proposal(gam).id
    items = new_lines(gam, proposal, 5)
    read = gam.get_proposal_line_items(GetProposalLineItems(proposal_id=proposal))
    assert [item.id for item in read.proposal_lineitems] == sorted(items)


def test_version_that_is_none_is_a_configuration_error(settings: AdManagerSettings) -> None:
    gam = AdManager(settings.model_copy(update={"soap_version": "v199901"}))
    with pytest.raises(ConfigurationError, match=r"admanager\.soap_version"):
        gam.forecast(prospect())


def test_proposal_line_items_are_created_and_read_whole(gam: AdManager) -> None:
    proposal = new_proposal(gam).id
    sent = proposal_line_item(proposal)
    request = CreateProposalLineItems.model_validate({"proposalLineitems": [sent]})
    created = gam.create_proposal_line_items(request).proposal_lineitems[0]
    request_ = GetProposalLineItems(proposal_id=proposal)
    items = gam.get_proposal_line_items(request_).proposal_lineitems
    assert [item.id for item in items] == [created.id]
    wire = items[0].wire()
    for name in ("name", "netRate", "rateType", "goal", "creativePlaceholders", "targeting"):
        assert wire[name] == sent[name], name
    assert wire["startDateTime"]["date"] == sent["startDateTime"]["date"]


def test_proposal_without_line_items_has_none(gam: AdManager) -> None:
    request = GetProposalLineItems(proposal_id=new_proposal(gam).id)
    assert gam.get_proposal_line_items(request).proposal_lineitems == []


def test_line_item_of_no_proposal_is_refused(gam: AdManager) -> None:
    values = {"proposalLineitems": [proposal_line_item(5)]}
    with pytest.raises(RequestRejectedError, match="proposalId") as caught:
        gam.create_proposal_line_items(CreateProposalLineItems.model_validate(values))
    assert caught.value.status == 400


def test_only_what_is_given_of_a_proposal_line_item_changes(gam: AdManager) -> None:
    proposal = new_proposal(gam).id
    first, second = new_lines(gam, proposal, 2)
    changes = [
        {"id": second, "netRate": {"currencyCode": "AUD", "microAmount": 700}},
        {"id": first, "name": "New"},
    ]
    request = UpdateProposalLineItems.model_validate({"proposalLineitems": changes})
    after = gam.update_proposal_line_items(request).proposal_lineitems
    assert [item.id for item in after] == [second, first]
    assert after[0].net_rate is not None
    assert (after[0].net_rate.micro_amount, after[1].name) == (700, "New")
    assert after[1].targeting is not None
    assert after[1].targeting.wire() == TARGETING


@pytest.mark.parametrize("fields", [{}, {"proposalId": 7}], ids=["id", "id and proposal"])
def test_a_proposal_line_item_without_changes_is_refused(
    gam: AdManager, fields: dict[str, int]
) -> None:
    request = UpdateProposalLineItems.model_validate({"proposalLineitems": [{"id": 1, **fields}]})
    with pytest.raises(RequestRejectedError, match=r"\[0\]: no change is given") as caught:
        gam.update_proposal_line_items(request)
    assert caught.value.status == 400


def test_a_proposal_line_item_of_another_proposal_is_refused(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    proposal = new_proposal(gam).id
    (line,) = new_lines(gam, proposal, 1)
    stand_in.faults.add(AdManagerFault(body="updateProposalLineItems", error="quota"))
    changes = {"id": line, "proposalId": new_proposal(gam).id, "name": "New"}
    request = UpdateProposalLineItems.model_validate({"proposalLineitems": [changes]})
    with pytest.raises(RequestRejectedError, match=r"\[0\]\.proposalId: .* another") as caught:
        gam.update_proposal_line_items(request)
    assert caught.value.status == 400
    stand_in.faults.clear()
    changes["proposalId"] = proposal
    request = UpdateProposalLineItems.model_validate({"proposalLineitems": [changes]})
    assert gam.update_proposal_line_items(request).proposal_lineitems[0].name == "New"


def test_missing_proposal_line_items_are_named(gam: AdManager) -> None:
    request = UpdateProposalLineItems.model_validate(
        {"proposalLineitems": [{"id": 5, "name": "x"}]}
    )
    with pytest.raises(RequestRejectedError, match="no proposal line item 5") as caught:
        gam.update_proposal_line_items(request)
    assert caught.value.status == 404


def test_proposal_line_items_are_archived(gam: AdManager) -> None:
    proposal = new_proposal(gam).id
    identities = new_lines(gam, proposal, 2)
    values = {"proposalLineItemIds": identities, "action": "archive"}
    request = ActOnProposalLineItems.model_validate(values)
    assert gam.act_on_proposal_line_items(request).num_changes == 2


PROSPECT = {
    "lineItemType": "STANDARD",
    "startDateTime": at(30),
    "endDateTime": at(60),
    "costType": "CPM",
    "costPerUnit": {"currencyCode": "AUD", "microAmount": 9_000_000},
    "primaryGoal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 5_000},
    "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
    "targeting": {"inventoryTargeting": TARGETING["inventoryTargeting"]},
}


def prospect(**more: Any) -> GetForecast:
    return GetForecast.model_validate({"lineItems": [{"lineItem": {**PROSPECT, **more}}]})


def test_forecast_of_a_line_item_that_may_be(gam: AdManager) -> None:
    forecast = gam.forecast(prospect())
    assert forecast.unit_type == "IMPRESSIONS"
    assert forecast.matched_units >= forecast.available_units > 0


def test_field_that_the_version_lacks_is_refused_by_name(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    soap = gam._soap
    with pytest.raises(RequestRejectedError, match="bogus: v202608 of the SOAP API"):
        soap.read("Forecast", "getAvailabilityForecast", {"bogus": 1}, {})
    with pytest.raises(RequestRejectedError, match="getNothing"):
        soap.read("Forecast", "getNothing")


FAULTS: list[Any] = [
    pytest.param(
        AdManagerFault(error="unauthenticated", times=9), LoginError, "Authentication", id="401"
    ),
    pytest.param(
        AdManagerFault(error="quota", times=9), UnavailableError, "QuotaError", id="quota"
    ),
    pytest.param(
        AdManagerFault(error="internal", times=9), UnavailableError, "ServerError", id="internal"
    ),
    pytest.param(
        AdManagerFault(status=503, html="<html>", times=9), UnavailableError, "503", id="503"
    ),
    pytest.param(AdManagerFault(status=403, text="", times=9), LoginError, "refuses", id="403"),
    pytest.param(
        AdManagerFault(html="<p>login"), UnexpectedAnswerError, "without a SOAP", id="html"
    ),
    pytest.param(
        AdManagerFault(text=""), UnexpectedAnswerError, "without a SOAP answer", id="empty"
    ),
    pytest.param(
        AdManagerFault(cut=40, times=9), UnavailableError, "the connection broke", id="cut"
    ),
    pytest.param(AdManagerFault(reset="before", times=9), UnavailableError, "broke", id="reset"),
]


@pytest.mark.parametrize(("fault", "error", "text"), FAULTS)
def test_soap_that_goes_wrong_is_translated(
    gam: AdManager,
    stand_in: AdManagerServer,
    fault: AdManagerFault,
    error: type[SeilError],
    text: str,
) -> None:
    gam.forecast(prospect())
    stand_in.faults.add(fault.model_copy(update={"path": "^/apis/", "method": "POST"}))
    with pytest.raises(error, match=text):
        gam.forecast(prospect())


def test_token_that_soap_refuses_is_renewed(gam: AdManager, stand_in: AdManagerServer) -> None:
    proposal = new_proposal(gam).id
    stand_in.faults.add(AdManagerFault(path="^/token$", after=10**6))
    stand_in.faults.add(AdManagerFault(path="^/apis/", end_tokens=True, times=1))
    values = {"proposalId": proposal, "internalNotes": "x"}
    assert gam.update_proposal(UpdateProposal.model_validate(values)).internal_notes == "x"
    assert gam.get_proposal(GetProposal(proposal_id=proposal)).internal_notes == "x"
    assert stand_in.faults.entries()[0]["seen"] == 1


def test_threads_with_a_token_that_soap_refuses_renew_it_once(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    gam.forecast(prospect())
    stand_in.faults.add(AdManagerFault(path="^/token$", after=10**6))
    stand_in.faults.add(AdManagerFault(path="^/apis/", end_tokens=True, times=1))
    with ThreadPoolExecutor(8) as threads:
        units = list(threads.map(lambda _: gam.forecast(prospect()).unit_type, range(8)))
    assert units == ["IMPRESSIONS"] * 8
    assert stand_in.faults.entries()[0]["seen"] == 1


def test_token_that_soap_refuses_for_ever_is_a_login_error(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    gam.forecast(prospect())
    stand_in.faults.add(AdManagerFault(path="^/token$", after=10**6))
    stand_in.faults.add(AdManagerFault(path="^/apis/", error="unauthenticated"))
    with pytest.raises(LoginError, match="AUTHENTICATION_FAILED"):
        gam.forecast(prospect())
    assert [fault["seen"] for fault in stand_in.faults.entries()] == [1, 2]


def test_effect_over_soap_is_not_repeated(gam: AdManager, stand_in: AdManagerServer) -> None:
    proposal = new_proposal(gam).id
    stand_in.faults.add(AdManagerFault(body="updateProposals", reset="after"))
    values = {"proposalId": proposal, "internalNotes": "x"}
    with pytest.raises(UnavailableError) as caught:
        gam.update_proposal(UpdateProposal.model_validate(values))
    assert (caught.value.reached, stand_in.faults.entries()[0]["struck"]) == (True, 1)


def test_soap_that_is_late_is_too_slow(gam: AdManager, stand_in: AdManagerServer) -> None:
    gam.forecast(prospect())
    stand_in.faults.add(AdManagerFault(path="^/apis/", delay=HELD))
    with deadline(SOON), pytest.raises(TooSlowError):
        gam.forecast(prospect())


def descriptions(stand_in: AdManagerServer) -> int:
    return sum(entry["seen"] for entry in stand_in.faults.entries())


@pytest.fixture
def counted(stand_in: AdManagerServer) -> AdManagerServer:
    """Counts how often a description is fetched, but for what earlier tests still renew."""
    for thread in threading.enumerate():
        if thread.name == "seil-description":
            thread.join(HANGS)
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", after=10**6))
    return stand_in


def test_description_is_fetched_once_and_kept(
    settings: AdManagerSettings, counted: AdManagerServer
) -> None:
    for _ in range(2):
        gam = AdManager(settings)
        gam.forecast(prospect())
        gam.forecast(prospect())
    assert descriptions(counted) == 1


@pytest.mark.parametrize("spoilt", [b"", b"half", "cut"])
def test_description_that_is_spoilt_is_fetched_again(
    settings: AdManagerSettings, counted: AdManagerServer, spoilt: bytes | str
) -> None:
    AdManager(settings).forecast(prospect())
    (file,) = settings.wsdl_cache.iterdir()
    file.write_bytes(file.read_bytes()[:5_000] if isinstance(spoilt, str) else spoilt)
    AdManager(settings).forecast(prospect())
    assert descriptions(counted) == 2


def test_description_that_is_no_description_is_fetched_again(
    settings: AdManagerSettings, counted: AdManagerServer
) -> None:
    folder = WsdlFolder(settings.wsdl_cache, settings.wsdl_age)
    url = f"{settings.soap_endpoint}/apis/ads/publisher/v202608/ForecastService?wsdl"
    folder.keep(url, b"<html>please log in</html>")
    AdManager(settings).forecast(prospect())
    assert descriptions(counted) == 1


@pytest.mark.parametrize("days", [-31, 31])
def test_description_of_another_time_is_fetched_again(
    settings: AdManagerSettings, counted: AdManagerServer, days: int
) -> None:
    AdManager(settings).forecast(prospect())
    (file,) = settings.wsdl_cache.iterdir()
    then = time.time() + days * 86400
    os.utime(file, (then, then))
    AdManager(settings).forecast(prospect())
    until(lambda: abs(file.stat().st_mtime - then) > 1)  # It is renewed beside its use.
    AdManager(settings).forecast(prospect())
    assert descriptions(counted) == 2


def test_old_description_is_used_when_it_cannot_be_renewed(
    settings: AdManagerSettings, stand_in: AdManagerServer
) -> None:
    AdManager(settings).forecast(prospect())
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", status=503, html="<html>"))
    old = settings.model_copy(update={"wsdl_age": timedelta(0)})
    assert AdManager(old).forecast(prospect()).matched_units > 0


def test_description_that_cannot_be_had_leaves_the_effect_undone(
    settings: AdManagerSettings, stand_in: AdManagerServer
) -> None:
    gam = AdManager(settings.model_copy(update={"attempts": 1}))
    stand_in.faults.add(AdManagerFault(path=r"\?wsdl", status=503, html="<html>"))
    with pytest.raises(UnavailableError) as caught:
        new_proposal(gam)
    assert not caught.value.reached


def test_folder_that_cannot_be_written_is_no_obstacle(
    settings: AdManagerSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    blocked = settings.model_copy(update={"wsdl_cache": tmp_path / "file"})
    assert AdManager(blocked).forecast(prospect()).matched_units > 0


def test_no_part_of_a_file_is_left_when_it_cannot_be_put_in_place(tmp_path: Path) -> None:
    folder = WsdlFolder(tmp_path, timedelta(days=1))
    folder._file("x").mkdir()
    with pytest.raises(OSError, match=r"."):
        folder.keep("x", b"content")
    assert list(tmp_path.glob("*.part")) == []


def test_first_calls_of_many_threads_share_the_services(
    settings: AdManagerSettings, counted: AdManagerServer
) -> None:
    gam = AdManager(settings)
    notes: list[str] = []

    def ask() -> None:
        for _ in range(3):
            proposal = new_proposal(gam, internalNotes=threading.current_thread().name)
            read = gam.get_proposal(GetProposal(proposal_id=proposal.id))
            notes.append(read.internal_notes or "")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(notes) == sorted(thread.name for thread in threads for _ in range(3))
    assert descriptions(counted) == 1


def test_description_that_is_late_is_too_slow(wire: Wire, wired: AdManager) -> None:
    wire.reply(b"")
    wire.holds = True
    with deadline(SOON), pytest.raises(TooSlowError) as caught:
        wired.forecast(prospect())
    assert not caught.value.reached
