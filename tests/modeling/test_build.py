from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.engines import DUCKDB_ONLY, select

from seil.catalog import Catalog
from seil.errors import WarehouseError
from seil.lake import Lake
from seil.modeling.build import BuildReport, build
from seil.modeling.model import Models
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse
from seil.warehouse.duckdb.builds import EmbeddedBuilder

Curator = Any
Build = Callable[..., BuildReport]
OWN = ("base", "middle", "top")


@pytest.fixture
def own(catalog: Catalog, tmp_path: Path) -> Callable[..., Models]:
    """Models of one's own, by file name, beside the packaged ones."""

    def write_models(**files: str) -> Models:
        folder = tmp_path / "models"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            stem, _, kind = name.rpartition("_")
            (folder / f"{stem}.{kind}").write_text(text, "utf-8")
        return site_models(catalog, folder)

    return write_models


def rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    return list(select(warehouse, sql).to_pylist())


def states(report: BuildReport) -> Mapping[str, str]:
    return {table.table: table.state for table in report.tables}


def test_an_empty_warehouse_builds_all_sixteen_empty(
    warehouse: Warehouse, catalog: Catalog, bus: Any
) -> None:
    report = build(warehouse, site_models(catalog), bus=bus)
    assert report.ok
    assert len(report.tables) == 16
    assert {table.rows for table in report.tables} == {0}
    assert all(not table.failures for table in report.tables)
    assert warehouse.tables() == sorted(table.table for table in report.tables)
    notes = next(table.notes for table in report.tables if table.table == "ad_slots")
    assert "salesforce.ad_server has not been loaded: read as empty" in notes
    (event,) = bus.events
    assert (event.detail_type, event.detail["state"]) == ("build", "success")


def test_an_org_with_less_builds_with_nulls(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([{"Id": "801", "OrderNumber": "7", "AccountId": "001"}])
    curator.landing_name, curator.object = "Account", "Account"
    curator.file([{"Id": "001", "Name": "Acme"}], run="run-2")
    load(warehouse, lake, catalog)
    report = build(warehouse, site_models(catalog), tables=["sales_orders"])
    assert states(report) == {"sales_orders": "built", "sales_stages": "built"}
    values = rows(warehouse, "SELECT id, order_id, account_name, total_amount FROM sales_orders")
    assert values == [{"id": "801", "order_id": "7", "account_name": "Acme", "total_amount": None}]
    columns = warehouse.columns(TableName("", "sales_orders"))
    assert columns is not None
    assert pa.types.is_decimal(columns.field("total_amount").type)
    (table,) = [table for table in report.tables if table.table == "sales_orders"]
    (note,) = [note for note in table.notes if note.startswith("salesforce.order has")]
    assert "totalamount" in note
    assert report.loads == 2
    assert report.last_loaded_at is not None


def test_rebuilding_follows_what_is_loaded(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    models = site_models(catalog)
    curator.file([{"Id": "a", "IsDeleted": False}, {"Id": "b", "IsDeleted": False}])
    load(warehouse, lake, catalog)
    build(warehouse, models)
    later = {"run": "run-2", "end": "2024-01-03T00:00:00+00:00"}
    curator.file([{"Id": "b", "IsDeleted": True}, {"Id": "c", "IsDeleted": False}], **later)
    load(warehouse, lake, catalog)
    build(warehouse, models)
    assert rows(warehouse, "SELECT id FROM sales_orders ORDER BY id") == [{"id": "a"}, {"id": "c"}]
    builds = rows(warehouse, "SELECT loads, count(*) AS n FROM seil.builds GROUP BY 1 ORDER BY 1")
    assert builds == [{"loads": 1, "n": 16}, {"loads": 2, "n": 16}]


@DUCKDB_ONLY
def test_descriptions_stand_in_the_warehouse(warehouse: Warehouse, catalog: Catalog) -> None:
    build(warehouse, site_models(catalog), tables=["sales_orders"])
    (table,) = rows(
        warehouse, "SELECT comment FROM duckdb_tables() WHERE table_name = 'sales_orders'"
    )
    assert table["comment"].endswith("One row per order.")
    (column,) = rows(
        warehouse,
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'sales_orders' "
        "AND column_name = 'id'",
    )
    assert column["comment"] == "Salesforce id of the order."


def test_models_read_each_others_new_rows(warehouse: Warehouse, own: Any) -> None:
    for value in (1, 2):
        models = own(
            base_sql=f"SELECT {value} AS a",
            top_sql="SELECT b.a + 1 AS x FROM base AS b, middle",
            middle_sql="SELECT base.a FROM base",
        )
        build(warehouse, models, tables=OWN)
        assert rows(warehouse, "FROM top") == [{"x": value + 1}]


_TESTED = """
SELECT * FROM (VALUES
    ('a', 1, 'x', 'one'), ('b', 1, 'x', 'one'), ('c', NULL, 'y', NULL), ('c', 3, 'z', 'two'),
    ('d', 5, NULL, 'nine')
) AS v (id, n, kind, word)
"""


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("unique", "unique(id) is broken by 2 row(s): id = c; id = c"),
        ("not_null: [n]", "not_null(n) is broken by 1 row(s): id = c, n = None"),
        ("unique: [n]", "unique(n) is broken by 2 row(s): id = a, n = 1; id = b, n = 1"),
        (
            "unique: [n, kind]",
            "unique(n, kind) is broken by 2 row(s): id = a, n = 1, kind = x; id = b",
        ),
        ("expression: n < 5", "expression(n < 5) is broken by 1 row(s): id = d"),
    ],
)
def test_broken_tests_name_the_rows(
    warehouse: Warehouse, own: Any, test: str, message: str
) -> None:
    place = "tests" if ":" in test else "columns"
    entry = f"[{{{test}}}]" if ":" in test else f"[{{name: id, tests: [{test}]}}]"
    models = own(base_sql=_TESTED, base_yml=f"key: [id]\n{place}: {entry}")
    (table,) = build(warehouse, models, tables=["base"]).tables
    assert table.state == "failed"
    assert any(str(failure).startswith(f"base: {message}") for failure in table.failures)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            "accepted_values: {values: [one, two, true]}",
            "accepted_values(word) is broken by 1 row(s): id = d, word = nine",
        ),
        (
            "relationships: {to: words, field: w}",
            "relationships(word to words.w) is broken by 1 row(s): id = d, word = nine",
        ),
        (
            "relationships: {to: salesforce.quote, field: id}",
            "relationships(word to salesforce.quote.id) cannot be checked: there is no table",
        ),
        (
            "expression: word <> 'nine'",
            "expression(word: word <> 'nine') is broken by 1 row(s): id = d, word = nine",
        ),
    ],
)
def test_a_warning_is_reported_and_the_table_is_built(
    warehouse: Warehouse, own: Any, test: str, message: str
) -> None:
    models = own(
        base_sql=_TESTED,
        base_yml=f"key: [id]\ncolumns:\n - name: word\n   tests: [{{{test}, level: warning}}]",
        words_sql="SELECT w FROM (VALUES ('one'), ('two')) AS v (w)",
    )
    report = build(warehouse, models, tables=["base", "words"])
    assert report.ok
    table = next(table for table in report.tables if table.table == "base")
    assert any(str(warning).startswith(f"base: {message}") for warning in table.warnings)


