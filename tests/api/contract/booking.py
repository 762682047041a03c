"""Bodies that are right, and a caller who books with them."""

from __future__ import annotations

import itertools
import json
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from tests.api.deployments import Deployment, StandIns
from tests.limits import HANGS

from seil.sandbox.admanager.seed import (
    AD_UNIT_ID,
    ADVERTISER_ID,
    BUYER_ACCOUNT_ID,
    PLACEMENT_ID,
    TRAFFICKER_ID,
)

Body = dict[str, Any]

_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:8]
# Nothing can be booked for a time that is over, nor beyond 1 January 2037.
YEAR = 2036
RATE = "/v1/techone/foreign-exchange-rate/aud-usd"


def unique(name: str) -> str:
    """Ad Manager wants names of orders to be unique."""
    return f"{name} {_RUN}-{next(_numbers)}"


def at(year: int, month: int, day: int, hour: int = 9, minute: int = 0, second: int = 0) -> Body:
    date = {"year": year, "month": month, "day": day}
    clock = {"hour": hour, "minute": minute, "second": second}
    return {"date": date, **clock, "timeZoneId": "Australia/Sydney"}


def money(micros: int) -> Body:
    return {"currencyCode": "AUD", "microAmount": micros}


TARGETING: Body = {
    "geoTargeting": {
        "targetedLocations": [{"id": 2036}],
        "excludedLocations": [{"id": 1000286}],
    },
    "inventoryTargeting": {
        "targetedAdUnits": [{"adUnitId": AD_UNIT_ID, "includeDescendants": True}],
        "excludedAdUnits": [{"adUnitId": AD_UNIT_ID + 2, "includeDescendants": False}],
        "targetedPlacementIds": [PLACEMENT_ID],
    },
}
GOAL: Body = {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 100_000}


def new_order(**fields: Any) -> Body:
    order = {"name": unique("Order"), "advertiserId": ADVERTISER_ID, "traffickerId": TRAFFICKER_ID}
    return {**order, **fields}


def new_line_item(order: int, **fields: Any) -> Body:
    return {
        "orderId": order,
        "name": "Homepage MREC",
        "startDateTime": at(YEAR, 1, 1, 9, 30, 15),
        "endDateTime": at(YEAR, 7, 1, 23, 59, 59),
        "lineItemType": "STANDARD",
        "costPerUnit": money(12_345_678),
        "costType": "CPM",
        "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
        "targeting": TARGETING,
        "primaryGoal": GOAL,
        **fields,
    }


def new_proposal(**fields: Any) -> Body:
    market = {"buyerAccountId": BUYER_ACCOUNT_ID}
    return {"name": unique("Proposal"), "marketplaceInfo": market, **fields}


def new_proposal_line_item(proposal: int, **fields: Any) -> Body:
    return {
        "proposalId": proposal,
        "name": "Homepage MREC",
        "deliveryRateType": "EVENLY",
        "startDateTime": at(YEAR, 1, 1, 9, 30, 15),
        "endDateTime": at(YEAR, 7, 1, 23, 59, 59),
        "netRate": money(12_345_600),
        "targeting": TARGETING,
        "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
        "rateType": "CPM",
        "lineItemType": "STANDARD",
        "goal": GOAL,
        **fields,
    }


class Caller:
    """Books through the API and gives what it answered; anything but 200 is a failed test."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def data(self, method: str, path: str, **options: Any) -> Body:
        return data(self.deployment.call(method, path, **options))

    def order(self, **fields: Any) -> int:
        answer = self.data("POST", "/v1/gam/order", json={"orders": [new_order(**fields)]})
        return int(answer["id"])

    def line_item(self, order: int, **fields: Any) -> int:
        body = {"lineItems": [new_line_item(order, **fields)]}
        return int(self.data("POST", "/v1/gam/lineitem", json=body)["lineItems"][0]["id"])

    def proposal(self, **fields: Any) -> int:
        body = {"proposals": [new_proposal(**fields)]}
        return int(self.data("POST", "/v1/gam/proposal", json=body)["id"])

    def proposal_line_item(self, proposal: int, **fields: Any) -> int:
        body = {"proposalLineitems": [new_proposal_line_item(proposal, **fields)]}
        answer = self.data("POST", "/v1/gam/proposallineitem", json=body)
        return int(answer["proposalLineitems"][0]["id"])


def data(answer: httpx.Response) -> Body:
    assert answer.status_code == 200, answer.text
    content: Body = answer.json()["data"]
    return content


def faults(answer: httpx.Response) -> tuple[int, list[str]]:
    return answer.status_code, [fault["code"] for fault in answer.json()["errors"]]


class FarEnd:
    """What the stand-in of Ad Manager has in its file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "network.sqlite"

    def thing(self, kind: str, number: int) -> Body:
        stored: Body = self.things(kind)[number]
        return stored

    def things(self, kind: str) -> Mapping[int, Any]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as opened:
            rows = opened.execute("SELECT id, body FROM things WHERE kind = ?", [kind]).fetchall()
        return {number: json.loads(body) for number, body in rows}

    def all(self) -> Mapping[tuple[str, int], str]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as opened:
            rows = opened.execute("SELECT kind, id, body FROM things").fetchall()
        return {(kind, number): body for kind, number, body in rows}

    def with_name(self, kind: str, name: str) -> list[Body]:
        things = self.things(kind).values()
        return [thing for thing in things if name in (thing.get("displayName"), thing["name"])]


class Levers:
    """The stand-ins' levers: `levers.techone("faults", kind="down")`."""

    def __init__(self, far_ends: StandIns) -> None:
        self._far_ends = far_ends
        self._http = httpx.Client(verify=False, timeout=HANGS)

    def admanager(self, path: str, /, **body: Any) -> Any:
        return self._pulled(f"{self._far_ends.admanager_control}/{path}", body)

    def techone(self, path: str, /, **body: Any) -> Any:
        return self._pulled(f"{self._far_ends.techone_control}/{path}", body)

    def techone_requests(self) -> dict[str, int]:
        summary = self._http.get(f"{self._far_ends.techone_control}/summary").json()
        counts: dict[str, int] = summary["requests"]
        return counts

    def clear(self) -> None:
        for url in (self._far_ends.admanager_control, self._far_ends.techone_control):
            self._http.delete(f"{url}/faults").raise_for_status()

    def close(self) -> None:
        self._http.close()

    def _pulled(self, url: str, body: Body) -> Any:
        return self._http.post(url, json=body).raise_for_status().json()
