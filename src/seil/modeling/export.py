"""Streams the rows of a table for others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.dialect import render
from seil.warehouse.sql import Sql, SqlName, compose, join, quote

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import ChangedKeys
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableName


def export_rows(
    warehouse: Warehouse, table: TableName, columns: Sequence[str | None], *, line_of: str = ""
) -> AbstractContextManager[pa.RecordBatchReader]:
    """The rows' columns in this order, None for a column of nulls; decimals as text of full scale.

    Sorted by every column, so that the same rows give the same file. With `line_of`, rows that are
    equal in that column and the others are deduplicated.
    """
    schema = warehouse.columns(table)
    fields = {column.name: column for column in schema} if schema is not None else {}
    values = [
        _value(fields[column]) if column in fields else Sql("CAST(NULL AS VARCHAR)")
        for column in columns
    ]
    positions = (str(n) for n, column in enumerate(columns, 1) if column)
    select = compose(
        "SELECT {columns} FROM {rows} ORDER BY {order}",
        columns=join(", ", values),
        rows=_distinct(table, columns, line_of) if line_of else quote(table),
        order=join(", ", positions),
    )
    return warehouse.stream(render(select, warehouse.dialect, place=f"the export of {table}"))


def all_rows(
    warehouse: Warehouse, table: TableName, columns: pa.Schema, *, decimals_as_text: bool = False
) -> AbstractContextManager[pa.RecordBatchReader]:
    """In no order."""
    value = _named_value if decimals_as_text else _name
    names = join(", ", map(value, columns))
    select = compose("SELECT {columns} FROM {table}", columns=names, table=table)
    return warehouse.stream(render(select, warehouse.dialect, place=f"the rows of {table}"))


def recorded_rows(
    warehouse: Warehouse, changed: ChangedKeys
) -> AbstractContextManager[pa.RecordBatchReader]:
    """The present rows that builds changed."""
    return warehouse.stream(changed.rows)


def unmarked_rows(
    warehouse: Warehouse, table: TableName, columns: Sequence[str], *, mark: str
) -> AbstractContextManager[pa.RecordBatchReader]:
    """The rows whose boolean column `mark` is not true."""
    select = compose(
        "SELECT {columns} FROM {table} WHERE {mark} IS NOT TRUE",
        columns=join(", ", map(quote, columns)),
        table=table,
        mark=SqlName(mark),
    )
    return warehouse.stream(render(select, warehouse.dialect, place=f"the rows of {table}"))


def has_rows(warehouse: Warehouse, table: TableName) -> bool:
    select = compose("SELECT 1 FROM {table} LIMIT 1", table=table)
    return bool(warehouse.query(render(select, warehouse.dialect)).num_rows)


def _distinct(table: TableName, columns: Sequence[str | None], line_of: str) -> Sql:
    read = dict.fromkeys([line_of, *filter(None, columns)])
    return compose(
        "(SELECT DISTINCT {columns} FROM {table}) AS lines",
        columns=join(", ", map(quote, read)),
        table=table,
    )


def _name(column: pa.Field[pa.DataType]) -> Sql:
    return quote(column.name)


def _named_value(column: pa.Field[pa.DataType]) -> Sql:
    return compose("{value} AS {name}", value=_value(column), name=SqlName(column.name))


def _value(column: pa.Field[pa.DataType]) -> Sql:
    """Decimals as text: Arrow would write small ones with an exponent."""
    is_decimal = pa.types.is_decimal(column.type)
    template = "CAST({name} AS VARCHAR)" if is_decimal else "{name}"
    return compose(template, name=SqlName(column.name))