@DUCKDB_ONLY
def test_up_to_five_rows_are_named_of_all_that_break(warehouse: Warehouse, own: Any) -> None:
    models = own(
        base_sql="SELECT range AS id FROM range(1000)",
        base_yml="key: [id]\ntests: [{expression: id < 100}]",
    )
    (table,) = build(warehouse, models, tables=["base"]).tables
    (failure,) = table.failures
    assert failure.count == 900
    assert [example["id"] for example in failure.examples] == [100, 101, 102, 103, 104]


def test_a_failed_table_keeps_its_old_rows_and_so_do_its_readers(
    warehouse: Warehouse, own: Any
) -> None:
    described = "key: [a]\ncolumns: [{name: a, tests: [unique]}]"
    others = {"middle_sql": "SELECT a FROM base", "top_sql": "SELECT a FROM middle"}
    build(
        warehouse,
        own(base_sql="SELECT 1 AS a", base_yml=described, side_sql="SELECT 1 AS s", **others),
    )
    broken = own(base_sql="SELECT a FROM (VALUES (2), (2)) AS v (a)", side_sql="SELECT 2 AS s")
    report = build(warehouse, broken, tables=[*OWN, "side"])
    assert states(report) == {
        "base": "failed",
        "middle": "skipped",
        "top": "skipped",
        "side": "built",
    }
    assert not report.ok
    messages = {table.table: table.message for table in report.tables}
    assert messages["base"] == "base: unique(a) is broken by 2 row(s): a = 2; a = 2"
    assert messages["top"] == "reads middle, which was not built"
    assert rows(warehouse, "SELECT * FROM base, middle AS m(b), top AS t(c), side") == [
        {"a": 1, "b": 1, "c": 1, "s": 2}
    ]
    assert not [name for name in warehouse.tables() if name.endswith("__new")]
    recorded = rows(
        warehouse, "SELECT state, count(*) AS n FROM seil.builds GROUP BY 1 ORDER BY n, 1"
    )
    assert [row["state"] for row in recorded] == ["failed", "skipped", "built"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT CAST(a AS INTEGER) AS a FROM (SELECT 'x' AS a)",
            "Could not convert string 'x'|invalid input syntax for type|The value 'x'",
        ),
        ("SELECT nope FROM (SELECT a FROM base) AS b", "nope"),
        ('SELECT nope FROM salesforce."order"', "salesforce.order.nope|nope is not a column"),
    ],
    ids=["value", "column", "source column"],
)
def test_a_model_that_cannot_run_fails_alone(
    warehouse: Warehouse, own: Any, sql: str, reason: str
) -> None:
    report = build(
        warehouse,
        own(base_sql="SELECT 1 AS a", middle_sql=sql, top_sql="SELECT * FROM middle"),
        tables=OWN,
    )
    assert states(report) == {"base": "built", "middle": "failed", "top": "skipped"}
    message = next(table.message for table in report.tables if table.table == "middle")
    assert any(part in message for part in reason.split("|"))
    assert warehouse.tables() == ["base"]


