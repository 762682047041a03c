from __future__ import annotations

import functools
import importlib
import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from google.ads import admanager_v1 as gam
from google.api_core.client_options import ClientOptions
from google.oauth2 import service_account
from tests.limits import HANGS

from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.seed import (
    AD_UNIT_ID,
    ADVERTISER_ID,
    BUYER_ACCOUNT_ID,
    SALESPERSON_ID,
    TRAFFICKER_ID,
)
from seil.sandbox.admanager.server import AdManagerServer

NETWORK = "networks/1234567"
_numbers = itertools.count(1)


class Time:
    """The stand-in's clock, in the hand of a test."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Google:
    """The official REST client, unmodified, for a stand-in."""

    server: AdManagerServer

    def client(self, kind: Callable[..., Any]) -> Any:
        credentials = service_account.Credentials.from_service_account_file(
            str(self.server.service_account_key)
        )
        options = ClientOptions(api_endpoint=self.server.url)
        return kind(credentials=credentials, transport="rest", client_options=options)

    @functools.cached_property
    def orders(self) -> Any:
        return self.client(gam.OrderServiceClient)

    @functools.cached_property
    def line_items(self) -> Any:
        return self.client(gam.LineItemServiceClient)

    def order(self, name: str = "", **fields: Any) -> Any:
        """A new order, of a name of its own."""
        order = gam.Order(
            display_name=name or f"Order {next(_numbers)}",
            **{
                "advertiser": f"{NETWORK}/companies/{ADVERTISER_ID}",
                "trafficker": f"{NETWORK}/users/{TRAFFICKER_ID}",
                **fields,
            },
        )
        answer = self.orders.batch_create_orders(
            parent=NETWORK, requests=[gam.CreateOrderRequest(parent=NETWORK, order=order)]
        )
        return answer.orders[0]

    def line_item(self, order: str, now: datetime, **fields: Any) -> Any:
        """A new line item."""
        return self.line_items.create_line_item(
            parent=NETWORK, line_item=line_item(order, now, **fields)
        )


def line_item(order: str, now: datetime, **fields: Any) -> gam.LineItem:
    size = gam.Size(width=300, height=250, size_type=gam.SizeTypeEnum.SizeType.PIXEL)
    unit = gam.AdUnitTargeting(ad_unit=f"{NETWORK}/adUnits/{AD_UNIT_ID}", include_descendants=True)
    return gam.LineItem(
        **{
            "order": order,
            "display_name": "A line item",
            "start_time": now + timedelta(days=1),
            "target_end_time": now + timedelta(days=11),
            "creative_rotation_type": "OPTIMIZED",
            "line_item_type": "STANDARD",
            "cost_type": "CPM",
            "rate": {"currency_code": "AUD", "units": 12, "nanos": 500_000_000},
            "goal": {"goal_type": "LIFETIME", "unit_type": "IMPRESSIONS", "units": 100_000},
            "creative_placeholders": [gam.CreativePlaceholder(size=size)],
            "targeting": {"inventory_targeting": {"targeted_ad_units": [unit]}},
            **fields,
        }
    )


class Soap:
    """The official SOAP client, unmodified, for a stand-in."""

    def __init__(self, server: AdManagerServer, network_code: str = "1234567") -> None:
        ad_manager, common, oauth2 = (
            importlib.import_module(f"googleads.{name}")
            for name in ("ad_manager", "common", "oauth2")
        )

        self.server = server
        scope = oauth2.GetAPIScope("ad_manager")
        account = oauth2.GoogleServiceAccountClient(str(server.service_account_key), scope)
        with warnings.catch_warnings():  # it asks the locale in a way that is on its way out
            warnings.simplefilter("ignore", DeprecationWarning)
            self.client = ad_manager.AdManagerClient(
                account, "SEIL tests", network_code, cache=common.ZeepServiceProxy.NO_CACHE
            )
        self._services: dict[str, Any] = {}

    def service(self, name: str, version: str = "v202608") -> Any:
        if name not in self._services:
            answer = self.client.GetService(name, version=version, server=self.server.url)
            self._services[name] = answer
        return self._services[name]

    @property
    def proposals(self) -> Any:
        return self.service("ProposalService")

    @property
    def lines(self) -> Any:
        return self.service("ProposalLineItemService")

    def proposal(self, **fields: Any) -> Any:
        """A new proposal, with all that a buyer has to know."""
        values = {
            "name": "A proposal",
            "marketplaceInfo": {"buyerAccountId": BUYER_ACCOUNT_ID},
            "advertiser": {"companyId": ADVERTISER_ID, "type": "ADVERTISER"},
            "primarySalesperson": {"userId": SALESPERSON_ID},
            "primaryTraffickerId": TRAFFICKER_ID,
            "sellerContactIds": [SALESPERSON_ID],
            **fields,
        }
        return self.proposals.createProposals([_set(values)])[0]

    def line(self, proposal: int, now: datetime, **fields: Any) -> Any:
        """A new proposal line item."""
        return self.lines.createProposalLineItems([_set(proposal_line(proposal, now, **fields))])[0]

    def lines_of(self, proposal: int) -> Any:
        """Its line items, by id."""
        ad_manager = importlib.import_module("googleads.ad_manager")
        statement = ad_manager.StatementBuilder(version="v202608").Where("proposalId = :id")
        statement.WithBindVariable("id", proposal).OrderBy("id")
        return self.lines.getProposalLineItemsByStatement(statement.ToStatement())["results"]

    def act(self, kind: str, proposal: int, **fields: Any) -> int:
        """How many proposals the action changed."""
        done = self.proposals.performProposalAction(
            {"xsi_type": kind, **fields}, by_id(proposal).ToStatement()
        )
        return int(done["numChanges"])

    def read(self, proposal: int) -> Any:
        page = self.proposals.getProposalsByStatement(by_id(proposal).ToStatement())
        return page["results"][0]


@contextmanager
def refused(reason: str) -> Iterator[None]:
    """The SOAP client raises a fault with this reason."""
    fault: Any = importlib.import_module("googleads.errors").GoogleAdsServerFault
    with pytest.raises(fault) as error:
        yield
    assert error.value.errors[0]["errorString"] == reason


def by_id(number: int) -> Any:
    ad_manager = importlib.import_module("googleads.ad_manager")
    return (
        ad_manager.StatementBuilder(version="v202608")
        .Where("id = :id")
        .WithBindVariable("id", number)
    )


def mask(*paths: str) -> Any:
    kind: Any = importlib.import_module("google.protobuf.field_mask_pb2").FieldMask
    return kind(paths=paths)


def soap_time(when: datetime, zone: str = "Australia/Sydney") -> dict[str, Any]:
    local = when.astimezone(ZoneInfo(zone))
    return {
        "date": {"year": local.year, "month": local.month, "day": local.day},
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "timeZoneId": zone,
    }


def proposal_line(proposal: int, now: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "proposalId": proposal,
        "name": "A deal",
        "startDateTime": soap_time(now + timedelta(days=2)),
        "endDateTime": soap_time(now + timedelta(days=12)),
        "deliveryRateType": "EVENLY",
        "lineItemType": "STANDARD",
        "rateType": "CPM",
        "goal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 200_000},
        "netRate": {"currencyCode": "AUD", "microAmount": 12_500_000},
        "creativePlaceholders": [{"size": {"width": 300, "height": 250, "isAspectRatio": False}}],
        "targeting": {
            "inventoryTargeting": {
                "targetedAdUnits": [{"adUnitId": str(AD_UNIT_ID), "includeDescendants": True}]
            },
            "geoTargeting": {"targetedLocations": [{"id": 2036}]},
        },
        **fields,
    }


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture(autouse=True)
def _nobody_is_asked_where_the_account_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth asks Google, in the background: nothing that a stand-in has a part in."""
    credentials = importlib.import_module("google.auth.credentials")
    kind = credentials.CredentialsWithRegionalAccessBoundary
    monkeypatch.setattr(kind, "_is_regional_access_boundary_lookup_required", lambda _self: False)


