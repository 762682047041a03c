"""One impression's way: Ad Manager, Salesforce, the warehouse, the table of what was delivered."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.ad_sales import book
from tests.gam_to_sf.conftest import ORDER
from tests.sites import Site

from seil.admanager.client import AdManager
from seil.app.syncs import sync_gam_to_sf
from seil.sandbox.admanager.clock import ZONE
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.server import AdManagerServer

OBJECTS = (
    "vlocity_cmt__OrderItemAdPlacement__c",
    "OrderItem",
    "Order",
    "QuoteLineItem",
    "Usage__c",
)
TABLE = "sales_line_items_booked_delivered"
LINE_FIELD = "vlocity_cmt__AdServerOrderLineIdentiifier__c"
SETTINGS = """
[admanager]
endpoint = "{network}"
soap_endpoint = "{network}"
service_account_key = "file:{key}"
[gam_to_sf]
calls_per_second = 1000
proposal_id_field = ""
"""


def test_an_impression_comes_back_to_the_table_of_delivery(generated: Path, tmp_path: Path) -> None:
    shutil.copytree(generated, tmp_path / "org")
    site = Site(tmp_path, OBJECTS, (TABLE,))
    line = line_without_usage(site)
    options = AdManagerOptions(report_polls=1)
    with (
        AdManagerServer(tmp_path / "network", options=options) as network,
        site.serve(),
    ):
        book(network, orders=[{"id": ORDER, "line_items": [line]}])
        with (tmp_path / "seil.toml").open("a") as file:
            file.write(SETTINGS.format(network=network.url, key=network.service_account_key))
        days = days_around_now()
        for day in days:
            values = {"GAM_LineItemID__c": str(line), "Usage_Date__c": day.isoformat()}
            site.write("POST", "Usage__c", values)
        with site.open() as opened:
            assert sync_gam_to_sf(opened).ok
            report = report_figures(opened.settings.admanager, (days[0], days[-1]))
        site.pass_a_second()
        assert site.run().problems == []
    rows = site.query(
        f"SELECT DISTINCT delivery_date, delivered_impressions FROM {TABLE}"
        f" WHERE ad_server_order_line_identifier = '{line}' AND delivered_impressions > 0"
        f" AND delivery_date >= DATE '{days[0]}'"
    )
    table = {row["delivery_date"]: row["delivered_impressions"] for row in rows}
    # Of the first day, which is over: a running day's figure grows between the two reports.
    assert table[min(table)] == report[line, min(table)]


def line_without_usage(site: Site) -> int:
    lines = set(site.org_values(OBJECTS[0], LINE_FIELD).values())
    used = set(site.org_values("Usage__c", "GAM_LineItemID__c").values())
    return int(min(line for line in lines - used if line))


def days_around_now() -> list[date]:
    """Yesterday to tomorrow in the network's zone: midnight may pass meanwhile."""
    today = datetime.now(UTC).astimezone(ZoneInfo(ZONE)).date()
    return [today + timedelta(days=offset) for offset in (-1, 0, 1)]


def report_figures(settings: Any, days: tuple[date, date]) -> dict[tuple[int, date], int]:
    rows = AdManager(settings).report(
        ["LINE_ITEM_ID", "DATE"], ["AD_SERVER_IMPRESSIONS"], days, seconds=60
    )
    return {
        (int(line), date.fromisoformat(str(day))): int(row.metrics["AD_SERVER_IMPRESSIONS"])
        for row in rows
        for line, day in [row.dimensions.values()]
    }
