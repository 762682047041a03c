"""A model reads tables of the warehouse and computes; whatever else it says is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seil.catalog import Catalog
from seil.errors import ConfigurationError
from seil.modeling.outside import _REFUSED_FUNCTIONS, _TABLE_FUNCTIONS
from seil.sf_to_dw.site_models import site_models

MORE = "reads more than tables of the warehouse"
REFUSED = {
    "SELECT * FROM read_text('/etc/passwd')": rf"READ_TEXT\('/etc/passwd'\) {MORE}",
    "SELECT * FROM read_csv('x.csv')": rf"READ_CSV\('x.csv'\) {MORE}",
    "SELECT * FROM read_blob('*') AS b, sales_orders": rf"READ_BLOB\('\*'\) AS b {MORE}",
    "SELECT * FROM glob('*')": rf"GLOB\('\*'\) {MORE}",
    "SELECT * FROM query('SELECT 1')": MORE,
    "SELECT * FROM query_table('x')": MORE,
    "SELECT * FROM duckdb_secrets()": MORE,
    "SELECT * FROM json_execute_serialized_sql('{}')": MORE,
    "SELECT * FROM postgres_scan('host=x', 'public', 't')": MORE,
    "SELECT * FROM sales_orders, LATERAL read_csv('a')": "reads no table",
    "SELECT * FROM 'x.parquet'": '"x.parquet" is not a table of the warehouse',
    "SELECT (SELECT count(*) FROM 'x.csv') AS n": "is not a table of the warehouse",
    "SELECT id FROM sales_orders SEMI JOIN 'x.csv' USING (id)": "is not a table of the warehouse",
    "FROM sales_orders UNION FROM '/etc/x.json'": "is not a table of the warehouse",
    "SELECT * FROM other.main.accounts": "is a table of another database",
    "SELECT * FROM seil.loads": "seil.loads is not a table",
    "SELECT * FROM information_schema.tables": "is not a table",
    "SELECT id FROM sales_orders SEMI JOIN secrets USING (id)": "secrets is not a table",
    "SELECT * FROM (DESCRIBE sales_orders)": "is not a SELECT, and reads no table",
    "SELECT * FROM (SUMMARIZE sales_orders)": "is not a SELECT, and reads no table",
    "SELECT * FROM (PIVOT sales_orders ON id)": "is not a SELECT, and reads no table",
    "WITH a AS (DELETE FROM sales_orders RETURNING *) SELECT * FROM a": "is not a SELECT",
    "SELECT * INTO y FROM sales_orders": "writes a table",
    "SELECT getenv('HOME') AS x": rf"GETENV\('HOME'\) {MORE}",
    "SELECT ('HOME').getenv() AS x": MORE,
    "SELECT current_setting('s3_secret_access_key') AS x": MORE,
    "SELECT id FROM sales_orders WHERE nextval('s') > 1": MORE,
    "ATTACH 'x.duckdb'": "is not a SELECT",
    "COPY sales_orders TO 'x.csv'": "is not a SELECT",
    "INSTALL httpfs": "is not a SELECT",
    "SELECT 1 AS x; ATTACH 'x.duckdb'": "is not one SELECT",
}
ALLOWED = [
    "SELECT * FROM unnest([1, 2]) AS t(x)",
    "SELECT unnest([1, 2]) AS x",
    "SELECT * FROM range(3) AS t(x), generate_series(1, 3) AS s(y)",
    "SELECT * FROM (VALUES (1, 'a')) AS v(x, y)",
    "SELECT o.id, e.key FROM sales_orders AS o, json_each('{}') AS e",
    "SELECT id FROM sales_orders AS o SEMI JOIN products AS p ON o.id = p.product_id",
    "WITH Orders AS (SELECT id FROM sales_orders) SELECT * FROM orders",
    "SELECT o.id FROM Sales_Orders AS o, LATERAL (SELECT 1 AS x WHERE o.id > 'a') AS l",
]


def refusal(catalog: Catalog, folder: Path, sql: str, yml: str = "") -> str:
    (folder / "mine.sql").write_text(sql, "utf-8")
    (folder / "mine.yml").write_text(yml, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        site_models(catalog, folder)
    return str(caught.value)


@pytest.mark.parametrize(("sql", "reason"), REFUSED.items(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_reads_more_than_tables_is_refused(
    catalog: Catalog, tmp_path: Path, sql: str, reason: str
) -> None:
    assert re.search(f"mine.sql: .*{reason}", refusal(catalog, tmp_path, sql))


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_stays_in_the_warehouse_is_allowed(catalog: Catalog, tmp_path: Path, sql: str) -> None:
    (tmp_path / "mine.sql").write_text(sql, "utf-8")
    assert "mine" in site_models(catalog, tmp_path)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("x < (SELECT count(*) FROM 'x.csv')", "is a query: write it in the model"),
        ("getenv('HOME') = x", r"GETENV('HOME') reads more than the row"),
        ("x > 0) OR (1 = 1", "mine.yml: 'x > 0) OR (1 = 1'"),
    ],
)
def test_an_expression_that_reads_more_than_its_row_is_refused(
    catalog: Catalog, tmp_path: Path, expression: str, reason: str
) -> None:
    yml = f'tests: [{{expression: "{expression}"}}]'
    assert reason in refusal(catalog, tmp_path, "SELECT 1 AS x", yml)


def test_no_table_function_is_refused_as_one_of_values() -> None:
    assert not _TABLE_FUNCTIONS & _REFUSED_FUNCTIONS