@pytest.fixture(scope="session")
def key_folder(running: Running) -> Path:
    """A service account's key: making one takes a while."""
    return running.server.folder


class Running:
    """One server for all tests: every test finds its network as it was at first."""

    def __init__(self, folder: Path) -> None:
        self.clock = Time()
        self.server = AdManagerServer(folder, options=AdManagerOptions(now=self.clock)).start()
        self.google = Google(self.server)
        assert self.server._parts is not None
        self._db = self.server._parts.store._db
        self._things = self._db.execute("SELECT * FROM things").fetchall()
        self._facts = self._db.execute("SELECT * FROM facts").fetchall()

    @functools.cached_property
    def soap(self) -> Soap:
        return Soap(self.server)

    def reset(self) -> None:
        """Tokens stay: the clients keep theirs."""
        self.clock.now = Time().now
        self.server.faults.clear()
        self._db.execute("DELETE FROM things")
        self._db.execute("DELETE FROM facts")
        self._db.executemany("INSERT INTO things VALUES (?, ?, ?)", self._things)
        self._db.executemany("INSERT INTO facts VALUES (?, ?)", self._facts)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    network = Running(tmp_path_factory.mktemp("network"))
    yield network
    network.server.stop()


@pytest.fixture
def server(running: Running) -> AdManagerServer:
    running.reset()
    return running.server


@pytest.fixture
def clock(running: Running) -> Time:
    return running.clock


@pytest.fixture
def folder(tmp_path: Path, key_folder: Path) -> Path:
    """For a server of a test's own."""
    shutil.copy(key_folder / "service-account.json", tmp_path)
    return tmp_path


@pytest.fixture
def google(running: Running, server: AdManagerServer) -> Google:
    assert running.server is server
    return running.google


@pytest.fixture
def soap(running: Running, server: AdManagerServer) -> Soap:
    assert running.server is server
    return running.soap


@pytest.fixture
def http(server: AdManagerServer) -> Iterator[httpx.Client]:
    """Without a token: for the levers."""
    with httpx.Client(base_url=server.url, timeout=HANGS) as client:
        yield client
