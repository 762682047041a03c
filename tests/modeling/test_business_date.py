"""Days are cut where the business is: by every clock change, and only from what is a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from tests.duckdb_file import relational_database as database
from tests.engines import select

from seil.catalog import Catalog
from seil.errors import ConfigurationError
from seil.lake import Lake
from seil.modeling.build import BuildReport, build, explain
from seil.modeling.business_date import BusinessZone
from seil.modeling.model import Models
from seil.sf_to_dw.extract.business_zone import business_zone
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse
from seil.warehouse.types import TEXT, TIMESTAMP

SYDNEY = "Australia/Sydney"
# Last seconds of a day and first ones of the next, beside changes of the clocks.
SECONDS = [
    (SYDNEY, "2026-03-01T12:59:59Z", "2026-03-01"),
    (SYDNEY, "2026-03-01T13:00:00Z", "2026-03-02"),
    (SYDNEY, "2026-04-04T12:59:59Z", "2026-04-04"),
    (SYDNEY, "2026-04-04T13:00:00Z", "2026-04-05"),  # a day of 25 hours begins
    (SYDNEY, "2026-04-05T13:59:59Z", "2026-04-05"),
    (SYDNEY, "2026-04-05T14:00:00Z", "2026-04-06"),
    (SYDNEY, "2026-10-03T14:00:00Z", "2026-10-04"),  # a day of 23 hours begins
    (SYDNEY, "2026-10-04T12:59:59Z", "2026-10-04"),
    (SYDNEY, "2026-10-04T13:00:00Z", "2026-10-05"),
    ("America/New_York", "2026-03-08T04:59:59Z", "2026-03-07"),
    ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-08"),
    ("America/New_York", "2026-03-09T03:59:59Z", "2026-03-08"),
    ("America/New_York", "2026-03-09T04:00:00Z", "2026-03-09"),
    ("Asia/Kathmandu", "2026-01-01T18:14:59Z", "2026-01-01"),
    ("Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-02"),
    ("UTC", "2026-03-01T23:59:59Z", "2026-03-01"),
    ("UTC", "2026-03-02T00:00:00Z", "2026-03-02"),
]


class Site:
    """A warehouse whose source tables are given, and tables cut in a zone that can be changed."""

    def __init__(self, warehouse: Warehouse, catalog: Catalog) -> None:
        self.warehouse = warehouse
        self.catalog = catalog
        self.zone = BusinessZone()

    @property
    def models(self) -> Models:
        return site_models(self.catalog, zone=lambda: self.zone)

    def store(self, table: str, column: str, kind: pa.DataType, values: list[Any]) -> None:
        ids = pa.array([f"{n:02d}" for n in range(len(values))], TEXT)
        rows = pa.table({"id": ids, column: pa.array(values).cast(kind)})
        database(self.warehouse).create_table(TableName("salesforce", table), rows.schema)
        database(self.warehouse).append(TableName("salesforce", table), rows)

    def build(self, *tables: str, zone: str = "") -> BuildReport:
        self.zone = BusinessZone(zone) if zone else self.zone
        return build(self.warehouse, self.models, tables=tables)

    def days(self, table: str, column: str, key: str) -> list[str]:
        values = select(self.warehouse, f"SELECT {column} FROM {table} ORDER BY {key}")
        return [str(day) for day in values[column].to_pylist()]


@pytest.fixture
def site(warehouse: Warehouse, catalog: Catalog) -> Site:
    return Site(warehouse, catalog)


@pytest.mark.parametrize("zone", sorted({zone for zone, _, _ in SECONDS}))
def test_a_day_begins_at_midnight_in_the_zone(site: Site, zone: str) -> None:
    cases = [(moment, day) for of, moment, day in SECONDS if of == zone]
    moments = [datetime.fromisoformat(moment) for moment, _ in cases]
    site.store("product", "lastmodifieddate", TIMESTAMP, moments)
    assert site.build("products", zone=zone).ok
    expected = [day for _, day in cases]
    assert site.days("products", "last_modified_date", "product_id") == expected
    assert [str(m.astimezone(ZoneInfo(zone)).date()) for m in moments] == expected


@pytest.mark.parametrize("zone", [SYDNEY, "America/Los_Angeles", "Pacific/Kiritimati"])
def test_a_date_of_salesforce_is_that_day_everywhere(site: Site, zone: str) -> None:
    site.store("contract", "vlocity_cmt__terminatedate__c", pa.date32(), [date(2026, 3, 1)])
    site.build("sales_order_line_item_reservations", zone=zone)
    days = site.days("sales_order_line_item_reservations", "expiration_date", "contract_id")
    assert days == ["2026-03-01"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (TIMESTAMP, datetime(2026, 3, 1, 13, tzinfo=UTC)),
        (TEXT, "2026-03-01T13:00:00.000Z"),
    ],
    ids=["time", "text"],
)
def test_an_org_that_holds_a_time_in_that_field_gets_its_day(
    site: Site, kind: pa.DataType, value: Any
) -> None:
    site.store("contract", "vlocity_cmt__terminatedate__c", kind, [value])
    site.build("sales_order_line_item_reservations", zone=SYDNEY)
    days = site.days("sales_order_line_item_reservations", "expiration_date", "contract_id")
    assert days == ["2026-03-02"]


def test_another_zone_makes_anew_the_tables_that_cut_days_from_times_and_no_other(
    site: Site,
) -> None:
    moment = datetime(2026, 3, 1, 13, tzinfo=UTC)
    site.store("product", "lastmodifieddate", TIMESTAMP, [moment])
    site.build(zone=SYDNEY)
    assert {table.mode for table in site.build().tables} <= {"unchanged"}
    site.zone = BusinessZone("UTC")
    plans = {plan.table: plan for plan in explain(site.warehouse, site.models)}
    anew = {name for name, plan in plans.items() if plan.mode == "full"}
    assert anew == {"products", "sales_order_line_items", "production_line_items"}
    reason = f"its days were cut in {SYDNEY}, and are in UTC now"
    assert {plans[name].reason for name in anew} == {reason}
    assert {table.table for table in site.build().tables if table.mode == "full"} == anew
    assert site.days("products", "last_modified_date", "product_id") == ["2026-03-01"]
    assert {table.mode for table in site.build().tables} == {"unchanged"}


def test_a_table_of_an_earlier_version_is_made_anew(site: Site, tmp_path: Path) -> None:
    site.store("product", "lastmodifieddate", TIMESTAMP, [datetime(2026, 3, 1, 13, tzinfo=UTC)])
    own = tmp_path / "models"
    own.mkdir()
    before = site.models["products"].sql.replace("BUSINESS_DATE(products.lastmodifieddate)", "NULL")
    (own / "products.sql").write_text(before, "utf-8")
    build(site.warehouse, site_models(site.catalog, own))
    tables = {table.table: table.mode for table in site.build(zone=SYDNEY).tables}
    assert tables["products"] == "full"
    assert tables["sales_orders"] == "unchanged"
    assert site.days("products", "last_modified_date", "product_id") == ["2026-03-02"]


ORG: Mapping[str, Any] = {"org_id": "00D000000000001AAA"}


@pytest.mark.parametrize(
    ("setting", "offset", "name", "note"),
    [
        ("Europe/Paris", {**ORG, "time_zone": SYDNEY}, "Europe/Paris", ""),
        ("", {**ORG, "time_zone": SYDNEY}, SYDNEY, ""),
        ("", {**ORG, "time_zone": "Mars/Base"}, "UTC", "is Mars/Base, which is no IANA time zone"),
        ("", ORG, "UTC", "is not known yet"),
        ("", None, "UTC", "is not known yet"),
    ],
    ids=["setting", "org", "unknown to us", "not said", "no org seen"],
)
def test_the_zone_is_the_settings_then_the_orgs(
    lake: Lake, setting: str, offset: Mapping[str, Any] | None, name: str, note: str
) -> None:
    if offset:
        lake.staging.put("org.json", json.dumps(offset).encode())
    zone = business_zone(setting, lake)
    assert zone.name == name
    assert note in zone.note
    assert bool(zone.note) == bool(note)


def test_a_build_warns_without_a_zone(site: Site, lake: Lake) -> None:
    site.zone = business_zone("", lake)
    notes = {table.table: table.notes for table in site.build().tables}
    assert any("days in UTC" in note for note in notes["products"])
    assert not any("days in UTC" in note for note in notes["sales_orders"])


def test_a_call_with_two_values_is_refused_when_models_are_read(
    catalog: Catalog, tmp_path: Path
) -> None:
    sql = "SELECT id, BUSINESS_DATE(createddate, 'UTC') AS day FROM salesforce.product"
    (tmp_path / "mine.sql").write_text(sql, "utf-8")
    with pytest.raises(ConfigurationError, match="BUSINESS_DATE takes one value"):
        site_models(catalog, tmp_path)