def test_a_test_that_cannot_run_fails_its_table(warehouse: Warehouse, own: Any) -> None:
    models = own(base_sql="SELECT 1 AS a", base_yml="tests: [{expression: nope > 1}]")
    (table,) = build(warehouse, models, tables=["base"]).tables
    assert table.state == "failed"
    assert "nope" in table.message


def test_columns_that_are_not_as_described_are_named(warehouse: Warehouse, own: Any) -> None:
    models = own(
        base_sql="SELECT 1::BIGINT AS a, 'x' AS b",
        base_yml="columns: [{name: a, type: text}, {name: c, type: text}]",
    )
    (table,) = build(warehouse, models, tables=["base"]).tables
    assert sorted(str(failure) for failure in table.failures) == [
        "base: column a is bigint, but described as text",
        "base: column b is built, but not described",
        "base: column c is described, but not built",
    ]
    assert table.message == "base: column c is described, but not built"


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT o.id, o.totalamount FROM salesforce."order" AS o',
        'SELECT id, totalamount FROM salesforce."order"',
        'SELECT "order".id, TotalAmount FROM salesforce.Order JOIN salesforce.account a ON false',
        'SELECT id, totalamount FROM (SELECT * FROM salesforce."order")',
        "SELECT id, (SELECT totalamount FROM salesforce.order) totalamount FROM salesforce.order",
    ],
)
@pytest.mark.parametrize("loaded", [True, False])
def test_what_the_org_lacks_is_read_as_null_however_it_is_written(
    warehouse: Warehouse,
    lake: Lake,
    catalog: Catalog,
    curator: Curator,
    own: Any,
    sql: str,
    loaded: bool,
) -> None:
    if loaded:
        curator.file([{"Id": "801"}])
        load(warehouse, lake, catalog)
    sql = sql.replace("JOIN salesforce.account", "LEFT JOIN salesforce.account")
    report = build(warehouse, own(base_sql=sql), tables=["base"])
    assert report.ok, report.tables[0].message
    expected = [{"id": "801", "totalamount": None}] if loaded else []
    assert rows(warehouse, "FROM base") == expected


def test_an_object_of_ones_own_is_read_as_text_until_it_is_loaded(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    from seil.catalog import load_catalog

    objects = tmp_path / "objects.toml"
    objects.write_text('[objects.Thing__c]\ntable = "thing"\n', "utf-8")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "things.sql").write_text("SELECT colour__c FROM salesforce.thing", "utf-8")
    report = build(warehouse, site_models(load_catalog(objects), folder), tables=["things"])
    assert report.ok
    assert rows(warehouse, "FROM things") == []


@DUCKDB_ONLY
def test_trouble_with_the_warehouse_ends_the_build_and_changes_nothing(
    warehouse: Warehouse, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(warehouse, own(base_sql="SELECT 1 AS a"), tables=["base"])

    def full(*arguments: object) -> None:
        raise WarehouseError(warehouse.url, "No space left on device")

    monkeypatch.setattr(EmbeddedBuilder, "publish", full)
    with pytest.raises(WarehouseError, match="No space left"):
        build(warehouse, own(base_sql="SELECT 2 AS a"), tables=["base"])
    assert rows(warehouse, "FROM base") == [{"a": 1}]
    assert warehouse.tables() == ["base"]


def test_a_named_table_brings_those_its_rows_refer_to(warehouse: Warehouse, own: Any) -> None:
    """Built alone, a new row would break its relationship to a table that is not made yet."""
    described = (
        "grain: one row\nkey: [id]\ncolumns:\n  - name: id\n    type: text\n    tests:\n"
        "      - relationships: {to: words, field: w}\n"
    )
    models = own(
        base_sql="SELECT 'x' AS id", base_yml=described, words_sql="SELECT 'x' AS w", words_yml=""
    )
    build(warehouse, models, tables=["words"])
    models = own(base_sql="SELECT 'y' AS id", words_sql="SELECT 'y' AS w")
    report = build(warehouse, models, tables=["base"])
    assert report.ok
    assert states(report) == {"base": "built", "words": "built"}
    assert all(not table.failures for table in report.tables)


def test_a_publisher_ad_brings_its_orders_and_lines(catalog: Catalog) -> None:
    names = {model.name for model in site_models(catalog).select(["publisher_system_ads"])}
    assert {"sales_orders", "sales_order_line_items", "production_line_items"} <= names
    assert "ad_slots" not in names
