from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.ads import admanager_v1 as gam
from google.api_core.client_options import ClientOptions
from google.oauth2 import service_account

from seil.sandbox.admanager.options import Options
from seil.sandbox.admanager.seed import AD_UNIT_ID, ADVERTISER_ID, TRAFFICKER_ID
from seil.sandbox.admanager.server import Server

NETWORK = "networks/1234567"


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

    server: Server

    def client(self, kind: Callable[..., Any]) -> Any:
        credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            str(self.server.service_account_key)
        )
        options = ClientOptions(api_endpoint=self.server.url)
        return kind(credentials=credentials, transport="rest", client_options=options)

    @property
    def orders(self) -> Any:
        return self.client(gam.OrderServiceClient)

    @property
    def line_items(self) -> Any:
        return self.client(gam.LineItemServiceClient)

    def order(self, name: str = "An order", **fields: Any) -> Any:
        """A new order."""
        order = gam.Order(
            display_name=name,
            **{
                "advertiser": f"{NETWORK}/companies/{ADVERTISER_ID}",
                "trafficker": f"{NETWORK}/users/{TRAFFICKER_ID}",
                **fields,
            },
        )
        made = self.orders.batch_create_orders(
            parent=NETWORK, requests=[gam.CreateOrderRequest(parent=NETWORK, order=order)]
        )
        return made.orders[0]

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


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's key: making one takes a while."""
    folder = tmp_path_factory.mktemp("key")
    with Server(folder):
        return folder


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def folder(tmp_path: Path, key_folder: Path) -> Path:
    shutil.copy(key_folder / "service-account.json", tmp_path)
    return tmp_path


@pytest.fixture
def server(folder: Path, clock: Time) -> Iterator[Server]:
    with Server(folder, options=Options(now=clock)) as running:
        yield running


@pytest.fixture
def google(server: Server) -> Google:
    return Google(server)
