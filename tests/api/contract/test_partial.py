"""Requests that are sent to Ad Manager in parts, and one part fails."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from tests.api.contract.booking import (
    Body,
    Caller,
    FarEnd,
    Levers,
    data,
    faults,
    new_line_item,
    new_order,
    new_proposal,
)

COUNT, BATCH = 101, 100
ACTION = "/v1/gam/lineitem/action"
ARCHIVE = "lineItems:batchArchive"
NOBODY = 9_000_000_000_000_000_001


@pytest.fixture
def line_items(local: Caller) -> list[int]:
    """A batch and one more, of a type whose inventory nobody looks up."""
    order = local.order()
    ids: list[int] = []
    while count := min(BATCH, COUNT - len(ids)):
        one = new_line_item(order, lineItemType="PRICE_PRIORITY")
        body = {"lineItems": [one] * count}
        items = local.data("POST", "/v1/gam/lineitem", json=body)["lineItems"]
        ids += [item["id"] for item in items]
    return ids


def _archived(gam: FarEnd, ids: list[int]) -> list[int]:
    things = gam.things("lineItems")
    return [one for one in ids if things[one]["archived"]]


def _act(caller: Caller, ids: list[int], **headers: str) -> Any:
    body = {"ids": ids, "action": "archive"}
    return caller.deployment.call("PUT", ACTION, json=body, headers=headers)


def _parts(answer: Any) -> list[tuple[str, list[int], str]]:
    return [(one["code"], one["ids"], one["outcome"]) for one in answer.json()["errors"]]


def _check_schema(answer: Any, document: Body) -> None:
    schema = {"$ref": "#/components/schemas/Failure", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(answer.json())


FAILURES: Mapping[str, tuple[Body, int, str, str]] = {
    "conflict": ({"error": "concurrent-modification"}, 409, "EC40901", "notDone"),
    "quota": ({"error": "quota", "retry_after": 9}, 429, "EC42902", "notDone"),
    "internal": ({"error": "internal"}, 502, "EC50207", "unknown"),
    "connection lost": ({"reset": "after"}, 502, "EC50207", "unknown"),
    "another's answer": ({"html": "<p>Hello"}, 502, "EC50202", "unknown"),
    "refused token": (
        {"status": 403, "text": '{"error": {"status": "X"}}'},
        502,
        "EC50204",
        "notDone",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_part_that_fails_is_reported_apart_from_the_rest(
    local: Caller, line_items: list[int], levers: Levers, document: Body, failure: str
) -> None:
    fault, code, reason, outcome = FAILURES[failure]
    levers.admanager("faults", path=ARCHIVE, method="POST", after=1, **fault)

    answer = _act(local, line_items)

    assert answer.status_code == code, answer.text
    assert answer.json()["done"] == line_items[:BATCH]
    assert _parts(answer) == [(reason, line_items[BATCH:], outcome)]
    assert (answer.headers.get("Retry-After") == "9") == (failure == "quota")
    _check_schema(answer, document)


def test_partial_refusals_of_ad_manager_carry_their_reason(
    local: Caller, line_items: list[int], gam: FarEnd
) -> None:
    wrong = local.line_item(local.order())
    data(_act(local, [wrong]))
    ids = [*line_items, wrong, NOBODY]

    answer = _act(local, ids)

    assert answer.status_code == 400
    assert answer.json()["done"] == line_items[:BATCH]
    assert _parts(answer) == [
        ("EC40010", [*line_items[BATCH:], wrong], "notDone"),
        ("EC40402", [NOBODY], "notDone"),
    ]
    assert "LineItemOperationError" in answer.json()["errors"][0]["message"]
    assert _archived(gam, line_items) == line_items[:BATCH]


def test_where_the_first_part_is_in_doubt_the_others_are_listed_apart(
    local: Caller, line_items: list[int], levers: Levers
) -> None:
    levers.admanager("faults", path=ARCHIVE, method="POST", error="internal", times=1)

    answer = _act(local, line_items)

    assert answer.json()["done"] == []
    assert _parts(answer) == [
        ("EC50207", line_items[:BATCH], "unknown"),
        ("EC42401", line_items[BATCH:], "notDone"),
    ]


def test_where_nothing_was_done_the_refusal_is_as_ever(
    local: Caller, line_items: list[int], levers: Levers
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    levers.admanager(
        "faults", path=ARCHIVE, method="POST", error="concurrent-modification", times=1
    )

    answer = _act(local, line_items, **key)

    assert faults(answer) == (409, ["EC40901"])
    assert {"done", "ids"}.isdisjoint({*answer.json(), *answer.json()["errors"][0]})
    assert data(_act(local, line_items, **key)) == {"numChanges": COUNT}


def test_a_failed_part_is_reported_again_with_its_key_and_nothing_is_done(
    caller: Caller, line_items: list[int], levers: Levers, gam: FarEnd
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    levers.admanager("faults", path=ARCHIVE, method="POST", after=1, error="quota")

    first = _act(caller, line_items, **key)
    levers.clear()
    second = _act(caller, line_items, **key)

    assert faults(first)[0] == 429
    names = ("done", "errors", "code")
    assert [second.json()[name] for name in names] == [first.json()[name] for name in names]
    assert _archived(gam, line_items) == first.json()["done"] == line_items[:BATCH]


def test_what_was_done_is_reported_where_its_count_cannot_be_read(
    local: Caller, line_items: list[int], levers: Levers, gam: FarEnd
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    ids = line_items[:3]
    levers.admanager("faults", path="/lineItems\\?", method="GET", after=1, status=503)

    answers = [_act(local, ids, **key) for _ in range(2)]

    assert [faults(answer) for answer in answers] == [(502, ["EC50209"])] * 2
    assert [answer.json()["done"] for answer in answers] == [ids] * 2
    assert _archived(gam, line_items) == ids


def test_an_archived_order_is_reported_where_its_state_cannot_be_read(
    local: Caller, levers: Levers, gam: FarEnd
) -> None:
    order = local.order()
    levers.admanager("faults", path="/orders\\?", method="GET", after=1, status=503)

    answer = local.deployment.call("PUT", f"/v1/gam/order/{order}?action=archive")

    assert faults(answer) == (502, ["EC50209"])
    assert answer.json()["done"] == [order]
    assert gam.thing("orders", order)["archived"]


@pytest.mark.parametrize("system", ["REST", "SOAP"])
def test_a_refusal_for_quota_leaves_the_key_free(
    caller: Caller, gam: FarEnd, levers: Levers, system: str
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    path, kind, new = {
        "REST": ("/v1/gam/order", "orders", new_order()),
        "SOAP": ("/v1/gam/proposal", "proposals", new_proposal()),
    }[system]

    def post() -> Any:
        return caller.deployment.call("POST", path, json={kind: [new]}, headers=key)

    levers.admanager("faults", path="^/(v1|apis)/.*", method="POST", error="quota", retry_after=7)
    refused = post()
    levers.clear()
    first = post()

    assert faults(refused) == (429, ["EC42902"])
    assert "QuotaError" in refused.json()["errors"][0]["message"]
    assert int(refused.headers["Retry-After"]) in (5, 7)
    assert data(first)["name"] == new["name"]
    assert data(post()) == data(first)
    assert len(gam.with_name(kind, new["name"])) == 1
