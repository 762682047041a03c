from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from seil.admanager import models
from seil.admanager.models import (
    ActOnLineItems,
    ActOnOrder,
    ActOnProposal,
    ActOnProposalLineItems,
    CreateLineItems,
    CreateOrder,
    CreateProposal,
    CreateProposalLineItems,
    GetForecast,
    GetLineItems,
    GetOrder,
    LineItem,
    UpdateLineItems,
    UpdateProposal,
    UpdateProposalLineItems,
)
from seil.admanager.models.base import Shape
from seil.admanager.models.targeting import CustomCriteriaSet
from seil.admanager.models.values import CreativePlaceholder, DateTime, Goal, Money

AT = {
    "date": {"year": 2026, "month": 12, "day": 1},
    "hour": 9,
    "minute": 0,
    "second": 0,
    "timeZoneId": "Australia/Sydney",
}
ORDER = {"name": "Acme", "advertiserId": 1, "traffickerId": "2"}
LINE_ITEM = {
    "name": "Homepage",
    "startDateTime": AT,
    "lineItemType": "STANDARD",
    "costPerUnit": {"currencyCode": "AUD", "microAmount": 1},
    "costType": "CPM",
    "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
    "targeting": {},
}
PROPOSAL = {"name": "Deal", "marketplaceInfo": {"buyerAccountId": "55"}}
PROPOSAL_LINE_ITEM = {
    "proposalId": 7,
    "name": "Homepage",
    "deliveryRateType": "EVENLY",
    "startDateTime": AT,
    "endDateTime": {**AT, "hour": 23},
    "netRate": {"currencyCode": "AUD", "microAmount": 100},
    "targeting": {},
    "creativePlaceholders": [],
    "rateType": "CPM",
    "lineItemType": "STANDARD",
}


def problems(model: type[BaseModel], values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}


@pytest.mark.parametrize(
    ("model", "key", "least"),
    [
        pytest.param(CreateOrder, "orders", ORDER, id="order"),
        pytest.param(CreateLineItems, "lineItems", LINE_ITEM, id="line item"),
        pytest.param(CreateProposal, "proposals", PROPOSAL, id="proposal"),
        pytest.param(
            CreateProposalLineItems,
            "proposalLineitems",
            PROPOSAL_LINE_ITEM,
            id="proposal line item",
        ),
        pytest.param(UpdateLineItems, "lineItems", {"id": 1, "orderId": 2}, id="changes"),
        pytest.param(UpdateProposalLineItems, "proposalLineitems", {"id": 1}, id="pli changes"),
        pytest.param(GetForecast, "lineItems", {"lineItem": {}}, id="forecast"),
    ],
)
def test_required_fields_are_the_listed_ones(
    model: type[BaseModel], key: str, least: dict[str, Any]
) -> None:
    model.model_validate({key: [least]})
    assert set(problems(model, {key: [{}]})) == {f"{key}.0.{name}" for name in least}


@pytest.mark.parametrize(
    ("model", "key", "one"),
    [
        (CreateOrder, "orders", ORDER),
        (CreateProposal, "proposals", PROPOSAL),
        (GetForecast, "lineItems", {"lineItem": {}}),
    ],
)
@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_is_taken(
    model: type[BaseModel], key: str, one: dict[str, Any], count: int
) -> None:
    assert set(problems(model, {key: [one] * count})) == {key}


@pytest.mark.parametrize(
    ("model", "values", "place"),
    [
        (CreateOrder, {"orders": [{**ORDER, "bogus": 1}]}, "orders.0.bogus"),
        (CreateOrder, {"orders": [ORDER], "bogus": 1}, "bogus"),
        (CreateLineItems, {"lineItems": [{**LINE_ITEM, "id": 5}]}, "lineItems.0.id"),
        (
            CreateLineItems,
            {"lineItems": [{**LINE_ITEM, "targeting": {"geo": {}}}]},
            "lineItems.0.targeting.geo",
        ),
        (CreateProposalLineItems, {"proposalLineItems": []}, "proposalLineItems"),
    ],
)
def test_unknown_field_is_refused_by_name(
    model: type[BaseModel], values: dict[str, Any], place: str
) -> None:
    assert problems(model, values)[place] == "Extra inputs are not permitted"


