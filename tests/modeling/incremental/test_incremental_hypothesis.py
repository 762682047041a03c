"""Whatever changes, in whatever order: the tables are what a full build makes of the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

if TYPE_CHECKING:
    from seil.warehouse.types import Column

Org = Any
Schemas = dict[str, pa.Schema]

LETTERS = "ABCD"
DAY = datetime(2026, 3, 1, 13, tzinfo=UTC)
# Fields that refer to records of a table by its name here; `line` is a line of the ad server.
REFERENCES: dict[str, dict[str, str]] = {
    "account": {},
    "user": {},
    "ad_server": {},
    "pricelist": {},
    "product": {"createdbyid": "user", "lastmodifiedbyid": "user"},
    "opportunity": {"createdbyid": "user", "lastmodifiedbyid": "user"},
    "quote": {"accountid": "account", "ownerid": "user", "vlocity_cmt__lockedby__c": "user"},
    "order": {
        "accountid": "account",
        "contractid": "contract",
        "opportunityid": "opportunity",
        "vlocity_cmt__pricelistid__c": "pricelist",
        "quoteid": "quote",
        "vlocity_cmt__quoteid__c": "quote",
        "createdbyid": "user",
        "lastmodifiedbyid": "user",
        "ownerid": "user",
    },
    "contract": {"vlocity_cmt__orderid__c": "order"},
    "contact": {"accountid": "account"},
    "order_product": {
        "orderid": "order",
        "product2id": "product",
        "quotelineitemid": "quote_line_item",
        "vlocity_cmt__parentitemid__c": "order_product",
    },
    "order_ad_placement": {
        "vlocity_cmt__orderitemid__c": "order_product",
        "vlocity_cmt__quotelineitemid__c": "quote_line_item",
        "swm_parent_media_placement__c": "media_plan_placement",
        "vlocity_cmt__adserverorderlineidentiifier__c": "line",
        "createdbyid": "user",
        "lastmodifiedbyid": "user",
    },
    "quote_line_item": {"quoteid": "quote", "product2id": "product"},
    "media_plan_placement": {"vlocity_cmt__quotelineitemid__c": "quote_line_item"},
    "account_ad_server": {
        "vlocity_cmt__advertiserid__c": "account",
        "vlocity_cmt__adserverid__c": "ad_server",
    },
    "ad_order_item": {
        "orderitemid": "order_product",
        "quotelineitemid": "quote_line_item",
        "adserverorderlineidentifier": "line",
    },
    "usage": {"gam_lineitemid__c": "line"},
    "ad_space_specification": {"vlocity_cmt__product2id__c": "product"},
    "ad_space_creative_size_type": {
        "vlocity_cmt__adspacespecificationid__c": "ad_space_specification",
        "vlocity_cmt__adcreativesizetypeid__c": "ad_creative_size_type",
    },
    "ad_creative_size_type": {},
}
TABLES = sorted(REFERENCES)
# A record, the columns to change by place, the values to give them by place, and what happens.
KINDS = ("change", "change", "move", "move", "delete", "undelete", "older", "same", "remove")
change = st.tuples(
    st.sampled_from(TABLES),
    st.sampled_from(LETTERS),
    st.sampled_from(KINDS),
    st.integers(0, 2**16),
    st.integers(0, 2**16),
)
load = st.lists(change, min_size=1, max_size=3)
# Where the same moment is another day; None where nobody changes the zone.
zone = st.sampled_from([None, None, "Australia/Sydney", "America/New_York"])
step = st.tuples(zone, st.lists(load, min_size=1, max_size=2))
steps = st.lists(step, min_size=1, max_size=3)
# The tables that cut days from times in this org.
ZONED = {"products", "sales_order_line_items", "production_line_items"}


def value(column: Column, number: int, target: str = "") -> Any:
    """A value for a column, one in five null; of a reference, one in six dangling."""
    if target:
        return [None, *(f"{target}-{letter}" for letter in LETTERS), f"{target}-A", "nowhere"][
            number % 7
        ]
    number = number % 5
    if number == 0:
        return None
    kinds: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
        (pa.types.is_boolean, number % 2 == 0),
        (pa.types.is_decimal, Decimal(number)),
        (pa.types.is_integer, number),
        (pa.types.is_floating, float(number)),
        (pa.types.is_date, date(2026, 3, number)),
        (pa.types.is_timestamp, DAY + timedelta(days=number)),
    )
    text = ("", "Digital Video", "x_CTV_y", "Impressions", "plain")[number]
    return next((choice for is_kind, choice in kinds if is_kind(column.type)), text)


class Records:
    """The newest version of each record, as the test knows it."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.now: dict[tuple[str, str], dict[str, Any]] = {}

    def merge_first(self, tables: Sequence[str] = TABLES) -> None:
        """Most of the records, connected at random."""
        mixed = 20260301
        for table in tables:
            make_record = []
            for letter in LETTERS:
                mixed = (mixed * 6364136223846793005 + 1442695040888963407) % 2**64
                if mixed >> 61:
                    make_record.append(self.make_record(table, letter, mixed >> 20))
            self.org.merge(table, make_record)

    def columns(self, table: str) -> list[Column]:
        return [c for c in self.org.columns[table] if c.name not in OWN]

    def make_record(self, table: str, letter: str, number: int) -> dict[str, Any]:
        record = {"id": f"{table}-{letter}", "isdeleted": False}
        for place, column in enumerate(self.columns(table)):
            target = REFERENCES[table].get(column.name, "")
            record[column.name] = value(column, number // (place + 1) + place, target)
        self.now[table, letter] = record
        return record

    def apply(self, changes: list[tuple[str, str, str, int, int]]) -> None:
        """One load of each table that is changed, and one of what is removed for good from it."""
        by_table: dict[str, dict[str, dict[str, Any]]] = {}
        removed: dict[str, list[str]] = {}
        for table, letter, kind, which, number in changes:
            if kind == "remove":
                removed.setdefault(table, []).append(letter)
            else:
                record = self.changed(table, letter, kind, which, number)
                by_table.setdefault(table, {})[letter] = record
        for table, records in by_table.items():
            self.org.merge(table, list(records.values()))
        for table, letters in removed.items():
            self.org.remove(table, *(f"{table}-{letter}" for letter in dict.fromkeys(letters)))
            for letter in letters:
                if current := self.now.get((table, letter)):
                    self.now[table, letter] = current | {"isdeleted": True}

    def changed(
        self, table: str, letter: str, kind: str, which: int, number: int
    ) -> dict[str, Any]:
        current = self.now.get((table, letter))
        if current is None:
            return self.make_record(table, letter, number)
        columns = self.columns(table)
        moving = [c for c in columns if c.name in REFERENCES[table]]
        chosen = moving if kind == "move" and moving else columns
        record = dict(current)
        if chosen and kind != "same":
            column = chosen[which % len(chosen)]
            target = REFERENCES[table].get(column.name, "")
            record[column.name] = value(column, number, target)
        if kind == "older":
            return record | {"systemmodstamp": datetime(2020, 1, 1, tzinfo=UTC)}
        if kind in ("delete", "undelete"):
            record["isdeleted"] = kind == "delete"
        self.now[table, letter] = record
        return record


OWN = ("id", "isdeleted", "systemmodstamp", "lastmodifieddate")


@pytest.fixture(scope="module")
def filled(open_org: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A warehouse file with records of every table, built, and those records."""
    folder = tmp_path_factory.mktemp("filled")
    with open_org(folder) as org:
        records = Records(org)
        records.merge_first()
        assert {table.mode for table in org.build().tables} == {"incremental"}
        assert org.differing() == {}
        assert min(row["n"] for row in counts(org)) > 0
        stamp = org.stamp
    return folder / "org.duckdb", (records.now, stamp)


def counts(org: Org) -> list[dict[str, Any]]:
    return [org.rows(f"SELECT count(*) AS n FROM {name}")[0] for name in org.models]


# It takes half a minute; what it finds is made small for some minutes more.
@pytest.mark.timeout(3600)
@settings(
    max_examples=examples(3, many=60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(builds=steps)
def test_an_incremental_build_is_a_full_build(
    open_org: Any, filled: Any, builds: list[tuple[str | None, list[list[Any]]]]
) -> None:
    file, (now, stamp) = filled
    with TemporaryDirectory() as folder, open_org(Path(folder), file) as org:
        records = Records(org)
        records.now, org.stamp = dict(now), stamp
        current = ""
        for zone, loads in builds:
            if zone:
                org.cut_days_in(zone)
            for changes in loads:
                records.apply(changes)
            report = org.build()
            assert org.differing() == {}
            anew = {table.table for table in report.tables if table.mode == "full"}
            assert anew == (ZONED if zone not in (None, current) else set())
            current = zone or current
