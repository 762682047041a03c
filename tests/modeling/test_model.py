from __future__ import annotations

from pathlib import Path

import pytest

from seil.catalog import Catalog, load_catalog
from seil.errors import ConfigurationError
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName

Write = dict[str, str]
SLOTS = """
WITH slots AS (SELECT id, id AS ad_slot_id, name AS ad_slot_name FROM salesforce.account_ad_server)
SELECT *, 1 AS production_system_id, 'x' AS production_system_name, 'y' AS media_property_name
FROM slots"""
POINTING = "columns: [{name: x, tests: [{relationships: {to: products, field: idd}}]}]"


def write(folder: Path, files: Write) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_the_sixteen_packaged_models_are_read(catalog: Catalog) -> None:
    models = site_models(catalog)
    assert len(models) == 16
    assert models["Sales_Orders"].described.key == ("id",)
    assert "salesforce.order" in {str(name) for name in models["sales_orders"].reads}


def test_a_users_folder_adds_and_replaces(catalog: Catalog, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "models",
        {
            "ad_slots.sql": SLOTS,
            "ad_slots.yml": "key: [id]",
            "busy_accounts.sql": "SELECT account_id, count(*) AS n FROM sales_orders GROUP BY 1",
        },
    )
    models = site_models(catalog, folder)
    assert len(models) == 17
    assert models.upstream("busy_accounts") == {"sales_orders"}
    assert (models["ad_slots"].sql, models["ad_slots"].described.columns) == (SLOTS, ())


def test_models_come_after_those_they_read(catalog: Catalog, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "models",
        {
            "a.sql": "SELECT * FROM b",
            "b.sql": "WITH c AS (SELECT * FROM c) SELECT * FROM C",
            "c.sql": "SELECT id FROM sales_orders",
        },
    )
    models = site_models(catalog, folder)
    order = list(models)
    positions = [order.index(name) for name in ("sales_orders", "c", "b", "a")]
    assert positions == sorted(positions)
    assert [model.name for model in models.select(["A", "c"])] == ["c", "a"]


