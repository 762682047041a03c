"""Every route as it should not be asked: what is refused, why, and that nothing came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import pytest
from tests.api.contract.booking import (
    RATE,
    Body,
    Caller,
    FarEnd,
    Levers,
    at,
    faults,
    new_line_item,
    new_order,
    new_proposal,
    new_proposal_line_item,
)
from tests.api.deployments import Deployment
from tests.limits import HANGS

from seil.sandbox.admanager.seed import (
    BUYER_ACCOUNT_ID,
    INACTIVE_USER_ID,
    ORDER_IDS,
    SHARED_PARTNER_CLIENT_ID,
)

NOBODY = 999_999_999
OLD_ORDER = ORDER_IDS[0]
ITEM = OLD_ORDER + 1


def _order(**fields: Any) -> Body:
    return {"orders": [new_order(**fields)]}


def _line_item(**fields: Any) -> Body:
    return {"lineItems": [new_line_item(OLD_ORDER, **fields)]}


def _forecast(**fields: Any) -> Body:
    return {"lineItems": [{"lineItem": new_line_item(OLD_ORDER, **fields)}]}


def _proposal(**fields: Any) -> Body:
    return {"proposals": [new_proposal(**fields)]}


def _proposal_line_item(**fields: Any) -> Body:
    return {"proposalLineitems": [new_proposal_line_item(NOBODY, **fields)]}


# Path, a body that is right, and what it has to have.
POSTS: dict[str, tuple[Callable[..., Body], tuple[str, ...]]] = {
    "/v1/gam/order": (_order, ("name", "advertiserId", "traffickerId")),
    "/v1/gam/lineitem": (
        _line_item,
        (
            *("name", "startDateTime", "lineItemType", "costPerUnit", "costType"),
            *("creativePlaceholders", "targeting"),
        ),
    ),
    "/v1/gam/forecast": (_forecast, ()),
    "/v1/gam/proposal": (_proposal, ("name", "marketplaceInfo")),
    "/v1/gam/proposallineitem": (
        _proposal_line_item,
        (
            *("proposalId", "name", "deliveryRateType", "startDateTime", "endDateTime"),
            *("netRate", "targeting", "creativePlaceholders", "rateType", "lineItemType"),
        ),
    ),
}
PUTS: dict[str, Body] = {
    "/v1/gam/lineitem": {"lineItems": [{"id": ITEM, "orderId": OLD_ORDER, "priority": 6}]},
    "/v1/gam/lineitem/action": {"ids": [ITEM], "action": "pause"},
    f"/v1/gam/proposal/{NOBODY}": {"proposals": [{"internalNotes": "x"}]},
    "/v1/gam/proposallineitem": {"proposalLineitems": [{"id": NOBODY, "name": "x"}]},
}
BODIED = [("POST", path, make()) for path, (make, _) in POSTS.items()]
BODIED += [("PUT", path, body) for path, body in PUTS.items()]


def _only_list(body: Body) -> tuple[str, list[Any]]:
    ((name, values),) = ((n, v) for n, v in body.items() if isinstance(v, list))
    return name, values


def _refused(
    answer: httpx.Response, code: str = "EC40001", status: int = 400, *, about: str = ""
) -> None:
    assert faults(answer)[0] == status, answer.text
    body = answer.json()
    assert {fault["code"] for fault in body["errors"]} == {code}
    assert body["code"] == status
    assert body["status"] == f"{status}000"
    assert "data" not in body
    assert about in " ".join(fault["message"] for fault in body["errors"])


@pytest.fixture
def untouched(gam: FarEnd) -> Any:
    before = gam.all()
    yield
    assert gam.all() == before


@pytest.mark.usefixtures("untouched")
class TestWhatAnyRouteRefuses:
    """Nothing of it gets to the stand-in."""

    @pytest.mark.parametrize(
        ("path", "field"), [(p, field) for p, (_, fields) in POSTS.items() for field in fields]
    )
    def test_a_required_field_is_missing(self, local: Caller, path: str, field: str) -> None:
        body = POSTS[path][0]()
        name, values = _only_list(body)
        del values[0][field]

        answer = local.deployment.call("POST", path, json=body)

        _refused(answer, about=f"{name}[0].{field}: Field required")

    @pytest.mark.parametrize(("method", "path", "body"), BODIED)
    def test_an_unknown_field_is_named(
        self, local: Caller, method: str, path: str, body: Body
    ) -> None:
        name, values = _only_list(body)
        wrong = {**body, "nmae": "x"}
        if isinstance(values[0], dict):
            wrong = {name: [{**values[0], "nmae": "x"}]}

        _refused(local.deployment.call(method, path, json=wrong), about="nmae")

    @pytest.mark.parametrize("path", ["/v1/gam/order", "/v1/gam/forecast", "/v1/gam/proposal"])
    @pytest.mark.parametrize("count", [0, 2])
    def test_exactly_one_is_required(self, local: Caller, path: str, count: int) -> None:
        name, values = _only_list(POSTS[path][0]())

        _refused(local.deployment.call("POST", path, json={name: values * count}), about=name)

    @pytest.mark.parametrize(("method", "path", "body"), BODIED)
    def test_none_is_too_few(self, local: Caller, method: str, path: str, body: Body) -> None:
        name, _ = _only_list(body)

        _refused(local.deployment.call(method, path, json={**body, name: []}), about=name)

    @pytest.mark.parametrize(("method", "path", "body"), BODIED)
    @pytest.mark.parametrize("wrong", ["x", 1, None, {}, [[]], [None], ["x"], [{}]])
    def test_a_list_of_another_type(
        self, local: Caller, method: str, path: str, body: Body, wrong: Any
    ) -> None:
        name, _ = _only_list(body)

        _refused(local.deployment.call(method, path, json={**body, name: wrong}))

    @pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in BODIED])
    @pytest.mark.parametrize("wrong", ["[]", '"x"', "1", "true", "{}"])
    def test_a_body_of_another_type(
        self, local: Caller, method: str, path: str, wrong: str
    ) -> None:
        headers = {"Content-Type": "application/json"}
        answer = local.deployment.call(method, path, content=wrong, headers=headers)

        assert faults(answer)[0] == 400
        assert set(faults(answer)[1]) <= {"EC40001", "EC40003"}

    @pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in BODIED])
    @pytest.mark.parametrize("body", [None, b""])
    def test_no_body(self, local: Caller, method: str, path: str, body: bytes | None) -> None:
        headers = {} if body is None else {"Content-Type": "application/json"}

        answer = local.deployment.call(method, path, content=body, headers=headers)

        _refused(answer, "EC40003")

    @pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in BODIED])
    @pytest.mark.parametrize(
        "body", [b"{", b"{'orders': []}", b"\xff\xfe{}", b'{"orders": [}', b"nonsense", b"\x00"]
    )
    def test_broken_json(self, local: Caller, method: str, path: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        answer = local.deployment.call(method, path, content=body, headers=headers)

        _refused(answer, "EC40002")

    @pytest.mark.parametrize(("method", "path", "body"), BODIED)
    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data"])
    def test_another_content_type(
        self, local: Caller, method: str, path: str, body: Body, kind: str
    ) -> None:
        answer = local.deployment.call(
            method, path, content=json.dumps(body), headers={"Content-Type": kind}
        )

        _refused(answer, "EC40004", about="application/json")

    @pytest.mark.parametrize(
        "wrong",
        [
            *(
                "abc",
                "1a",
                "1'",
                '1"',
                "1;",
                "1 ",
                "-1",
                "+1",
                "1.0",
                "1e3",
                "0x1",
                "",
                "\uff11\uff12",
                "\u0663",
            ),
            *("9" * 20, 10**19, -1, 1.5, True, None, [1], {"id": 1}, "1\n", "1\u0000", "\u00b2"),
        ],
    )
    @pytest.mark.parametrize("field", ["advertiserId", "traffickerId"])
    def test_an_id_in_a_body_is_digits(self, local: Caller, field: str, wrong: Any) -> None:
        answer = local.deployment.call("POST", "/v1/gam/order", json=_order(**{field: wrong}))

        _refused(answer, about=f"orders[0].{field}")

    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/gam/order/{}", "/v1/gam/proposal/{}", "/v1/gam/proposallineitem/{}"),
            *("/v1/gam/lineitem?lineitemid={}", "/v1/gam/lineitem?orderid={}"),
        ],
    )
    @pytest.mark.parametrize(
        "wrong",
        [
            *("abc", "1a", "1'", "1%22", "1%20", "%201", "-1", "%2B1", "1.0", "1e3", "1_000"),
            *("9" * 20, "%EF%BC%91", "%D9%A3", "1%00", "1%0A", "1%0D%0AX:1", "1%20OR%201=1", "%27"),
        ],
    )
    def test_an_id_in_an_address_is_digits(self, local: Caller, path: str, wrong: str) -> None:
        _refused(local.deployment.call("GET", path.format(wrong)), about="id")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", f"/v1/gam/order/{OLD_ORDER}"),
            ("PUT", f"/v1/gam/order/{OLD_ORDER}?action=pause"),
            ("GET", f"/v1/gam/lineitem?orderid={OLD_ORDER}"),
            ("GET", f"/v1/gam/proposal/{NOBODY}"),
            ("GET", f"/v1/gam/proposallineitem/{NOBODY}"),
            ("GET", "/v1/gam/lineitem"),
            ("GET", RATE),
            ("GET", "/v1/techone/debtor/D10042/remaining-credit-limit"),
            *[(method, path) for method, path, _ in BODIED],
        ],
    )
    def test_an_unknown_query_parameter_is_named(
        self, local: Caller, method: str, path: str
    ) -> None:
        body = next((b for m, p, b in BODIED if (m, p) == (method, path)), None)
        mark = "&" if "?" in path else "?"

        answer = local.deployment.call(method, f"{path}{mark}actoin=x", json=body)

        _refused(answer, about="actoin")

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", f"/v1/gam/order/{OLD_ORDER}?action={{}}", None),
            ("PUT", f"/v1/gam/proposal/{NOBODY}?action={{}}", None),
            (
                "PUT",
                "/v1/gam/proposallineitem?action={}",
                {"proposalLineItemIds": [NOBODY]},
            ),
        ],
    )
    @pytest.mark.parametrize("action", ["explode", "", "%27", "approve%20%26", "pause%00"])
    def test_an_unknown_action(
        self, local: Caller, method: str, path: str, body: Body | None, action: str
    ) -> None:
        _refused(local.deployment.call(method, path.format(action), json=body), about="action")

    @pytest.mark.parametrize("action", ["explode", "", None, 1, ["pause"], "unarchive"])
    def test_an_unknown_action_of_line_items(self, local: Caller, action: Any) -> None:
        body = {"ids": [ITEM], "action": action}

        _refused(local.deployment.call("PUT", "/v1/gam/lineitem/action", json=body), about="action")

    def test_an_order_needs_an_action(self, local: Caller) -> None:
        _refused(local.deployment.call("PUT", f"/v1/gam/order/{OLD_ORDER}"), about="action")

    @pytest.mark.parametrize(
        "query", ["", f"?lineitemid={ITEM}&orderid={OLD_ORDER}", "?lineitemid=&orderid="]
    )
    def test_line_items_are_listed_by_one_id(self, local: Caller, query: str) -> None:
        _refused(local.deployment.call("GET", f"/v1/gam/lineitem{query}"))

    @pytest.mark.parametrize(
        "query", [f"?orderid={OLD_ORDER}&orderid=1", f"?lineitemid={ITEM}&lineitemid=1"]
    )
    def test_an_id_comes_once(self, local: Caller, query: str) -> None:
        _refused(local.deployment.call("GET", f"/v1/gam/lineitem{query}"))

    @pytest.mark.parametrize(
        "debtor",
        [
            *("D1", "D1234567890", "D%27100", "D%20100", "%20D100", "D100%00", "D100%0A", "D-100"),
            *("D%C3%A9100", "%EF%BC%A41004", "D100%22", "%2E%2E%2E", "D100%25", "D100;x"),
        ],
    )
    def test_a_debtors_number_is_letters_and_digits(self, local: Caller, debtor: str) -> None:
        path = f"/v1/techone/debtor/{debtor}/remaining-credit-limit"

        _refused(local.deployment.call("GET", path), about="debtor")

    @pytest.mark.parametrize("debtor", ["", "a/b", "..", "%2E%2E", "D100%2F..", "a%2Fb"])
    def test_a_debtors_number_has_no_slashes(self, local: Caller, debtor: str) -> None:
        path = f"/v1/techone/debtor/{debtor}/remaining-credit-limit"

        status, codes = faults(local.deployment.call("GET", path))

        assert (status, codes) in [(404, ["EC40401"]), (400, ["EC40001"])]

    @pytest.mark.parametrize(
        "changes",
        [
            {"costPerUnit": {"currencyCode": "AUD", "microAmount": 1.5}},
            {"costPerUnit": {"currencyCode": "AUD", "microAmount": "12"}},
            {"costPerUnit": {"currencyCode": "AUD", "microAmount": 2**63}},
            {"costPerUnit": {"currencyCode": "dollars", "microAmount": 1}},
            {"costPerUnit": {"currencyCode": "AUD"}},
            {"costPerUnit": 12.5},
            {"startDateTime": "2027-01-01T09:00:00"},
            {"startDateTime": {"date": {"year": 2027, "month": 2, "day": 30}}},
            {
                "startDateTime": {
                    "date": {"year": 2027, "month": 2, "day": 30},
                    "timeZoneId": "Australia/Sydney",
                }
            },
            {
                "startDateTime": {
                    "date": {"year": 2027, "month": 2, "day": 3},
                    "timeZoneId": "Mars/Olympus",
                }
            },
            {
                "startDateTime": {
                    "date": {"year": 2027, "month": 2, "day": 3},
                    "timeZoneId": "../../etc/passwd",
                }
            },
            {"lineItemType": "GOLD"},
            {"lineItemType": 1},
            {"costType": "cpm"},
            {"name": ""},
            {"name": "x" * 256},
            {"creativePlaceholders": [{"size": "300x250"}]},
            {"creativePlaceholders": [{"size": {"width": -1, "height": 250}}]},
            {"targeting": {"inventoryTargeting": {"targetedAdUnits": [{"adUnitId": "x'"}]}}},
            {"targeting": {"inventoryTargting": {}}},
            {"targeting": []},
            {"creativePlaceholders": [{"size": {"width": 0, "height": 250}}]},
            {
                "creativePlaceholders": [
                    {"size": {"width": 1, "height": 1}, "expectedCreativeCount": 0}
                ]
            },
            {"priority": "high"},
            {"priority": 0},
            {"priority": 99},
            {"primaryGoal": {"units": 1.5}},
            {"costPerUnit": {"currencyCode": "AUD", "microAmount": -1}},
            {"valueCostPerUnit": {"currencyCode": "AUD", "microAmount": -1}},
            {"discount": 500},
            {"discount": -1},
            {"discount": 10.5},
            {"contractedUnitsBought": -1},
            {"autoExtensionDays": 8},
            {"frequencyCaps": [{"maxImpressions": 0, "numTimeUnits": 1, "timeUnit": "DAY"}]},
            {"frequencyCaps": [{"maxImpressions": 3, "numTimeUnits": 0, "timeUnit": "DAY"}]},
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/gam/lineitem", "/v1/gam/forecast"])
    def test_a_line_items_field_is_wrong(self, local: Caller, path: str, changes: Body) -> None:
        (field,) = changes
        answer = local.deployment.call("POST", path, json=POSTS[path][0](**changes))

        _refused(answer, about=field)

    def test_more_line_items_than_a_batch_holds(self, local: Caller) -> None:
        items = [new_line_item(OLD_ORDER)] * 101

        answer = local.deployment.call("POST", "/v1/gam/lineitem", json={"lineItems": items})

        _refused(answer, about="lineItems")

    def test_a_line_item_is_changed_once_a_request(self, local: Caller) -> None:
        items = PUTS["/v1/gam/lineitem"]["lineItems"] * 2

        answer = local.deployment.call("PUT", "/v1/gam/lineitem", json={"lineItems": items})

        _refused(answer, about="more than once")

    def test_ids_are_needed_for_an_action_on_proposal_line_items(self, local: Caller) -> None:
        path = "/v1/gam/proposallineitem?action=archive"
        body = {"proposalLineitems": [{"id": 1}]}

        _refused(local.deployment.call("PUT", path, json=body))

    @pytest.mark.parametrize("method", ["DELETE", "PATCH"])
    def test_a_method_that_a_route_does_not_take(self, local: Caller, method: str) -> None:
        answer = local.deployment.call(method, "/v1/gam/order")

        _refused(answer, "EC40501", 405)
        assert answer.headers["Allow"] == "POST"

    @pytest.mark.parametrize(
        "path", ["/v1", "/v1/", "/v1/gam", "/v1/gam/order/1/", "/v1/gam/orders", "/v1/gam//order/1"]
    )
    def test_no_such_route(self, local: Caller, path: str) -> None:
        _refused(local.deployment.call("GET", path), "EC40401", 404)


WRONG: list[tuple[str, str, Body | None, int, str]] = [
    ("GET", f"/v1/gam/order/{NOBODY}", None, 404, "EC40402"),
    ("PUT", f"/v1/gam/order/{NOBODY}?action=approve", None, 404, "EC40402"),
    ("GET", f"/v1/gam/lineitem?lineitemid={NOBODY}", None, 404, "EC40402"),
    ("GET", f"/v1/gam/proposal/{NOBODY}", None, 404, "EC40402"),
    ("PUT", f"/v1/gam/proposal/{NOBODY}", {"internalNotes": "x"}, 404, "EC40402"),
    ("PUT", f"/v1/gam/proposal/{NOBODY}?action=archive", None, 404, "EC40402"),
    ("GET", f"/v1/gam/proposallineitem/{NOBODY}", None, 404, "EC40402"),
    (
        "PUT",
        "/v1/gam/proposallineitem",
        {"proposalLineitems": [{"id": NOBODY, "name": "x"}]},
        404,
        "EC40402",
    ),
    (
        "PUT",
        "/v1/gam/proposallineitem?action=archive",
        {"proposalLineItemIds": [NOBODY]},
        404,
        "EC40402",
    ),
    (
        "PUT",
        "/v1/gam/lineitem",
        {"lineItems": [{"id": NOBODY, "orderId": OLD_ORDER, "priority": 6}]},
        404,
        "EC40402",
    ),
    ("PUT", "/v1/gam/lineitem/action", {"ids": [NOBODY], "action": "pause"}, 404, "EC40402"),
    ("POST", "/v1/gam/order", _order(advertiserId=NOBODY), 400, "EC40010"),
    ("POST", "/v1/gam/lineitem", _line_item(orderId=NOBODY), 400, "EC40010"),
    ("POST", "/v1/gam/forecast", _forecast(targeting={}), 400, "EC40010"),
    (
        "POST",
        "/v1/gam/proposal",
        _proposal(marketplaceInfo={"buyerAccountId": NOBODY}),
        400,
        "EC40010",
    ),
    (
        "POST",
        "/v1/gam/proposal",
        _proposal(marketplaceInfo={"buyerAccountId": SHARED_PARTNER_CLIENT_ID}),
        400,
        "EC40010",
    ),
    ("POST", "/v1/gam/proposallineitem", _proposal_line_item(), 400, "EC40010"),
    ("GET", "/v1/techone/debtor/NOBODY1/remaining-credit-limit", None, 404, "EC40402"),
    ("GET", "/v1/techone/debtor/a-b/remaining-credit-limit", None, 400, "EC40001"),
    ("GET", "/v1/techone/debtor/D%20100%27/remaining-credit-limit", None, 400, "EC40001"),
    ("GET", "/v1/gam/order/1%27", None, 400, "EC40001"),
    ("GET", "/v1/gam/lineitem?orderid=1&orderid=2", None, 400, "EC40001"),
    ("GET", "/v1/gam/lineitem?orderid=1%27%20OR%201", None, 400, "EC40001"),
    ("GET", f"{RATE}?x=1", None, 400, "EC40001"),
    ("GET", "/v1/gam/orders", None, 404, "EC40401"),
    ("POST", "/v1/gam/order", {"orders": [{}]}, 400, "EC40001"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), WRONG)
def test_what_the_systems_refuse(
    local: Caller, method: str, path: str, body: Body | None, status: int, code: str
) -> None:
    _refused(local.deployment.call(method, path, json=body), code, status)


_DAILY = {"goalType": "DAILY", "unitType": "IMPRESSIONS", "units": 50}
GOOGLES: list[tuple[Body, str]] = [
    ({"priority": 15}, "LineItemError.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    ({"costType": "CPC"}, "ReservationDetailsError.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
    ({"primaryGoal": _DAILY}, "ReservationDetailsError.DURATION_NOT_ALLOWED"),
    (
        {"costPerUnit": {"currencyCode": "USD", "microAmount": 1}},
        "LineItemError.INVALID_LINE_ITEM_CURRENCY",
    ),
    ({"endDateTime": at(2037, 1, 2)}, "LineItemFlightDateError.END_DATE_TIME_TOO_LATE"),
    ({"startDateTime": at(2020, 1, 2)}, "LineItemFlightDateError.START_DATE_TIME_IS_IN_PAST"),
    ({"appliedLabels": [{"labelId": NOBODY}]}, "CommonError.NOT_FOUND"),
    (
        {"customFieldValues": [{"customFieldId": NOBODY, "value": {"value": "x"}}]},
        "CustomFieldValueError.CUSTOM_FIELD_NOT_FOUND",
    ),
    ({"roadblockingType": "CREATIVE_SET"}, "RequiredCollectionError.REQUIRED"),
]


@pytest.mark.parametrize(("changes", "reason"), GOOGLES)
def test_what_google_refuses_comes_with_its_reason(
    local: Caller, changes: Body, reason: str
) -> None:
    answer = local.deployment.call("POST", "/v1/gam/lineitem", json=_line_item(**changes))

    _refused(answer, "EC40010")
    assert reason in answer.text


def test_an_inactive_user_books_nothing(local: Caller) -> None:
    body = _order(traffickerId=INACTIVE_USER_ID)

    answer = local.deployment.call("POST", "/v1/gam/order", json=body)

    _refused(answer, "EC40010", about="is not active")


def _without_chance(answer: httpx.Response) -> tuple[int, Body, list[tuple[str, str]]]:
    body = answer.json()
    chance = {name: body.pop(name) for name in ("time", "correlationId")}
    assert all(chance.values())
    own = ("content-type", "cache-control", "x-content-type-options", "retry-after")
    return answer.status_code, body, [(n, answer.headers.get(n, "")) for n in own]


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [case[:3] for case in WRONG]
    + [(method, path, {**body, "nmae": "x"}) for method, path, body in BODIED]
    + [(method, path, None) for method, path, _ in BODIED],
)
def test_a_refusal_is_the_same_both_ways(
    local: Caller, aws: Any, method: str, path: str, body: Body | None
) -> None:
    ours = _without_chance(local.deployment.call(method, path, json=body))

    assert _without_chance(aws.call(method, path, json=body)) == ours


def test_a_buyer_has_to_be_the_only_one(local: Caller) -> None:
    refusals = []
    for buyer in (NOBODY, SHARED_PARTNER_CLIENT_ID):
        body = _proposal(marketplaceInfo={"buyerAccountId": buyer})
        answer = local.deployment.call("POST", "/v1/gam/proposal", json=body)
        refusals.append(answer.json()["errors"][0]["message"])

    assert str(NOBODY) in refusals[0]
    assert SHARED_PARTNER_CLIENT_ID in refusals[1]
    assert refusals[0] != refusals[1]


def test_an_archived_order_is_left_alone(local: Caller, gam: FarEnd) -> None:
    order = local.order()
    local.data("PUT", f"/v1/gam/order/{order}?action=archive")

    answer = local.deployment.call("PUT", f"/v1/gam/order/{order}?action=approve")
    item = local.deployment.call(
        "POST", "/v1/gam/lineitem", json={"lineItems": [new_line_item(order)]}
    )

    assert (answer.status_code, item.status_code) in [(400, 400), (200, 400)]
    assert gam.thing("orders", order)["status"] == "DRAFT"


def test_one_bad_line_item_keeps_all_from_being_created(local: Caller, gam: FarEnd) -> None:
    order = local.order()
    before = gam.all()
    good = new_line_item(order)
    bad = {**good, "endDateTime": good["startDateTime"]}

    answer = local.deployment.call("POST", "/v1/gam/lineitem", json={"lineItems": [good, bad]})

    _refused(answer, "EC40010", about="end")
    assert gam.all() == before


def _change(what: str, caller: Caller) -> tuple[str, str, Body]:
    if what == "line item":
        order = caller.order()
        changes = {"id": caller.line_item(order), "orderId": order, "priority": 6}
        return "PUT", "/v1/gam/lineitem", {"lineItems": [changes]}
    if what == "proposal":
        return "PUT", f"/v1/gam/proposal/{caller.proposal()}", {"internalNotes": "x"}
    item = caller.proposal_line_item(caller.proposal())
    return "PUT", "/v1/gam/proposallineitem", {"proposalLineitems": [{"id": item, "name": "x"}]}


_WRITES = "batchUpdate|:batch|update|perform"


@pytest.mark.parametrize("what", ["line item", "proposal", "proposal line item"])
def test_a_concurrent_change_is_tried_again(local: Caller, levers: Levers, what: str) -> None:
    method, path, body = _change(what, local)
    levers.admanager(
        "faults", error="concurrent-modification", method="POST", body=_WRITES, times=2
    )

    assert local.deployment.call(method, path, json=body).status_code == 200


@pytest.mark.parametrize("what", ["line item", "proposal", "proposal line item"])
def test_concurrent_changes_without_end_are_reported(
    caller: Caller, levers: Levers, what: str
) -> None:
    method, path, body = _change(what, caller)
    levers.admanager("faults", error="concurrent-modification", path="^/(v1|apis)/")

    _refused(caller.deployment.call(method, path, json=body), "EC40901", 409)


def test_the_buyer_is_found_by_account(local: Caller) -> None:
    body = _proposal(marketplaceInfo={"buyerAccountId": BUYER_ACCOUNT_ID})

    assert local.deployment.call("POST", "/v1/gam/proposal", json=body).status_code == 200


def test_caller_who_sends_a_long_body_whole_before_reading_is_answered(
    one_process: Deployment,
) -> None:
    """As urllib does, which asks for the connection to be closed too."""
    request = Request(f"{one_process.url}/v1/gam/order", data=b" " * 20_000_000)
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=HANGS)
    assert refused.value.code == 401
    refused.value.close()