@pytest.mark.parametrize("value", [7, "7", 0, 10**19 - 1, str(10**19 - 1), "0007"])
def test_id_is_an_integer_or_digits(value: int | str) -> None:
    assert GetOrder.model_validate({"orderId": value}).wire() == {"orderId": int(value)}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 OR 1=1",
        "7'",
        "-1",
        -1,
        "+7",
        "1.0",
        1.0,
        True,
        None,
        [],
        "\u0667",
        "7\n",
        10**19,
        "x",
    ],
)
def test_id_that_is_not_digits_is_refused(value: object) -> None:
    assert "orderId" in problems(GetOrder, {"orderId": value})


@pytest.mark.parametrize(
    "spelling",
    [
        "request-buyer-acceptance",
        "requestBuyerAcceptance",
        "RequestBuyerAcceptance",
        "request_buyer_acceptance",
        "REQUEST_BUYER_ACCEPTANCE",
        "request buyer acceptance",
        " Request  Buyer Acceptance ",
    ],
)
def test_action_is_understood_however_it_is_spelled(spelling: str) -> None:
    values = {"proposalId": 1, "action": spelling}
    assert ActOnProposal.model_validate(values).action == "request-buyer-acceptance"


@pytest.mark.parametrize(
    ("model", "key", "spelling", "action"),
    [
        (ActOnOrder, {"orderId": 1}, "SubmitOrdersForApproval", "submit-for-approval"),
        (
            ActOnOrder,
            {"orderId": 1},
            "ApproveOrdersWithoutReservationChanges",
            "approve-without-reservation",
        ),
        (ActOnOrder, {"orderId": 1}, "ARCHIVE", "archive"),
        (ActOnLineItems, {"ids": [1]}, "PauseLineItems", "pause"),
        (ActOnProposal, {"proposalId": 1}, "EditProposalsForNegotiation", "edit-for-negotiation"),
        (ActOnProposal, {"proposalId": 1}, "edit for negotiation", "edit-for-negotiation"),
        (
            ActOnProposal,
            {"proposalId": 1},
            "UpdateOrderWithSellerData",
            "update-order-with-seller-data",
        ),
        (
            ActOnProposalLineItems,
            {"proposalLineItemIds": [1]},
            "ArchiveProposalLineItems",
            "archive",
        ),
    ],
)
def test_soaps_names_of_actions_are_understood(
    model: type[BaseModel], key: dict[str, Any], spelling: str, action: str
) -> None:
    assert model.model_validate({**key, "action": spelling}).model_dump()["action"] == action


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (ActOnOrder, {"orderId": 1}),
        (ActOnLineItems, {"ids": [1]}),
        (ActOnProposal, {"proposalId": 1}),
        (ActOnProposalLineItems, {"proposalLineItemIds": [1]}),
    ],
)
def test_every_action_that_is_listed_is_understood(
    model: type[BaseModel], key: dict[str, Any]
) -> None:
    words = model.model_json_schema()["properties"]["action"]["enum"]

    for word in words:
        for spelling in (word, word.replace("-", "_").upper(), word.title().replace("-", "")):
            assert model.model_validate({**key, "action": spelling}).model_dump()["action"] == word


@pytest.mark.parametrize(
    ("model", "key"),
    [(ActOnProposal, {"proposalId": 1}), (ActOnProposalLineItems, {"proposalLineItemIds": [1]})],
)
def test_a_reason_is_for_pause_alone(model: type[Shape], key: dict[str, Any]) -> None:
    late = {**key, "reason": "late"}

    assert model.model_validate({**late, "action": "pause"}).wire()["reason"] == "late"
    assert "archive takes none" in problems(model, {**late, "action": "archive"})[""]


def test_duplicates_are_named() -> None:
    lines = [{"id": number, "orderId": 1, "notes": "x"} for number in (5, 6, 5)]
    proposed = [{"id": number, "name": "x"} for number in (8, 8, 9, 9)]

    reasons = problems(UpdateLineItems, {"lineItems": lines})
    assert "5: is named more than once" in reasons[""]
    reasons = problems(UpdateProposalLineItems, {"proposalLineitems": proposed})
    assert "8, 9: is named more than once" in reasons[""]


def test_an_action_is_refused_as_it_was_written() -> None:
    with pytest.raises(ValidationError) as caught:
        ActOnOrder.model_validate({"orderId": 1, "action": "Explode Orders"})

    assert caught.value.errors()[0]["input"] == "Explode Orders"


@pytest.mark.parametrize("action", ["explode", "", 5, None, "unarchive"])
def test_other_action_is_refused_with_the_list(action: object) -> None:
    reasons = problems(ActOnLineItems, {"ids": [1], "action": action})
    assert "'archive', 'pause'" in reasons["action"]


