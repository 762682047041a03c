"""Every route of the contract, as it should be asked, both ways: what is answered and done."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from tests.api.contract.booking import (
    GOAL,
    RATE,
    YEAR,
    Body,
    Caller,
    FarEnd,
    Levers,
    at,
    data,
    money,
    new_line_item,
    new_order,
    new_proposal,
    new_proposal_line_item,
    unique,
)
from tests.api.deployments import Deployment

from seil.sandbox.admanager.seed import (
    AD_UNIT_ID,
    ADVERTISER_ID,
    BUYER_ACCOUNT_ID,
    PARTNER_CLIENT_ID,
    PLACEMENT_ID,
    SALESPERSON_ID,
    TRAFFICKER_ID,
)

NETWORK = "networks/1234567"


def _journey(caller: Caller, name: str) -> list[Body]:
    """Every route once, with the same words in it."""
    request = caller.data
    order = request("POST", "/v1/gam/order", json={"orders": [new_order(name=name)]})
    answers, number = [order], order["id"]
    item = new_line_item(number)
    answers.append(request("POST", "/v1/gam/forecast", json={"lineItems": [{"lineItem": item}]}))
    answers.append(request("POST", "/v1/gam/lineitem", json={"lineItems": [item]}))
    line = answers[-1]["lineItems"][0]["id"]
    changes = {"id": line, "orderId": number, "priority": 6}
    answers.append(request("PUT", "/v1/gam/lineitem", json={"lineItems": [changes]}))
    answers.append(request("GET", f"/v1/gam/lineitem?lineitemid={line}"))
    answers.append(request("GET", f"/v1/gam/lineitem?orderid={number}"))
    answers.append(request("PUT", f"/v1/gam/order/{number}?action=approve"))
    answers.append(request("GET", f"/v1/gam/order/{number}"))
    acted = {"ids": [line], "action": "archive"}
    answers.append(request("PUT", "/v1/gam/lineitem/action", json=acted))
    proposal = {"proposals": [new_proposal(name=name)]}
    answers.append(request("POST", "/v1/gam/proposal", json=proposal))
    number = answers[-1]["id"]
    answers.append(request("PUT", f"/v1/gam/proposal/{number}", json={"internalNotes": "x"}))
    body = {"proposalLineitems": [new_proposal_line_item(number)]}
    answers.append(request("POST", "/v1/gam/proposallineitem", json=body))
    line = answers[-1]["proposalLineitems"][0]["id"]
    body = {"proposalLineitems": [{"id": line, "name": "Renamed"}]}
    answers.append(request("PUT", "/v1/gam/proposallineitem", json=body))
    body = {"proposalLineItemIds": [line]}
    answers.append(request("PUT", "/v1/gam/proposallineitem?action=archive", json=body))
    answers.append(request("GET", f"/v1/gam/proposallineitem/{number}"))
    answers.append(request("PUT", f"/v1/gam/proposal/{number}?action=archive"))
    answers.append(request("GET", f"/v1/gam/proposal/{number}"))
    answers.append(request("GET", RATE))
    answers.append(request("GET", "/v1/techone/debtor/D10042/remaining-credit-limit"))
    return answers


def _without_chance(value: Any) -> Any:
    """Without ids, times and names, which differ from run to run."""
    if isinstance(value, list):
        return [_without_chance(one) for one in value]
    if not isinstance(value, dict):
        return value
    chance = {"id", "orderId", "proposalId", "name", "orderName"}
    chance |= {"lastModifiedDateTime", "creationDateTime"}
    return {n: type(v) if n in chance else _without_chance(v) for n, v in value.items()}


class _HeldToTheDocument(Caller):
    """Fails where an answer is not as its schema says; `seen` are the operations it asked for."""

    def __init__(self, deployment: Deployment, document: Body) -> None:
        super().__init__(deployment)
        self._document = document
        self.seen: set[tuple[str, str]] = set()

    def data(self, method: str, path: str, **options: Any) -> Body:
        answer = self.deployment.call(method, path, **options)
        content = data(answer)
        kind = (method.lower(), self._template(path.partition("?")[0]))
        promised = self._document["paths"][kind[1]][kind[0]]["responses"]["200"]
        schema = promised["content"]["application/json"]["schema"]
        whole = {**schema, "components": self._document["components"]}
        jsonschema_rs.validate(whole, answer.json(), validate_formats=True)
        self.seen.add(kind)
        return content

    def _template(self, path: str) -> str:
        """The one that has no parameter where another has the very word."""
        fitting: list[str] = [
            template
            for template in self._document["paths"]
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        return min(fitting, key=lambda template: template.count("{"))


def test_every_answer_is_as_promised_and_the_same_both_ways(
    one_process: Deployment, aws: Deployment, document: Body
) -> None:
    """Schemathesis knows no id that is there: hardly any of its answers is a 200."""
    here, there = (_HeldToTheDocument(one, document) for one in (one_process, aws))
    ours = _journey(here, unique("Ours"))

    theirs = _journey(there, unique("Theirs"))

    routes = {
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert here.seen == there.seen == routes
    # What is free shrinks with each order.
    assert ours[1].keys() == theirs[1].keys()
    assert _without_chance(theirs[2:]) == _without_chance(ours[2:])


def test_an_answer_is_in_the_envelope(caller: Caller) -> None:
    identity = str(uuid.uuid4())
    headers = {"X-Correlation-Id": identity, "X-Application-Label": "salesforce"}

    answer = caller.deployment.call("GET", RATE, headers=headers)

    body = answer.json()
    assert list(body) == [
        *("code", "message", "status", "applicationLabel", "time", "correlationId"),
        *("path", "method", "data"),
    ]
    assert (body["code"], body["message"], body["status"]) == (200, "success", "200000")
    assert (body["applicationLabel"], body["correlationId"]) == ("salesforce", identity)
    assert (body["path"], body["method"]) == (RATE, "GET")
    assert datetime.now(UTC) - datetime.fromisoformat(body["time"]) < timedelta(minutes=1)
    assert answer.headers["X-Correlation-Id"] == identity
    assert answer.headers["Content-Type"] == "application/json"


def test_a_correlation_id_is_made_where_none_comes(caller: Caller) -> None:
    ids = {caller.deployment.call("GET", RATE).headers["X-Correlation-Id"] for _ in range(2)}

    assert len(ids) == 2
    assert all(str(uuid.UUID(identity)) == identity for identity in ids)


def test_an_order_is_created_as_it_was_given(caller: Caller, gam: FarEnd) -> None:
    order = new_order(
        salespersonId=SALESPERSON_ID, poNumber="PO-1", notes="Booked", externalOrderId=8003
    )

    answer = caller.data("POST", "/v1/gam/order", json={"orders": [order]})

    assert answer == {"id": answer["id"], "name": order["name"], "status": "DRAFT"}
    stored = gam.thing("orders", answer["id"])
    assert stored["displayName"] == order["name"]
    assert stored["advertiser"] == f"{NETWORK}/companies/{ADVERTISER_ID}"
    assert stored["trafficker"] == f"{NETWORK}/users/{TRAFFICKER_ID}"
    assert stored["salesperson"] == f"{NETWORK}/users/{SALESPERSON_ID}"
    assert (stored["poNumber"], stored["notes"], stored["externalOrderId"]) == (
        "PO-1",
        "Booked",
        8003,
    )


def test_an_order_is_read(caller: Caller) -> None:
    order = new_order(poNumber="PO-2", notes="Read me")
    number = caller.data("POST", "/v1/gam/order", json={"orders": [order]})["id"]

    answer = caller.data("GET", f"/v1/gam/order/{number}")

    assert answer["id"] == number
    assert answer["status"] == "DRAFT"
    assert {name: answer[name] for name in order} == order


def test_an_orders_life(caller: Caller, gam: FarEnd) -> None:
    order = caller.order()
    item = caller.line_item(order)

    seen = []
    for action in ("approve", "pause", "resume", "archive"):
        assert caller.data("PUT", f"/v1/gam/order/{order}?action={action}") == {"numChanges": 1}
        item_ = caller.data("GET", f"/v1/gam/lineitem?lineitemid={item}")["lineItems"][0]
        seen.append((gam.thing("orders", order)["status"], item_["status"]))

    states = ("INACTIVE", "PAUSED", "INACTIVE", "PAUSED")
    assert seen == [("APPROVED", state) for state in states]
    assert gam.thing("orders", order)["archived"] is True


def test_line_items_are_created_as_they_were_given(caller: Caller, gam: FarEnd) -> None:
    order = caller.order()
    items = [new_line_item(order), new_line_item(order, name="Second", costPerUnit=money(1))]

    created = caller.data("POST", "/v1/gam/lineitem", json={"lineItems": items})["lineItems"]

    assert [(i["orderId"], i["name"], i["status"]) for i in created] == [
        (order, "Homepage MREC", "DRAFT"),
        (order, "Second", "DRAFT"),
    ]
    first, second = (gam.thing("lineItems", i["id"]) for i in created)
    assert first["rate"] == {"currencyCode": "AUD", "units": "12", "nanos": 345_678_000}
    assert second["rate"] == {"currencyCode": "AUD", "nanos": 1_000}
    assert first["order"] == f"{NETWORK}/orders/{order}"
    # Sydney is eleven hours ahead in January, ten in July.
    assert first["startTime"] == f"{YEAR - 1}-12-31T22:30:15Z"
    assert first["targetEndTime"] == f"{YEAR}-07-01T13:59:59Z"
    assert first["goal"] == {**GOAL, "units": "100000"}


def test_a_line_items_targeting_is_exact(caller: Caller, gam: FarEnd) -> None:
    item = caller.line_item(caller.order())

    targeting = gam.thing("lineItems", item)["targeting"]

    assert targeting["inventoryTargeting"] == {
        "targetedAdUnits": [
            {"adUnit": f"{NETWORK}/adUnits/{AD_UNIT_ID}", "includeDescendants": True}
        ],
        "excludedAdUnits": [
            {"adUnit": f"{NETWORK}/adUnits/{AD_UNIT_ID + 2}", "includeDescendants": False}
        ],
        "targetedPlacements": [f"{NETWORK}/placements/{PLACEMENT_ID}"],
    }
    assert targeting["geoTargeting"] == {
        "targetedGeos": [f"{NETWORK}/geoTargets/2036"],
        "excludedGeos": [f"{NETWORK}/geoTargets/1000286"],
    }


@pytest.mark.parametrize("by", ["lineitemid", "orderid"])
def test_line_items_are_read_by_id_and_by_order(caller: Caller, by: str) -> None:
    order = caller.order()
    original = new_line_item(order)
    body = {"lineItems": [original, {**original, "name": "Second"}]}
    created = caller.data("POST", "/v1/gam/lineitem", json=body)["lineItems"]
    number = created[0]["id"] if by == "lineitemid" else order

    read = caller.data("GET", f"/v1/gam/lineitem?{by}={number}")["lineItems"]

    assert [item["id"] for item in read] == [i["id"] for i in created][: len(read)]
    assert len(read) == (1 if by == "lineitemid" else 2)
    first = read[0]
    same = ("orderId", "name", "startDateTime", "endDateTime", "lineItemType", "costPerUnit")
    assert {n: first[n] for n in same} == {n: original[n] for n in same}
    assert first["targeting"]["geoTargeting"] == original["targeting"]["geoTargeting"]
    units = first["targeting"]["inventoryTargeting"]["targetedAdUnits"]
    assert units == [{"adUnitId": AD_UNIT_ID, "includeDescendants": True}]


def test_line_items_are_changed_and_archived_ones_left(caller: Caller, gam: FarEnd) -> None:
    order = caller.order()
    active, archived = caller.line_item(order), caller.line_item(order)
    acted = {"ids": [archived], "action": "archive"}
    assert caller.data("PUT", "/v1/gam/lineitem/action", json=acted) == {"numChanges": 1}
    changes = {"orderId": order, "priority": 6, "costPerUnit": money(99_000_001)}

    body = {"lineItems": [{"id": number, **changes} for number in (active, archived)]}
    answer = caller.data("PUT", "/v1/gam/lineitem", json=body)

    assert answer == {"numUpdated": 1}
    changed = gam.thing("lineItems", active)
    assert changed["priority"] == 6
    assert changed["rate"] == {"currencyCode": "AUD", "units": "99", "nanos": 1_000}
    assert changed["displayName"] == "Homepage MREC"
    assert gam.thing("lineItems", archived)["rate"]["units"] == "12"


def test_a_line_items_life(caller: Caller, gam: FarEnd, levers: Levers) -> None:
    order = caller.order()
    item = caller.line_item(order)
    levers.admanager(f"lineItems/{item}/creatives")
    caller.data("PUT", f"/v1/gam/order/{order}?action=approve")

    def act(action: str) -> int:
        body = {"ids": [str(item)], "action": action}
        return int(caller.data("PUT", "/v1/gam/lineitem/action", json=body)["numChanges"])

    assert [act("release"), act("reserve"), act("pause"), act("resume")] == [1, 1, 1, 1]
    assert gam.thing("lineItems", item)["reservationStatus"] == "RESERVED"
    assert act("archive") == 1
    assert gam.thing("lineItems", item)["archived"] is True


def test_a_forecast_counts_units(caller: Caller, gam: FarEnd) -> None:
    before = gam.all()
    item = new_line_item(caller.order())
    del item["orderId"]

    forecast = caller.data("POST", "/v1/gam/forecast", json={"lineItems": [{"lineItem": item}]})

    assert forecast["unitType"] == "IMPRESSIONS"
    assert 0 < forecast["availableUnits"] <= forecast["matchedUnits"]
    assert {"deliveredUnits", "possibleUnits", "reservedUnits"} <= forecast.keys()
    assert {kind for kind, _ in gam.all().keys() - before.keys()} == {"orders"}


def test_an_existing_line_items_forecast_names_it(caller: Caller) -> None:
    order = caller.order()
    item = caller.line_item(order)

    body = {"lineItems": [{"lineItem": {**new_line_item(order), "id": item}}]}
    forecast = caller.data("POST", "/v1/gam/forecast", json=body)

    assert (forecast["lineItemId"], forecast["orderId"]) == (item, order)


@pytest.mark.parametrize("buyer", [BUYER_ACCOUNT_ID, str(BUYER_ACCOUNT_ID), PARTNER_CLIENT_ID])
def test_a_proposal_is_created_for_the_one_buyer(
    caller: Caller, gam: FarEnd, buyer: int | str
) -> None:
    proposal = new_proposal(marketplaceInfo={"buyerAccountId": buyer}, internalNotes="Quiet")

    answer = caller.data("POST", "/v1/gam/proposal", json={"proposals": [proposal]})

    assert answer["name"] == proposal["name"]
    assert answer["marketplaceInfo"]["buyerAccountId"] == BUYER_ACCOUNT_ID
    stored = gam.thing("proposals", answer["id"])
    assert stored["name"] == proposal["name"]
    assert stored["internalNotes"] == "Quiet"
    assert str(stored["marketplaceInfo"]["buyerAccountId"]) == str(BUYER_ACCOUNT_ID)
    assert caller.data("GET", f"/v1/gam/proposal/{answer['id']}") == answer


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_proposal_is_changed(caller: Caller, gam: FarEnd, wrapped: bool) -> None:
    number = caller.proposal()
    changes = {"name": unique("Renamed"), "internalNotes": "Changed"}

    body = {"proposals": [changes]} if wrapped else changes
    answer = caller.data("PUT", f"/v1/gam/proposal/{number}", json=body)

    assert (answer["id"], answer["name"]) == (number, changes["name"])
    stored = gam.thing("proposals", number)
    assert (stored["name"], stored["internalNotes"]) == (changes["name"], "Changed")


def test_a_proposals_negotiation(caller: Caller, gam: FarEnd, levers: Levers) -> None:
    number = caller.proposal(
        advertiser={"companyId": ADVERTISER_ID, "type": "ADVERTISER"},
        primarySalesperson={"userId": SALESPERSON_ID},
        primaryTraffickerId=TRAFFICKER_ID,
        sellerContactIds=[SALESPERSON_ID],
    )
    item = caller.proposal_line_item(number)

    def act(action: str) -> int:
        path = f"/v1/gam/proposal/{number}"
        answer = caller.data("PUT", path, params={"action": action})
        return int(answer["numChanges"])

    assert act("requestBuyerAcceptance") == 1
    assert act("retract") == 1
    retracted = caller.data("GET", f"/v1/gam/proposal/{number}")
    assert retracted["status"] == "DRAFT"
    assert retracted["marketplaceInfo"]["hasLocalVersionEdits"] is True
    assert act("request acceptance") == 1
    levers.admanager(f"proposals/{number}/accept")
    proposal = caller.data("GET", f"/v1/gam/proposal/{number}")
    assert proposal["marketplaceInfo"]["negotiationStatus"] == "FINALIZED"
    assert proposal["dfpOrderId"] in gam.things("orders")
    items = caller.data("GET", f"/v1/gam/proposallineitem/{number}")["proposalLineitems"]
    assert [i["id"] for i in items] == [item]
    assert act("edit for negotiation") == 1
    path = f"/v1/gam/proposal/{number}"
    sold = caller.deployment.call("PUT", path, params={"action": "ARCHIVE"})
    assert sold.status_code == 400
    assert "DealError.CANNOT_ARCHIVE_PROPOSAL_WHEN_SOLD" in sold.text


def test_proposal_line_items_are_created_as_they_were_given(caller: Caller, gam: FarEnd) -> None:
    proposal = caller.proposal()
    item = new_proposal_line_item(proposal)

    body = {"proposalLineitems": [item, {**item, "name": "Second"}]}
    created = caller.data("POST", "/v1/gam/proposallineitem", json=body)["proposalLineitems"]

    assert [i["name"] for i in created] == ["Homepage MREC", "Second"]
    same = ("proposalId", "netRate", "rateType", "startDateTime", "endDateTime", "goal")
    assert {name: created[0][name] for name in same} == {name: item[name] for name in same}
    assert created[0]["targeting"]["geoTargeting"] == item["targeting"]["geoTargeting"]
    assert {i["id"] for i in created} <= gam.things("proposalLineItems").keys()
    read = caller.data("GET", f"/v1/gam/proposallineitem/{proposal}")["proposalLineitems"]
    assert read == created


def test_proposal_line_items_are_changed_and_archived(caller: Caller, gam: FarEnd) -> None:
    item = caller.proposal_line_item(caller.proposal())
    changes = {"id": item, "name": "Renamed", "netRate": money(100)}

    body = {"proposalLineitems": [changes]}
    answer = caller.data("PUT", "/v1/gam/proposallineitem", json=body)["proposalLineitems"]

    assert [(i["id"], i["name"], i["netRate"]) for i in answer] == [(item, "Renamed", money(100))]
    archived = {"proposalLineItemIds": [item]}
    path = "/v1/gam/proposallineitem?action=archive"
    assert caller.data("PUT", path, json=archived) == {"numChanges": 1}
    assert gam.thing("proposalLineItems", item)["isArchived"] is True


def test_the_rate_of_the_month(caller: Caller) -> None:
    rate = caller.data("GET", RATE)

    assert list(rate) == [
        *("major_ccy_code", "trans_ccy_code", "start_datei", "end_datei", "exch_rate_amt")
    ]
    assert (rate["major_ccy_code"], rate["trans_ccy_code"]) == ("AUD", "USD")
    assert rate["start_datei"] < rate["end_datei"]
    assert 0.6 < rate["exch_rate_amt"] < 0.7


@pytest.mark.parametrize(
    ("debtor", "credit"), [("D10042", 1597.14), ("N2000", -3.5), ("C100", 0), ("D10043", 250_000)]
)
def test_what_a_debtor_may_still_buy(caller: Caller, debtor: str, credit: float) -> None:
    limit = caller.data("GET", f"/v1/techone/debtor/{debtor}/remaining-credit-limit")

    assert limit == {
        "code": "DEBTOR_REMAINING_CREDIT",
        "notification_type": "Information",
        "remaining_credit_limit": credit,
    }


def test_ids_may_be_texts_of_digits(caller: Caller, gam: FarEnd) -> None:
    order = new_order(advertiserId=str(ADVERTISER_ID), traffickerId=str(TRAFFICKER_ID))

    answer = caller.data("POST", "/v1/gam/order", json={"orders": [order]})

    stored = gam.thing("orders", answer["id"])
    assert stored["advertiser"] == f"{NETWORK}/companies/{ADVERTISER_ID}"


def test_times_of_other_zones_are_the_same_moment(caller: Caller, gam: FarEnd) -> None:
    start = {**at(YEAR, 1, 1, 12), "timeZoneId": "Europe/London"}
    item = caller.line_item(caller.order(), startDateTime=start)

    assert gam.thing("lineItems", item)["startTime"] == f"{YEAR}-01-01T12:00:00Z"
    read = caller.data("GET", f"/v1/gam/lineitem?lineitemid={item}")["lineItems"][0]
    assert read["startDateTime"] == at(YEAR, 1, 1, 23)
