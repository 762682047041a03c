"""Ids, names and headers that try to break out of where they are put."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.api.contract.booking import (
    RATE,
    Caller,
    FarEnd,
    data,
    faults,
    new_line_item,
    new_order,
    new_proposal,
    new_proposal_line_item,
    unique,
)

NAMES = {
    "emoji": "\U0001f469\u200d\U0001f680 \u65e5\u672c \u05e9\u05dc\u05d5\u05dd",
    "sql": "'; DROP TABLE orders; --",
    "quotes": "\"'`\\\\' OR ''=' \\\" OR 1=1",
    "html": "<script>alert(1)</script>&amp;&#x27;",
    "cdata": "]]></name><name>x</name><![CDATA[",
    "entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "json": '", "id": 1, "x": {"$ref": "#"}}',
    "pql": "x' OR id > 0 ORDER BY id LIMIT 500 OFFSET 0 -- :name",
    "template": "{{7*7}} ${jndi:ldap://x} %s %(x)s {0.__class__}",
    "lines": "first\nsecond\r\nSet-Cookie: a=b\ttab",
    "spaces": "  both ends  ",
    "longest": "x" * 220,
}
ANY_NAME = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
# No XML 1.0 can carry them.
UNWRITABLE = ["\0", "\x07", "\x1b[2J", "\ufffe", "\uffff"]


def _touched(before: Any, after: Any) -> list[tuple[str, int]]:
    assert before.keys() <= after.keys()
    return [key for key, body in after.items() if before.get(key) != body]


@ANY_NAME
def test_an_order_is_called_exactly_so(caller: Caller, gam: FarEnd, name: str) -> None:
    before = gam.all()
    order = new_order(name=unique(name), notes=name, poNumber=name[:63])

    answer = caller.data("POST", "/v1/gam/order", json={"orders": [order]})

    assert answer["name"] == order["name"]
    assert _touched(before, gam.all()) == [("orders", answer["id"])]
    thing = gam.thing("orders", answer["id"])
    texts = (thing["displayName"], thing["notes"], thing["poNumber"])
    assert texts == (order["name"], name, name[:63])
    read = caller.data("GET", f"/v1/gam/order/{answer['id']}")
    assert {n: read[n] for n in order} == order


@ANY_NAME
def test_a_line_item_is_called_exactly_so(local: Caller, gam: FarEnd, name: str) -> None:
    order = local.order()
    before = gam.all()

    item = local.line_item(order, name=name, notes=name)

    assert {kind for kind, _ in _touched(before, gam.all())} <= {"lineItems", "orders"}
    assert gam.thing("lineItems", item)["displayName"] == name
    (read,) = local.data("GET", f"/v1/gam/lineitem?lineitemid={item}")["lineItems"]
    assert (read["name"], read["notes"]) == (name, name)


@ANY_NAME
def test_a_proposal_and_its_line_item_are_called_exactly_so(
    local: Caller, gam: FarEnd, name: str
) -> None:
    title = unique(name)
    body = {"proposals": [new_proposal(name=title, internalNotes=name)]}

    answer = local.data("POST", "/v1/gam/proposal", json=body)
    line = {"proposalLineitems": [new_proposal_line_item(answer["id"], name=name)]}
    (item,) = local.data("POST", "/v1/gam/proposallineitem", json=line)["proposalLineitems"]

    stored = gam.thing("proposals", answer["id"])
    assert (stored["name"], stored["internalNotes"]) == (title, name)
    assert gam.thing("proposalLineItems", item["id"])["name"] == name
    assert (answer["name"], item["name"]) == (title, name)


def test_a_name_has_255_characters_at_most(local: Caller, gam: FarEnd) -> None:
    longest = unique("x").ljust(255, "\U0001f600")

    number = local.order(name=longest)
    answer = local.deployment.call(
        "POST", "/v1/gam/order", json={"orders": [new_order(name=longest + "x")]}
    )

    assert gam.thing("orders", number)["displayName"] == longest
    assert faults(answer) == (400, ["EC40001"])


@pytest.mark.parametrize("text", UNWRITABLE)
@pytest.mark.parametrize("path", ["order", "lineitem", "forecast", "proposal", "proposallineitem"])
def test_what_no_xml_can_carry_is_refused(local: Caller, gam: FarEnd, path: str, text: str) -> None:
    before = gam.all()
    name = f"a{text}b"
    item = new_line_item(1, name=name)
    body = {
        "order": {"orders": [new_order(name=name)]},
        "lineitem": {"lineItems": [item]},
        "forecast": {"lineItems": [{"lineItem": item}]},
        "proposal": {"proposals": [new_proposal(name=name)]},
        "proposallineitem": {"proposalLineitems": [new_proposal_line_item(1, name=name)]},
    }[path]

    answer = local.deployment.call("POST", f"/v1/gam/{path}", json=body)

    assert faults(answer) == (400, ["EC40001"])
    assert "name" in answer.json()["errors"][0]["message"]
    assert gam.all() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"orders": [{"name": "\\ud800"}]}', "EC40001"),
        ("[" * 100_000, "EC40002"),
        ('{"orders": ' + "9" * 5000 + "}", "EC40002"),
        ('{"orders": NaN}', "EC40001"),
        (json.dumps({"orders": ["caf\xe9"]}, ensure_ascii=False).encode("latin1"), "EC40002"),
        ('{"orders": [{"__proto__": {}}]}', "EC40001"),
    ],
    ids=["surrogate", "deep", "long number", "nan", "latin1", "proto"],
)
def test_json_of_the_odd_kind(local: Caller, body: str | bytes, code: str) -> None:
    answer = local.deployment.call(
        "POST", "/v1/gam/order", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 400
    assert set(faults(answer)[1]) == {code}


@pytest.mark.parametrize("entry", ["7", "{}", '""'])
def test_a_list_without_end_gets_a_short_answer(caller: Caller, entry: str) -> None:
    """240,000 entries, as much as a body of 1 MB has room for."""
    body = f'{{"action": "archive", "ids": [{",".join([entry] * 240_000)}]}}'
    answer = caller.deployment.call(
        "PUT", "/v1/gam/lineitem/action", content=body, headers={"Content-Type": "application/json"}
    )

    assert faults(answer) == (400, ["EC40001"])
    assert len(answer.content) < 16_000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("path", ["lineitem", "forecast"])
def test_a_number_is_finite(local: Caller, path: str, number: str) -> None:
    item = new_line_item(1, discount=0.125, discountType="ABSOLUTE_VALUE")
    body = {"lineItems": [item] if path == "lineitem" else [{"lineItem": item}]}

    answer = local.deployment.call(
        "POST",
        f"/v1/gam/{path}",
        content=json.dumps(body).replace("0.125", number),
        headers={"Content-Type": "application/json"},
    )

    assert faults(answer) == (400, ["EC40001"])


@pytest.mark.parametrize("number", [0, 2**63 - 1, 2**63, 10**19 - 1])
@pytest.mark.parametrize(
    "path",
    [
        *("order/{}", "proposal/{}", "proposallineitem/{}"),
        *("lineitem?lineitemid={}", "lineitem?orderid={}"),
    ],
)
def test_an_id_of_any_size_is_only_not_found(local: Caller, path: str, number: int) -> None:
    answer = local.deployment.call("GET", f"/v1/gam/{path.format(number)}")

    assert faults(answer) == (404, ["EC40402"])


@pytest.mark.parametrize(
    "label", ["a\tb", "x" * 101, "caf\xe9".encode(), b"\x7f", "", b"a\x80b"], ids=str
)
def test_a_label_that_could_forge_log_lines_is_refused(local: Caller, label: str | bytes) -> None:
    # httpx takes bytes as they are.
    headers: Any = {"X-Application-Label": label}

    answer = local.deployment.call("GET", RATE, headers=headers)

    assert faults(answer) == (400, ["EC40004"])
    assert answer.json()["applicationLabel"] is None


@pytest.mark.parametrize("label", ["'; DROP TABLE x; --", '"}', "<script>", "%0d%0aX: y", "a, b"])
def test_a_printable_label_comes_back_as_it_was(caller: Caller, label: str) -> None:
    answer = caller.deployment.call("GET", RATE, headers={"X-Application-Label": label})

    data(answer)
    assert answer.json()["applicationLabel"] == label


@pytest.mark.parametrize("identity", ["x", "'\"<script>", "0" * 400, "%0d%0a", "{}", "../.."])
def test_a_correlation_id_that_is_none_is_replaced(caller: Caller, identity: str) -> None:
    answer = caller.deployment.call("GET", RATE, headers={"X-Correlation-Id": identity})

    data(answer)
    assert answer.json()["correlationId"] == answer.headers["X-Correlation-Id"] != identity


@pytest.mark.parametrize("key", ["a b", "x" * 256, "", "a\tb", "caf\xe9".encode()], ids=str)
def test_an_idempotency_key_is_printable(local: Caller, gam: FarEnd, key: str | bytes) -> None:
    before = gam.all()
    headers: Any = {"Idempotency-Key": key}

    answer = local.deployment.call(
        "POST", "/v1/gam/order", json={"orders": [new_order()]}, headers=headers
    )

    assert faults(answer) == (400, ["EC40004"])
    assert gam.all() == before


@pytest.mark.parametrize(
    "partner", ["1' OR '1'='1", '1" OR ""="', "550001 OR 1=1", "%", "*", "buyerAccountId"]
)
def test_a_buyer_is_found_by_digits_only(local: Caller, gam: FarEnd, partner: str) -> None:
    before = gam.all()
    body = {"proposals": [new_proposal(marketplaceInfo={"buyerAccountId": partner})]}

    answer = local.deployment.call("POST", "/v1/gam/proposal", json=body)

    assert faults(answer) == (400, ["EC40001"])
    assert gam.all() == before