@pytest.mark.parametrize("values", [{}, {"lineItemId": 1, "orderId": 2}])
def test_line_items_are_listed_by_one_id(values: dict[str, Any]) -> None:
    assert "exactly one" in problems(GetLineItems, values)[""]


@pytest.mark.parametrize(
    "body",
    [
        {"proposals": [{"name": "New"}]},
        {"name": "New"},
        {"proposals": [{"id": "9", "name": "New"}]},
    ],
    ids=["wrapped", "bare", "with its id"],
)
def test_changes_of_a_proposal_may_stand_alone(body: dict[str, Any]) -> None:
    request = UpdateProposal.model_validate({"proposalId": 9, **body})
    assert (request.proposal_id, request.proposals[0].name) == (9, "New")


@pytest.mark.parametrize("fields", [{}, {"isProgrammatic": True}, {"isProgrammatic": None}])
def test_a_new_proposal_is_programmatic(fields: dict[str, Any]) -> None:
    CreateProposal.model_validate({"proposals": [{**PROPOSAL, **fields}]})

    reasons = problems(CreateProposal, {"proposals": [{**PROPOSAL, "isProgrammatic": False}]})
    assert reasons == {"proposals.0.isProgrammatic": "Input should be True"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Field required"),
        ({"proposals": [{}]}, "no change is given"),
        ({"proposals": [{"id": 8, "name": "x"}]}, "the body is of proposal 8"),
        ({"marketplaceInfo": None}, "a change of the buyer or a comment"),
        ({"marketplaceInfo": {}}, "a change of the buyer or a comment"),
        ({"marketplaceInfo": {"buyerAccountId": None}}, "buyer cannot be taken away"),
        ({"bogus": 1}, "Extra inputs"),
    ],
)
def test_changes_of_a_proposal_are_checked(body: dict[str, Any], reason: str) -> None:
    reasons = problems(UpdateProposal, {"proposalId": 9, **body})
    assert any(reason in text for text in reasons.values())


@pytest.mark.parametrize(
    ("model", "key"),
    [(UpdateLineItems, "lineItems"), (UpdateProposalLineItems, "proposalLineitems")],
)
def test_thing_is_changed_once_in_a_request(model: type[BaseModel], key: str) -> None:
    change = {"id": 1} | ({"orderId": 2} if key == "lineItems" else {})
    assert "more than once" in problems(model, {key: [change, change]})[""]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({**AT, "timeZoneId": "Mars/Olympus"}, "timeZoneId"),
        ({**AT, "timeZoneId": "../../etc/passwd"}, "timeZoneId"),
        ({**AT, "hour": 24}, "hour"),
        ({**AT, "hour": "9"}, "hour"),
        ({**AT, "date": {"year": 2026, "month": 2, "day": 30}}, "date"),
    ],
)
def test_date_time_that_is_none_is_refused(values: dict[str, Any], place: str) -> None:
    assert set(problems(DateTime, values)) == {place}


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"currencyCode": "aud", "microAmount": 1}, "currencyCode"),
        ({"currencyCode": "AUD", "microAmount": 1.5}, "microAmount"),
        ({"currencyCode": "AUD", "microAmount": 2**63}, "microAmount"),
        ({"currencyCode": "AUD", "microAmount": -1}, "microAmount"),
        ({"currencyCode": "AUD"}, "microAmount"),
    ],
)
def test_money_that_is_none_is_refused(values: dict[str, Any], place: str) -> None:
    assert set(problems(Money, values)) == {place}


def test_what_ad_manager_has_is_read_whatever_it_is() -> None:
    """Its own bounds may be wider than those of requests: ADMOB has priority 21."""
    odd = {"id": 1, "priority": 21, "discount": 10.5, "autoExtensionDays": 30}
    cap = {"maxImpressions": 0, "numTimeUnits": 0, "timeUnit": "DAY"}
    price = {"currencyCode": "AUD", "microAmount": -5}
    placeholder = {"size": {"width": 0, "height": 0}, "expectedCreativeCount": 0}
    values = {**odd, "frequencyCaps": [cap], "costPerUnit": price}
    read = LineItem.of_answer({**values, "creativePlaceholders": [placeholder]})
    assert read.wire() == {**values, "creativePlaceholders": [placeholder]}


