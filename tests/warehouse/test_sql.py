from __future__ import annotations

from seil.warehouse import TableName
from seil.warehouse.sql import Name, Sql, compose, translated


def test_compose_quotes_names_and_text_and_keeps_sql() -> None:
    made = compose(
        "SELECT {column} FROM {table} WHERE {condition} AND b = {text} LIMIT {limit}",
        column=Name('o"dd'),
        table=TableName("salesforce", "order"),
        condition=Sql("a > 1"),
        text="it's",
        limit=5,
    )
    assert made == (
        'SELECT "o""dd" FROM "salesforce"."order" WHERE a > 1 AND b = \'it\'\'s\' LIMIT 5'
    )


def test_a_table_of_the_default_schema_has_no_schema_in_front() -> None:
    assert compose("{table}", table=TableName("", "orders")) == '"orders"'
    assert str(TableName("", "orders")) == "orders"
    assert str(TableName("seil", "loads")) == "seil.loads"


def test_sql_is_left_alone_for_duckdb_and_translated_for_others() -> None:
    written = 'SELECT "a"::TIMESTAMPTZ FROM seil.loads'
    assert translated(written, "duckdb") is written
    assert translated(written, "spark") == "SELECT CAST(`a` AS TIMESTAMP) FROM seil.loads"
