"""The seam around the warehouse holds: no SQL, engine or driver outside of the places for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.seam import offences

SOURCE = Path(__file__).parents[1] / "src"


def test_nothing_reaches_through_the_seam() -> None:
    assert [str(offence) for offence in offences(SOURCE)] == []


PLANTED = {
    "a statement": 'SQL = "SELECT 1"',
    "a statement on several lines": 'SQL = """\n    INSERT INTO t\n    SELECT 1"""',
    "the beginning of an f-string": 'name = "t"\nSQL = f"DELETE FROM {name}"',
    "an update": 'SQL = "UPDATE {table} AS t SET a = 1"',
    "a table": 'SQL = "CREATE TEMP TABLE t (a INTEGER)"',
    "a view": 'SQL = "DROP VIEW v"',
    "a part of one": 'SQL = " UNION ALL SELECT 1"',
    "a query that is a with": 'SQL = "WITH a AS (SELECT 1) SELECT * FROM a"',
    "in an argument": 'def f(warehouse, run):\n    run("CHECKPOINT")',
    "a call": "def f(warehouse, sql):\n    warehouse.execute(sql)",
    "a call on an attribute": "def f(self, sql):\n    self._warehouse.query(sql)",
    "a call, whatever the name": "def f(wh, sql):\n    wh.query(sql)",
    "a call on what a function gives": "def f(site, sql):\n    site.reading().stream(sql)",
    "a method passed on": "def f(wh, texts):\n    return map(wh.query, texts)",
    "a method by its name": "def f(wh, sql):\n    return getattr(wh, 'execute')(sql)",
    "composed SQL": "from seil.warehouse.sql import compose",
    "composed SQL, as a module": "from seil.warehouse import sql",
    "an engine": "from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse",
    "an engine, inside a function": "def f():\n    import seil.warehouse.duckdb",
    "a driver": "import duckdb",
    "PostgreSQL's driver": "import psycopg",
    "Spark": "def f():\n    from pyspark.sql import SparkSession",
    "an engine, by a relative import": "from ...warehouse import duckdb",
    "an upsert": 'SQL = "INSERT OR REPLACE INTO t VALUES (1)"',
    "an index": 'SQL = "CREATE UNIQUE INDEX i ON t (a)"',
    "a with of named columns": 'SQL = "WITH a(x) AS (SELECT 1) SELECT * FROM a"',
    "a query in brackets": 'SQL = "(SELECT 1)"',
    "a driver, inside a function": "def f():\n    from duckdb import connect",
    "a parser of SQL": "from sqlglot import exp",
    "a store of its own": "import sqlite3",
    "a statement in small letters": 'SQL = "select a from t where b = 1"',
    "an insert in small letters": 'SQL = "insert into t values (1)"',
    "a delete in small letters, composed": 'table = "t"\nSQL = f"delete from {table}"',
    "a template in small letters": 'SQL = "update {table} set a = {value}"',
    "a table in small letters": 'SQL = "create table t (a integer)"',
    "a drop in small letters": 'SQL = "drop table t"',
    "a sum in small letters": 'def f(name):\n    return "select a from " + name',
    "rows without a select": 'SQL = "FROM t"',
    "rows of a composed table": 'def f(name):\n    return f"from {name} limit 1"',
    "values": 'SQL = "VALUES (1, 2)"',
    "a condition": 'SQL = " WHERE a = 1"',
    "a join": 'SQL = "{a} LEFT JOIN b USING (id)"',
    "an order": 'SQL = "{query} ORDER BY 1"',
    "a driver, by its name": "import importlib\nimportlib.import_module('duckdb')",
    "a driver, by __import__": "def f():\n    return __import__('psycopg')",
    "an engine, by a name put together": "import_module(f'seil.warehouse.duckdb.{1}')",
    "an engine, by a name in a table": "A = {'a': 'seil.warehouse.duckdb'}\nimport_module(A['a'])",
    "an engine's scheme": 'def f(scheme):\n    return scheme == "duckdb"',
    "an engine's URL": 'def f(path):\n    return f"duckdb:{path}"',
}


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_a_planted_offence_is_detected(tmp_path: Path, text: str) -> None:
    write(tmp_path, "seil/sf_to_dw/load/planted", text)
    assert {offence.module for offence in offences(tmp_path)} == {"seil.sf_to_dw.load.planted"}


RIGHTFUL = {
    "SQL of an engine": ("seil/warehouse/duckdb/merge_sql", PLANTED["a statement"]),
    "SQL about a model": ("seil/modeling/plan", PLANTED["composed SQL"]),
    "a record rule": ("seil/sf_to_dw/ingest/expressions", PLANTED["a driver"]),
    "a store": ("seil/state/runs", PLANTED["a store of its own"]),
    "a docstring": ("seil/app/runs", 'def f():\n    """SELECT is not run here."""'),
    "prose": ("seil/app/runs", 'TEXT = "Select an object, or create a table of it."'),
    "prose in small letters": ("seil/app/runs", 'TEXT = "select an object, or delete from it."'),
    "a verb": ("seil/app/runs", 'TEXT = "DELETE"'),
    "a list": ("seil/app/runs", "def f(rows, row):\n    rows.append(row)"),
    "a file's name": ("seil/app/runs", 'FILE = "warehouse.read.duckdb"'),
    "SOQL": ("seil/salesforce/soql", PLANTED["a statement"]),
}


@pytest.mark.parametrize(("module", "text"), RIGHTFUL.values(), ids=RIGHTFUL)
def test_what_is_in_its_place_is_no_offence(tmp_path: Path, module: str, text: str) -> None:
    write(tmp_path, module, text)
    assert offences(tmp_path) == []


def write(folder: Path, module: str, text: str) -> None:
    file = folder / f"{module}.py"
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