def test_an_object_that_is_switched_off_can_still_be_read(tmp_path: Path) -> None:
    own = tmp_path / "objects.toml"
    own.write_text("[objects.Quote]\nenabled = false\n", "utf-8")
    assert TableName("salesforce", "quote") in site_models(load_catalog(own)).sources


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.sql": "SELECT * FROM b", "b.sql": "SELECT * FROM a"}, "reads itself: [ab] reads"),
        ({"a.sql": "SELECT * FROM a"}, "reads itself: a reads a"),
        (
            {"a.sql": "SELECT * FROM sales_ordes"},
            r"models/a.sql: sales_ordes is not a table \(did you mean sales_orders",
        ),
        (
            {"a.sql": "SELECT * FROM salesforce.accont"},
            r"salesforce.accont is not a table \(did you mean salesforce.account",
        ),
        ({"a.sql": "SELECT FROM WHERE"}, "models/a.sql: "),
        ({"a.sql": "SELECT 1 AS x; SELECT 2 AS x"}, "models/a.sql: is not one SELECT"),
        (
            {"account.sql": "SELECT 1 AS x"},
            r"models/account.sql: is called like salesforce.account, a source \(rename the file",
        ),
        *(
            ({f"{name}.sql": "SELECT 1 AS x"}, f"'{name}' is a name that the warehouse or SEIL")
            for name in ("salesforce", "seil", "seil_kept", "seil_mine", "information_schema")
        ),
        ({"Totals.sql": "SELECT 1 AS x"}, r"'Totals' is no name .* \(use lower-case letters"),
        ({"a.sql": "SELECT 1 AS x", "a.yaml": ""}, r"a.yaml: is not read \(rename it to a.yml"),
        ({"a.SQL": "SELECT 1 AS x"}, r"a.SQL: is not read \(rename it to a.sql"),
        ({"a__new.sql": "SELECT 1 AS x"}, "a__new.sql: 'a__new' is no name for a table"),
        ({"my table.sql": "SELECT 1 AS x"}, "'my table' is no name for a table"),
        (
            {"a.sql": "SELECT order_nam FROM sales_orders"},
            r"/sales_orders.sql: has no column order_nam, which \S+ reads \(did you .* order_name",
        ),
        (
            {"a.sql": "SELECT b.x FROM b", "b.sql": "WITH c AS (SELECT 1 AS y) SELECT * FROM c"},
            r"models/b.sql: has no column x, which \S+/models/a.sql reads \(there are y",
        ),
        (
            {"a.sql": "SELECT b.x FROM b", "b.sql": "SELECT 1 AS y UNION ALL SELECT 2 AS x"},
            r"models/b.sql: has no column x, which",
        ),
        (
            {"a.sql": "SELECT 1 AS x", "a.yml": POINTING},
            "models/products.sql: has no column idd, which the relationships test of a.x needs",
        ),
        ({"a.sql": "DROP TABLE x"}, "models/a.sql: is not a SELECT"),
        ({"a.yml": "key: [id]"}, "models/a.yml: there is no a.sql beside it"),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "name: b"}, "is named 'b' inside"),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "keys: [id]"}, "models/a.yml: keys: is unknown"),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "key: [id"}, "a.yml: is not YAML: line 2: did not"),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "- id"}, "a.yml: is not a list of keys with values"),
        (
            {"a.sql": "SELECT 1 AS x", "a.yml": "key: [id]"},
            r"a.sql: has no column id, which its key names \(there are x",
        ),
        (
            {"a.sql": "SELECT BUSINESS_DATE(1, 2) AS x"},
            r"models/a.sql: BUSINESS_DATE\(1, 2\): BUSINESS_DATE takes one value",
        ),
        (
            {"a.sql": "SELECT 1 AS x", "a.yml": POINTING.replace("products", "prodcts")},
            r"a.sql: prodcts, in the relationships test of a.x, is not a table \(.* products",
        ),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "tests: [uniq]"}, "a test is one of unique, not_null"),
        (
            {"a.sql": "SELECT 1 AS x", "a.yml": "tests: [{unique: [x], expression: x}]"},
            "a test is one of",
        ),
        ({"a.sql": "SELECT 1 AS x", "a.yml": "tests: [3]"}, "a test is one of"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_is_wrong_with_a_model_is_named(
    catalog: Catalog, tmp_path: Path, files: Write, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        site_models(catalog, write(tmp_path / "models", files))


@pytest.mark.parametrize("suffix", [".sql", ".yml"])
def test_a_file_that_is_not_utf_8_is_named(catalog: Catalog, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.sql").write_text("SELECT 1 AS x", "utf-8")
    (tmp_path / f"a{suffix}").write_bytes("-- é".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=rf"a{suffix}: is not UTF-8 \(byte 4\) \(save"):
        site_models(catalog, tmp_path)


def test_files_with_a_byte_order_mark_and_hidden_files_do_no_harm(
    catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "a.sql").write_text("SELECT 1 AS x", "utf-8-sig")
    (tmp_path / "._a.sql").write_bytes(b"\0\xff")
    assert site_models(catalog, tmp_path)["a"].reads == frozenset()


REPLACED = {
    "a feed": (
        {"ad_slots.sql": "SELECT id, ad_slot_name FROM salesforce.account_ad_server"},
        "models/ad_slots.sql: has no column ad_slot_id, which feed Ad_Slot needs for Ad_Slot_ID",
    ),
    "another model": (
        {
            "sales_stages.sql": "SELECT id AS opportunity_id FROM salesforce.opportunity",
            "mine.sql": "SELECT s.opportunity_id, s.sales_stage FROM sales_stages AS s",
        },
        r"models/sales_stages.sql: has no column sales_stage, which \S+/models/mine.sql reads",
    ),
    "a packaged model's test": (
        {"sales_stages.sql": "SELECT id FROM salesforce.opportunity"},
        "opportunity_id, which the relationships test of sales_orders.opportunity_id needs",
    ),
}


@pytest.mark.parametrize(("files", "message"), REPLACED.values(), ids=REPLACED)
def test_a_replacement_without_a_column_that_somebody_needs_is_refused(
    catalog: Catalog, tmp_path: Path, files: Write, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        site_models(catalog, write(tmp_path / "models", files))


def test_columns_that_only_the_warehouse_knows_are_not_missed(tmp_path: Path) -> None:
    files = {"a.sql": "SELECT * FROM salesforce.lead_like", "b.sql": "SELECT whatever FROM a"}
    own = tmp_path / "objects.toml"
    own.write_text('[objects.Lead_Like__c]\ntable = "lead_like"\n', "utf-8")
    models = site_models(load_catalog(own), write(tmp_path / "models", files))
    assert models.upstream("b") == {"a"}


def test_a_folder_that_is_not_there_is_named(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine: there is no such folder \(create it"):
        site_models(catalog, tmp_path / "mine")


def test_every_wrong_model_is_named_at_once(catalog: Catalog, tmp_path: Path) -> None:
    folder = write(tmp_path / "models", {"a.sql": "SELECT (", "b.yml": "x: 1", "c.sql": "SELEC"})
    with pytest.raises(ConfigurationError) as caught:
        site_models(catalog, folder)
    assert [Path(problem.place) for problem in caught.value.problems] == [
        folder / "a.sql",
        folder / "b.yml",
        folder / "c.sql",
    ]


def test_asking_for_a_table_nobody_builds_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(ConfigurationError, match="did you mean products"):
        site_models(catalog).select(["product"])
    with pytest.raises(ConfigurationError, match="there are ad_slots, "):
        site_models(catalog).select(["zzzzzz"])
