"""One change at a time: the rows it reaches are made again, and no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.duckdb_file import database

import seil.sf_to_dw
from seil.catalog import load_catalog
from seil.modeling.build import explain
from seil.sf_to_dw.site_models import site_models

Org = Any
MODELS = Path(seil.sf_to_dw.__file__).parent / "models"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
OLD = datetime(2020, 1, 1, tzinfo=UTC)
LINE = "vlocity_cmt__adserverorderlineidentiifier__c"
PLACED = "vlocity_cmt__orderitemid__c"


@pytest.fixture(scope="module")
def filled_file(open_org: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("filled")
    with open_org(folder) as org:
        fill(org)
        return folder / "org.duckdb", org.stamp


@pytest.fixture
def filled(open_org: Any, filled_file: tuple[Path, int], tmp_path: Path) -> Iterator[Org]:
    with open_org(tmp_path, filled_file[0]) as org:
        org.stamp = filled_file[1]
        yield org


def fill(org: Org) -> None:
    """Two of most things, each the other's stranger, and the tables built from them."""
    for n in "12":
        org.merge("user", [{"id": f"u{n}", "name": f"User {n}"}])
        org.merge("account", [{"id": f"a{n}", "name": f"Account {n}"}])
        org.merge("contact", [{"id": f"c{n}", "name": f"Contact {n}", "accountid": f"a{n}"}])
        org.merge("quote", [{"id": f"q{n}", "name": f"Quote {n}", "accountid": f"a{n}"}])
        org.merge("product", [{"id": f"p{n}", "name": f"Product {n}"}])
        order = {"accountid": f"a{n}", "quoteid": f"q{n}", "createdbyid": f"u{n}"}
        org.merge("order", [{"id": f"o{n}{m}", "name": f"Order {n}{m}", **order} for m in "ab"])
        line = {"orderid": f"o{n}a", "product2id": f"p{n}"}
        org.merge("order_product", [{"id": f"l{n}{m}", **line} for m in "ab"])
        placed = {PLACED: f"l{n}a", LINE: f"line{n}"}
        org.merge("order_ad_placement", [{"id": f"m{n}", "name": f"Placement {n}", **placed}])
        used = {"gam_lineitemid__c": f"line{n}", "usage_date__c": DAY, "ad_impression__c": 5}
        org.merge("usage", [{"id": f"s{n}", **used}])
        org.merge(
            "ad_space_specification", [{"id": f"f{n}", "vlocity_cmt__product2id__c": f"p{n}"}]
        )
        org.merge("ad_creative_size_type", [{"id": f"t{n}", "vlocity_cmt__width__c": 300}])
        size = {"vlocity_cmt__adcreativesizetypeid__c": f"t{n}"}
        of_space = {"vlocity_cmt__adspacespecificationid__c": f"f{n}"}
        org.merge("ad_space_creative_size_type", [{"id": f"z{n}", **size, **of_space}])
    assert org.build().ok
    assert org.differing() == {}


def delete(org: Org, table: str, id_: str) -> None:
    org.update(table, id_, isdeleted=True)


def quote_comes_back(org: Org) -> None:
    delete(org, "quote", "q1")
    assert org.built()["sales_orders"].deleted == 2
    assert org.rows("SELECT count(quote_id) AS n FROM sales_orders") == [{"n": 2}]
    org.update("quote", "q1", isdeleted=False)