def test_criteria_are_identified_by_fields_or_soaps_name() -> None:
    bare = {"children": [{"keyId": 1, "valueIds": [2]}, {"audienceSegmentIds": [3]}]}
    clauses = {
        "xsi_type": "CustomCriteriaSet",
        "children": [
            {"xsi_type": "CustomCriteria", "keyId": 1, "valueIds": [2]},
            {"xsi_type": "AudienceSegmentCriteria", "audienceSegmentIds": [3]},
        ],
    }
    assert CustomCriteriaSet.model_validate(clauses).wire() == bare
    assert CustomCriteriaSet.model_validate(bare).wire() == bare
    assert "is no custom criteria" in problems(CustomCriteriaSet, {"children": [{}]})["children.0"]


def test_unknown_word_is_refused_in_a_request_and_taken_in_an_answer() -> None:
    assert "is none of NONE, LIFETIME, DAILY" in problems(Goal, {"goalType": "X"})["goalType"]
    assert Goal.of_answer({"goalType": "X", "new": 1}).wire() == {"goalType": "X"}


def test_every_field_says_what_it_is() -> None:
    silent = []
    for name in models.__all__:
        schema = getattr(models, name).model_json_schema()
        for title, part in [(name, schema), *schema.get("$defs", {}).items()]:
            assert part.get("description"), title
            silent += [
                f"{title}.{field}"
                for field, about in part.get("properties", {}).items()
                if not about.get("description")
            ]
    assert silent == []


@pytest.mark.parametrize("name", models.__all__)
def test_examples_are_valid(name: str) -> None:
    model = getattr(models, name)
    for field, about in model.model_fields.items():
        for example in about.examples or ():
            values = {about.alias or field: example}
            try:
                model.model_validate(values)
            except ValidationError as error:
                wrong = [e for e in error.errors() if e["loc"] and e["type"] != "missing"]
                assert wrong == []


def test_placeholder_lists_its_words_for_requests_only() -> None:
    schema = CreativePlaceholder.model_json_schema()["$defs"]["CreativePlaceholder"]
    words = schema["properties"]["creativeSizeType"]["anyOf"][0]["enum"]
    assert "PIXEL" in words
    answer = CreativePlaceholder.model_json_schema(mode="serialization")
    placeholder = answer["$defs"]["CreativePlaceholder"]["properties"]["creativeSizeType"]
    assert "enum" not in placeholder["anyOf"][0]


@pytest.mark.parametrize(
    ("zone", "hour", "reason"),
    [
        pytest.param("US/Eastern", 9, "give America/New_York", id="link"),
        pytest.param("australia/sydney", 9, "give Australia/Sydney", id="case"),
        pytest.param("localtime", 9, "give one, such as", id="file"),
        pytest.param("Australia/Sydney", 2, "02:00:00 is skipped on that day", id="hour"),
    ],
)
def test_time_is_of_a_canonical_zone_and_on_its_clocks(zone: str, hour: int, reason: str) -> None:
    day = {"year": 2030, "month": 10, "day": 6}
    with pytest.raises(ValidationError, match=reason):
        DateTime.model_validate({"date": day, "hour": hour, "timeZoneId": zone})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("Asia/Calcutta", "Asia/Kolkata"), ("Australia/Sydney", "Australia/Sydney"), ("X/Y", "X/Y")],
)
def test_zone_of_an_answer_is_called_as_requests_call_it(theirs: str, ours: str) -> None:
    day = {"year": 2030, "month": 10, "day": 6}
    value = DateTime.of_answer({"date": day, "hour": 2, "timeZoneId": theirs})
    assert value.time_zone_id == ours


def _deal(**fields: Any) -> dict[str, Any]:
    return {"proposalLineitems": [{**PROPOSAL_LINE_ITEM, **fields}]}


def _rate(amount: int, *, field: str = "netRate", currency: str = "AUD") -> dict[str, Any]:
    return {field: {"currencyCode": currency, "microAmount": amount}}


