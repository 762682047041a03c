"""The columns by which builds find rows, from the models' SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.modeling.test_model import write

from seil.catalog import Catalog
from seil.modeling.access import table_access
from seil.modeling.plan import new_planner
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse
from seil.warehouse.builds import TableAccess

ORDER = TableName("salesforce", "order")
OWN = TableName("", "own")


def access(
    warehouse: Warehouse, catalog: Catalog, folder: Path | None = None
) -> dict[TableName, TableAccess]:
    models = site_models(catalog, folder)
    warehouse.prepare()
    with warehouse.commit("access") as commit:
        return table_access(new_planner(warehouse, commit.builder, models))


def test_both_sides_of_each_join_are_lookups(warehouse: Warehouse, catalog: Catalog) -> None:
    tables = access(warehouse, catalog)
    assert tables[ORDER].key == ("id",)
    assert {"accountid", "ownerid", "opportunityid"} <= tables[ORDER].lookups
    assert "orderid" in tables[TableName("salesforce", "order_product")].lookups
    assert "status" not in tables[ORDER].lookups


@pytest.mark.parametrize(
    ("described", "key"),
    [
        ("key: [id]\ncolumns: [{name: id, tests: [unique, not_null]}]", ("id",)),
        ("key: [id]\ncolumns: [{name: id, tests: [unique]}]", ()),
        ("key: [id]\ncolumns: [{name: id, tests: [{unique: [], level: warning}, not_null]}]", ()),
        ("key: [id, b]\ntests: [{unique: [b, id]}, {not_null: [id, b]}]", ("id", "b")),
        ("columns: [{name: id, tests: [unique, not_null]}]", ()),
    ],
    ids=["both", "may be null", "warned of", "together", "no key"],
)
def test_a_key_is_certain_where_tests_hold_it(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path, described: str, key: tuple[str, ...]
) -> None:
    select = "SELECT o.id, o.status AS b FROM salesforce.order AS o"
    folder = write(tmp_path / "models", {"own.sql": select, "own.yml": described})
    assert access(warehouse, catalog, folder)[OWN] == TableAccess(key, frozenset({"id"}))


def test_a_model_that_is_not_understood_adds_no_columns(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path
) -> None:
    select = "SELECT id FROM salesforce.order WHERE status IN (SELECT name FROM salesforce.quote)"
    folder = write(tmp_path / "models", {"own.sql": select})
    assert access(warehouse, catalog, folder)[OWN] == TableAccess()