CHANGES: Mapping[str, tuple[Callable[[Org], None], Mapping[str, tuple[int, int]]]] = {
    "account renamed": (
        lambda org: org.update("account", "a1", name="New"),
        {"sales_orders": (2, 2), "sales_order_accounts": (2, 2), "sales_order_contacts": (2, 2)},
    ),
    "order moved to another account": (
        lambda org: org.update("order", "o1a", accountid="a2"),
        {
            "sales_orders": (1, 1),
            "sales_order_accounts": (1, 1),
            "sales_order_contacts": (1, 1),
            "sales_order_line_items": (2, 2),
        },
    ),
    "agency commission changed": (
        lambda org: org.update("account", "a1", swm_agency_commission__c=5),
        {"sales_orders": (2, 2), "sales_order_line_items": (2, 2)},
    ),
    "placement moved to another order product": (
        lambda org: org.update("order_ad_placement", "m1", **{PLACED: "l2b"}),
        {"sales_order_line_items": (2, 2), "sales_line_items_booked_delivered": (1, 1)},
    ),
    "quote deleted, then undeleted": (
        quote_comes_back,
        {"sales_orders": (2, 2), "sales_order_approvals": (2, 2)},
    ),
    "user renamed": (
        lambda org: org.update("user", "u1", name="New"),
        {"sales_orders": (2, 2), "sales_order_types": (2, 2), "sales_order_users": (2, 2)},
    ),
    "usage moved between days": (
        lambda org: org.update("usage", "s1", usage_date__c=DAY.replace(day=2)),
        {"sales_line_items_booked_delivered": (1, 1)},
    ),
    "usage moved between lines": (
        lambda org: org.update("usage", "s1", gam_lineitemid__c="line2"),
        {"sales_line_items_booked_delivered": (2, 2)},
    ),
    "a second day of usage": (
        lambda org: org.merge(
            "usage",
            [{"id": "s3", "gam_lineitemid__c": "line1", "usage_date__c": DAY.replace(day=2)}],
        ),
        {"sales_line_items_booked_delivered": (0, 1)},
    ),
    "creative size type changed": (
        lambda org: org.update("ad_creative_size_type", "t1", vlocity_cmt__width__c=728),
        {"products": (1, 1)},
    ),
    "order deleted": (
        lambda org: delete(org, "order", "o1b"),
        {
            "sales_orders": (1, 0),
            "sales_order_accounts": (1, 0),
            "sales_order_approvals": (1, 0),
            "sales_order_contacts": (1, 0),
            "sales_order_types": (1, 0),
            "sales_order_users": (1, 0),
        },
    ),
    "order removed for good": (
        lambda org: org.remove("order", "o1b"),
        {
            "sales_orders": (1, 0),
            "sales_order_accounts": (1, 0),
            "sales_order_approvals": (1, 0),
            "sales_order_contacts": (1, 0),
            "sales_order_types": (1, 0),
            "sales_order_users": (1, 0),
        },
    ),
    "account removed for good": (
        lambda org: org.remove("account", "a1"),
        {
            "sales_orders": (2, 2),
            "sales_order_accounts": (2, 2),
            "sales_order_contacts": (2, 2),
            "sales_order_line_items": (2, 2),
        },
    ),
    "removed for good, never seen": (
        lambda org: org.remove("order", "nowhere"),
        {},
    ),
    "a column that nothing reads": (
        lambda org: org.update("account", "a1", lastmodifieddate=DAY),
        {},
    ),
    "an older version that arrives late": (
        lambda org: org.merge("account", [{"id": "a1", "name": "Old", "systemmodstamp": OLD}]),
        {},
    ),
    "the same version, read again": (
        lambda org: org.update("account", "a1"),
        {},
    ),
}


@pytest.mark.parametrize(("change", "reached"), CHANGES.values(), ids=CHANGES)
def test_only_rows_that_a_change_reaches_are_made(
    filled: Org, change: Callable[[Org], None], reached: Mapping[str, tuple[int, int]]
) -> None:
    change(filled)
    tables = filled.built()
    assert filled.differing() == {}
    touched = {name: (t.deleted, t.inserted) for name, t in tables.items() if t.mode != "unchanged"}
    assert touched == reached
    assert {t.mode for t in tables.values()} <= {"incremental", "unchanged"}


def test_what_a_change_reaches_but_leaves_as_it_was_is_not_touched(filled: Org) -> None:
    """The second placement is looked at, since the order product has another row beside it."""
    filled.merge("order_ad_placement", [{"id": "m3", "name": "Third", PLACED: "l1a"}])
    before = filled.rows("SELECT rowid AS n, * FROM sales_order_line_items WHERE placement_id='m1'")
    tables = filled.built()
    lines = tables["sales_order_line_items"]
    assert (lines.mode, lines.deleted, lines.inserted) == ("incremental", 0, 1)
    assert filled.differing() == {}
    after = filled.rows("SELECT rowid AS n, * FROM sales_order_line_items WHERE placement_id='m1'")
    assert after == before


def test_a_change_that_changes_no_row_leaves_the_version(filled: Org) -> None:
    """The user is looked up twice over; a name that goes back and forth makes the same rows."""
    version = (
        "SELECT version FROM seil.built WHERE table_name = 'sales_line_items_booked_delivered'"
    )
    before = filled.rows(version)
    used = {"gam_lineitemid__c": "line1", "usage_date__c": DAY}
    filled.update("usage", "s1", ad_impression__c=2)
    filled.merge("usage", [{"id": "s9", "ad_impression__c": 3, **used}])
    assert filled.built()["sales_line_items_booked_delivered"].inserted == 1
    assert filled.rows(version) != before
    before = filled.rows(version)
    filled.update("usage", "s1", ad_impression__c=1)
    filled.update("usage", "s9", ad_impression__c=4)
    booked = filled.built()["sales_line_items_booked_delivered"]
    assert (booked.mode, booked.deleted, booked.inserted) == ("incremental", 0, 0)
    assert filled.rows(version) == before
    assert filled.differing() == {}