_PREFERRED = {
    "lineItemType": "PREFERRED_DEAL",
    "deliveryRateType": "FRONTLOADED",
    "estimatedMinimumImpressions": 1,
}
_SIZE = {"size": {"width": 300, "height": 250}}
_DEALS: dict[str, tuple[dict[str, Any], str]] = {
    "rate 0": (_rate(0), "netRate.microAmount"),
    "rate below 0": (_rate(-100), "netRate.microAmount"),
    "rate too exact": (_rate(12_345_678), "netRate.microAmount"),
    "cost too exact": (_rate(100, field="netCost"), "netCost.microAmount"),
    "other currency": (_rate(10_000, field="netCost", currency="USD"), "netCost.currencyCode"),
    "end at start": ({"endDateTime": AT}, "endDateTime"),
    "end too late": (
        {"endDateTime": {**AT, "date": {"year": 2037, "month": 1, "day": 2}}},
        "endDateTime",
    ),
    "type": ({"lineItemType": "HOUSE"}, "lineItemType"),
    "unknown rate": ({"rateType": "CPC"}, "rateType"),
    "rate of standard": ({"rateType": "CPD"}, "rateType"),
    "rate of preferred": ({**_PREFERRED, "rateType": "VCPM"}, "rateType"),
    "goal of standard": ({"goal": {"goalType": "DAILY"}}, "goal.goalType"),
    "clicks": ({"goal": {"unitType": "CLICKS"}}, "goal.unitType"),
    "no units": ({"goal": {"units": 0}}, "goal.units"),
    "share over 100": ({"lineItemType": "SPONSORSHIP", "goal": {"units": 101}}, "goal.units"),
    "no daily minimum": (
        {"lineItemType": "SPONSORSHIP", "rateType": "CPD"},
        "contractedUnitsBought",
    ),
    "preferred with a goal": ({**_PREFERRED, "goal": {"goalType": "LIFETIME"}}, "goal.goalType"),
    "preferred evenly": ({**_PREFERRED, "deliveryRateType": "EVENLY"}, "deliveryRateType"),
    "preferred together": ({**_PREFERRED, "roadblockingType": "ONLY_ONE"}, "roadblockingType"),
    "preferred capped": (
        {
            **_PREFERRED,
            "frequencyCaps": [{"maxImpressions": 1, "numTimeUnits": 1, "timeUnit": "DAY"}],
        },
        "frequencyCaps",
    ),
    "preferred without an estimate": (
        {**_PREFERRED, "estimatedMinimumImpressions": None},
        "estimatedMinimumImpressions",
    ),
    "ratio": (
        {"creativePlaceholders": [_SIZE, {**_SIZE, "creativeSizeType": "ASPECT_RATIO"}]},
        "creativePlaceholders.1.creativeSizeType",
    ),
    "format": ({"allowedFormats": ["VIDEO"]}, "allowedFormats.0"),
}


@pytest.mark.parametrize(("fields", "place"), _DEALS.values(), ids=_DEALS)
def test_deal_that_google_never_takes_is_refused_by_its_field(
    fields: dict[str, Any], place: str
) -> None:
    reasons = problems(CreateProposalLineItems, _deal(**fields))
    assert list(reasons) == [f"proposalLineitems.0.{place}"]


@pytest.mark.parametrize("name", ["rate 0", "end at start", "goal of standard", "share over 100"])
def test_change_of_a_deal_is_judged_by_what_it_gives(name: str) -> None:
    fields, place = _DEALS[name]
    both = {"startDateTime": AT, "lineItemType": "STANDARD", **fields}
    reasons = problems(UpdateProposalLineItems, {"proposalLineitems": [{"id": 1, **both}]})
    assert list(reasons) == [f"proposalLineitems.0.{place}"]
    alone = {"endDateTime": AT, "goal": {"goalType": "DAILY", "units": 101}}
    UpdateProposalLineItems.model_validate({"proposalLineitems": [{"id": 1, **alone}]})


def test_line_items_of_a_proposal_have_names_of_their_own() -> None:
    same = [PROPOSAL_LINE_ITEM, {**PROPOSAL_LINE_ITEM, "proposalId": 8}, PROPOSAL_LINE_ITEM]
    reasons = problems(CreateProposalLineItems, {"proposalLineitems": same})
    assert list(reasons) == ["proposalLineitems.2.name"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"advertiser": {"companyId": 1}}, "advertiser.type"),
        ({"advertiser": {"companyId": 1, "type": "OTHER_AGENCY"}}, "advertiser.type"),
        (
            {"advertiser": {"companyId": 1, "type": "ADVERTISER", "contactIds": [1]}},
            "advertiser.contactIds",
        ),
        ({"agencies": [{"companyId": 1, "type": "ADVERTISER"}]}, "agencies.0.type"),
        ({"salesPlannerIds": list(range(9))}, "salesPlannerIds"),
        ({"salesPlannerIds": [1, 1]}, "salesPlannerIds"),
    ],
    ids=["no type", "type", "contacts", "agency", "planners", "planner twice"],
)
def test_parties_that_google_never_takes_are_refused(fields: dict[str, Any], place: str) -> None:
    reasons = problems(CreateProposal, {"proposals": [{**PROPOSAL, **fields}]})
    assert list(reasons) == [f"proposals.0.{place}"]
