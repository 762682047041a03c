"""What PostgreSQL has no place for: rows wider than a page, names longer than 63 bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from tests.sf_to_dw.tables.conftest import Curator
from tests.warehouse.records import OWN, TABLE, TYPES, Accounts

from seil.catalog import load_catalog
from seil.errors import StatementError
from seil.lake import Lake
from seil.modeling.build import build as build_tables
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse

LONG = "x" * 3_000


def wide(warehouse: Warehouse, folder: Path, texts: int, text: str = LONG) -> Accounts:
    names = [f"text_{number:03d}" for number in range(texts)]
    types = {**TYPES, **dict.fromkeys(names, pa.string())}
    accounts = Accounts(warehouse, folder, types)
    row = {"id": "A", "size": 1, **{name: text and f"{text}{name}" for name in names}, "stamp": 1}
    accounts.merge(accounts.file(1, [row]))
    return accounts


def test_long_texts_lie_beside_their_row(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = wide(warehouse, tmp_path, 400)
    assert accounts.select("SELECT text_399 FROM salesforce.account") == [(f"{LONG}text_399",)]


def test_a_row_that_no_page_holds_is_refused_before_anything_is_stored(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with pytest.raises(StatementError, match=r"row is too big: size \d+, maximum size 8160"):
        wide(warehouse, tmp_path, 800)
    assert warehouse.query("SELECT * FROM salesforce.account").num_rows == 0


@pytest.mark.matrix
def test_a_table_keeps_room_for_the_columns_of_a_merge(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    most = 1_590 - len({**TYPES, **OWN})
    accounts = wide(warehouse, tmp_path, most, text="")
    accounts.merge(accounts.file(2, [{"id": "A", "size": 2, "stamp": 2}]))
    assert accounts.select("SELECT size, text_000 FROM salesforce.account") == [(2, None)]
    with (
        pytest.raises(StatementError, match="would have 1,591 columns, of at most 1,590"),
        warehouse.commit("drift") as commit,
    ):
        commit.tables.add_columns(TABLE, pa.schema([pa.field("more", pa.string())]))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (500, r"account \(502 columns\): row is too big: size 9\d{3}, maximum size 8160"),
        pytest.param(
            1_700, r"account would have 1,704 columns, of at most 1,590", marks=pytest.mark.matrix
        ),
    ],
    ids=["row", "columns"],
)
def test_a_file_too_wide_holds_back_no_other_and_loads_without_the_columns(
    warehouse: Warehouse, tmp_path: Path, columns: int, words: str
) -> None:
    lake = Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")
    accounts, orders = Curator(lake, "Account", "Account"), Curator(lake)
    names = [f"Text_{number}__c" for number in range(columns)]
    key = accounts.file([{"Id": "a1", "Name": "one", **{n: f"{LONG}{n}" for n in names}}])
    accounts.file([{"Id": "a2", "Name": "two"}], run="run-2")
    orders.file([{"Id": "o1", "Name": "one"}])
    report = load(warehouse, lake, load_catalog(), objects=["Account", "Order"])
    (error,) = report.objects[0].errors
    assert re.search(words, error)
    assert "Leave out columns, by `exclude` in objects.toml" in error
    assert f"`seil files retry {key}` and `seil run`" in error
    assert ids(warehouse, "account") == ["a2"]
    assert ids(warehouse, '"order"') == ["o1"]
    # As ingest leaves it once the catalog excludes them.
    accounts.file([{"Id": "a1", "Name": "one"}])
    assert load(warehouse, lake, load_catalog(), objects=["Account", "Order"]).ok
    assert ids(warehouse, "account") == ["a1", "a2"]


def test_a_model_too_wide_is_refused_beside_the_others(
    warehouse: Warehouse, accounts: Accounts, tmp_path: Path
) -> None:
    numbers = ", ".join(f"CAST({n} AS BIGINT) AS n{n}" for n in range(1_100))
    for name, columns in {"broad": f"id, {numbers}", "slim": "id"}.items():
        (tmp_path / f"{name}.sql").write_text(f"SELECT {columns} FROM salesforce.account")
    models = site_models(load_catalog(), tmp_path)
    broad, slim = build_tables(warehouse, models, tables=["broad", "slim"]).tables
    assert slim.state == "built"
    assert broad.state == "failed"
    assert re.search(r"row is too big: size 8\d{3}, .*Leave out columns", broad.message)


def ids(warehouse: Warehouse, table: str) -> list[object]:
    rows = warehouse.query(f"SELECT id FROM salesforce.{table} ORDER BY 1")
    return [*rows["id"].to_pylist()]


SHORTER = r"Choose a name of at most 51 bytes for a table, of 63 for a column"


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("x" * 52, "a", f"the name salesforce.x{{52}} is too long. {SHORTER}"),
        ("ä" * 26, "a", f"the name salesforce.ä{{26}} is too long. {SHORTER}"),
        ("x", "y" * 64, f'"y{{64}}" will be truncated.*{SHORTER}'),
        ("x" * 51, "y" * 63, ""),
    ],
    ids=["table", "bytes", "column", "both fit"],
)
def test_a_name_that_postgresql_would_cut_is_refused(
    warehouse: Warehouse, table: str, column: str, words: str
) -> None:
    name = TableName("salesforce", table)
    columns = pa.schema([pa.field("id", pa.string()), pa.field(column, pa.string())])

    def create() -> None:
        with warehouse.commit("long") as commit:
            commit.tables.create_table(name, columns, key="id")

    if words:
        with pytest.raises(StatementError, match=words):
            create()
    else:
        create()
    assert warehouse.tables("salesforce") == ([] if words else [table])


def test_a_model_whose_name_is_too_long_is_refused_beside_the_others(
    warehouse: Warehouse, accounts: Accounts, tmp_path: Path
) -> None:
    """One of the longest name is built anew, by its keys, and by other columns."""
    models = tmp_path / "models"
    models.mkdir()
    longest, longer = "m" * 51, "n" * 52
    for name in (longest, longer):
        (models / f"{name}.sql").write_text("SELECT a.id, a.size FROM salesforce.account AS a")

    def built() -> list[str]:
        tables = [longest, longer]
        site = site_models(load_catalog(), models)
        good, bad = build_tables(warehouse, site, tables=tables).tables
        assert re.search(f"{longer} is too long. {SHORTER}", bad.message)
        return [good.state, good.mode]

    assert built() == ["built", "full"]
    accounts.merge(accounts.file(2, [{"id": "A", "size": 2, "stamp": 2}]))
    assert built()[0] == "built"
    select = "SELECT a.id, 'x' AS other FROM salesforce.account AS a"
    (models / f"{longest}.sql").write_text(select)
    assert built()[0] == "built"
    assert warehouse.query(f"SELECT other FROM {longest}").to_pylist() == [{"other": "x"}]