def test_explain_says_what_and_why_and_changes_nothing(filled: Org) -> None:
    filled.update("account", "a1", name="New")
    for _ in range(2):
        plans = {plan.table: plan for plan in explain(filled.warehouse, filled.models)}
        plan = plans["sales_orders"]
        assert (plan.mode, plan.keys, plan.reason) == ("incremental", 2, "")
        assert [str(change) for change in plan.changed] == ["salesforce.account: 1 changed"]
        assert plans["products"].mode == "unchanged"
        assert plans["products"].reason == "nothing it reads has changed"
    assert filled.built()["sales_orders"].inserted == 2


def test_full_makes_every_row_anew(filled: Org) -> None:
    report = filled.build(full=True)
    assert {(t.mode, t.reason) for t in report.tables} == {("full", "asked for")}
    assert {t.mode for t in filled.build().tables} == {"unchanged"}


def test_a_table_left_out_takes_its_changes_the_next_time(filled: Org) -> None:
    filled.update("account", "a1", name="New")
    assert filled.built("sales_orders")["sales_orders"].inserted == 2
    filled.update("account", "a1", name="Newer")
    tables = filled.built()
    assert tables["sales_order_contacts"].inserted == 2
    assert filled.differing() == {}
    assert filled.rows("SELECT count(*) AS n FROM seil_changes.account") == [{"n": 0}]
    assert filled.rows("SELECT count(*) AS n FROM seil.changes") == [{"n": 0}]


def test_a_table_whose_test_fails_keeps_its_rows_and_its_changes(
    filled: Org, tmp_path: Path
) -> None:
    strict = (MODELS / "products.yml").read_text("utf-8").replace("level: warning", "level: error")
    (tmp_path / "products.yml").write_text(strict, "utf-8")
    shutil.copy(MODELS / "products.sql", tmp_path)
    filled.models = site_models(load_catalog(), tmp_path)
    modes = {name: table.mode for name, table in filled.built().items()}
    assert [name for name, mode in modes.items() if mode != "unchanged"] == ["products"]
    filled.merge("product", [{"id": "p3", "name": None}])
    filled.update("product", "p1", name="New")
    tables = filled.built()
    assert [name for name, table in tables.items() if not table.is_built] == ["products"]
    assert "product_name IS NOT NULL" in tables["products"].message
    query = "SELECT base_product_name AS name FROM products WHERE product_id = 'p1'"
    assert filled.rows(query) == [{"name": "Product 1"}]
    filled.update("product", "p3", name="Third")
    again = filled.built()["products"]
    assert (again.mode, again.deleted, again.inserted) == ("incremental", 1, 2)
    assert filled.differing() == {}


def test_a_table_that_is_never_built_does_not_keep_changes_for_ever(
    filled: Org, monkeypatch: Any
) -> None:
    monkeypatch.setattr("seil.warehouse.relational.changes._WHOLE_ROWS", 4)
    monkeypatch.setattr("seil.warehouse.relational.changes._WHOLE_SHARE", 0)
    for number in range(12):
        filled.update("account", "a1", name=f"New {number}")
        assert filled.built("sales_orders")["sales_orders"].is_built
        count = filled.rows("SELECT count(*) AS n FROM seil_changes.account")[0]["n"]
        assert count <= 2 * 4
        assert filled.rows("SELECT count(*) AS n FROM seil.changes")[0]["n"] <= 5
    assert filled.built()["sales_order_contacts"].mode == "full"
    assert filled.differing() == {}


def test_most_of_a_table_changed_is_built_anew(filled: Org, monkeypatch: Any) -> None:
    monkeypatch.setattr("seil.warehouse.relational.changes._WHOLE_ROWS", 1)
    filled.merge("account", [{"id": f"a{n}", "name": "New"} for n in range(9)])
    tables = filled.built()
    assert tables["sales_orders"].mode == "full"
    assert tables["sales_orders"].reason == "much of salesforce.account has changed"
    assert tables["products"].mode == "unchanged"
    assert filled.differing() == {}


def test_a_missing_table_is_built_anew(filled: Org) -> None:
    database(filled.warehouse).execute("DROP TABLE products")
    tables = filled.built()
    assert (tables["products"].mode, tables["products"].reason) == (
        "full",
        "it has not been built",
    )
    assert tables["ad_slots"].mode == "unchanged"


def test_a_source_column_of_another_type_builds_its_readers_anew(filled: Org) -> None:
    database(filled.warehouse).execute(
        "ALTER TABLE salesforce.usage ALTER ad_clicks__c TYPE DOUBLE"
    )
    modes = {name: table.mode for name, table in filled.built().items() if table.mode == "full"}
    assert modes == {"sales_line_items_booked_delivered": "full"}
