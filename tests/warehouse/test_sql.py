from __future__ import annotations

from seil.warehouse import TableName
from seil.warehouse.sql import Sql, SqlName, compose


def test_compose_quotes_names_and_text_and_keeps_sql() -> None:
    statement = compose(
        "SELECT {column} FROM {table} WHERE {condition} AND b = {text} LIMIT {limit}",
        column=SqlName('o"dd'),
        table=TableName("salesforce", "order"),
        condition=Sql("a > 1"),
        text="it's",
        limit=5,
    )
    assert statement == (
        'SELECT "o""dd" FROM "salesforce"."order" WHERE a > 1 AND b = \'it\'\'s\' LIMIT 5'
    )


def test_a_table_of_the_default_schema_has_no_schema_in_front() -> None:
    assert compose("{table}", table=TableName("", "orders")) == '"orders"'
    assert str(TableName("", "orders")) == "orders"
    assert str(TableName("seil", "loads")) == "seil.loads"
