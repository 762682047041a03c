"""A real PostgreSQL takes what `render` writes for it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from sqlglot import exp
from tests.postgresql import Server
from tests.warehouse.test_dialect import MODELS, constructs, packaged_select

from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.types import sql_type

# Types that the columns a, b, c and d of dialects.txt's tables can have.
TYPES = (
    *((kind,) * 4 for kind in ("text", "bigint", "double precision", "boolean", "timestamptz")),
    ("date",) * 4,
    ("boolean", "bigint", "bigint", "bigint"),
    ("boolean", "bigint", "boolean", "bigint"),
    ("bigint", "boolean", "bigint", "bigint"),
    ("bigint", "date", "bigint", "bigint"),
)


@pytest.fixture
def connection(server: Server) -> Iterator[psycopg.Connection]:
    url = server.url(server.new_database())
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def postgres_type(stored: pa.DataType) -> str:
    return exp.DataType.build(sql_type(stored), dialect=WRITTEN_IN).sql("postgres")


def test_every_packaged_model_runs(connection: psycopg.Connection) -> None:
    connection.execute("CREATE SCHEMA salesforce")
    for table, source in MODELS.sources.items():
        columns = [f'"{name}" {postgres_type(c.type)}' for name, c in source.columns.items()]
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})".encode())
    for name, model in MODELS.items():
        select = packaged_select(name, "postgres")
        connection.execute(f"CREATE TABLE {name} AS {select}".encode())
        rows = connection.execute(f"SELECT * FROM {name}".encode())
        assert {column.name for column in rows.description or ()} == {
            column.name for column in model.described.columns
        }


def test_every_rendered_construct_runs(connection: psycopg.Connection) -> None:
    for number, (a, b, c, d) in enumerate(TYPES):
        connection.execute(f"CREATE SCHEMA s{number}".encode())
        columns = f"id text, name text, a {a}, b {b}, c {c}, d {d}"
        for table in "tuv":
            connection.execute(f"CREATE TABLE s{number}.{table} ({columns})".encode())
    statements = {
        there for _, dialect, there in constructs() if dialect == "postgres" and there != "refused"
    }
    reasons = {sql: refusals(connection, sql) for sql in statements}
    assert {sql: why for sql, why in reasons.items() if len(why) == len(TYPES)} == {}


def refusals(connection: psycopg.Connection, sql: str) -> list[str]:
    """Why it is not understood, for each of TYPES that it is not understood with."""
    reasons = []
    for number, kinds in enumerate(TYPES):
        connection.execute(f"SET search_path = s{number}".encode())
        try:
            connection.execute(f"EXPLAIN {sql}".encode())
        except psycopg.Error as error:
            reasons.append(f"{kinds}: {error.diag.message_primary}")
    return reasons
