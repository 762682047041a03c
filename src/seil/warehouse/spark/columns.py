"""The warehouse's column types as those of Spark and of Iceberg."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

import pyarrow as pa

from seil.warehouse.merges import FILE
from seil.warehouse.sql import Sql, compose, join
from seil.warehouse.types import TEXT, TIMESTAMP, stored_type

TIME = pa.time64("us")
LOCAL_TIMESTAMP = pa.timestamp("us")
TIME_COLUMNS = "seil.time-columns"
"""A table's property: columns whose texts are times of the day, a type that Spark lacks."""

_SPARK_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    TIMESTAMP: "TIMESTAMP",
    LOCAL_TIMESTAMP: "TIMESTAMP_NTZ",
    TIME: "STRING",
    TEXT: "STRING",
}
_ICEBERG_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamptz": TIMESTAMP,
    "timestamp": LOCAL_TIMESTAMP,
    "time": TIME,
    "binary": pa.binary(),
}
# Iceberg has a metadata column of that name, and refuses to read a table with another.
_STORED_NAMES = {FILE: "_source_file"}
_NAMES_OF_STORED = {stored: name for name, stored in _STORED_NAMES.items()}
_DECIMAL = re.compile(r"decimal\((\d+), *(\d+)\)")


def stored_name(name: str) -> str:
    return _STORED_NAMES.get(name.lower(), name)


def column_name(stored: str) -> str:
    return _NAMES_OF_STORED.get(stored, stored)


def spark_type(kind: pa.DataType) -> Sql:
    if isinstance(kind, pa.Decimal128Type):
        return Sql(f"DECIMAL({kind.precision},{kind.scale})")
    return Sql(_SPARK_NAMES[kind])


def column_list(columns: pa.Schema) -> Sql:
    return join(
        ", ",
        (
            compose("{name} {type}", name=name_of(stored_name(c.name)), type=spark_type(c.type))
            for c in columns
        ),
    )


def stored_columns(columns: pa.Schema) -> pa.Schema:
    """The types of a table with the columns of a SELECT. Integers are BIGINT from the start:
    readers of a file from before an INTEGER was widened fail.
    """
    return pa.schema([pa.field(c.name, _stored(c.type)) for c in columns])


def _stored(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return LOCAL_TIMESTAMP
    return stored_type(kind) or TEXT


def time_columns(columns: pa.Schema) -> list[str]:
    return [column.name for column in columns if column.type == TIME]


def table_columns(schema_json: str, times: Collection[str]) -> pa.Schema:
    """From Iceberg's schema as JSON."""
    fields: list[dict[str, Any]] = json.loads(schema_json)["fields"]
    return pa.schema(
        [
            pa.field(
                column_name(field["name"]),
                TIME if field["name"] in times else _column_type(field["type"]),
            )
            for field in fields
        ]
    )


def _column_type(kind: str | dict[str, Any]) -> pa.DataType:
    if not isinstance(kind, str):
        return TEXT
    if match := _DECIMAL.fullmatch(kind):
        return pa.decimal128(int(match[1]), int(match[2]))
    return _ICEBERG_TYPES.get(kind, TEXT)


def name_of(name: str) -> Sql:
    """An identifier in Spark's own dialect."""
    return Sql("`" + name.replace("`", "``") + "`")


def is_widened(old: pa.DataType, new: pa.DataType) -> bool:
    return (
        isinstance(old, pa.Decimal128Type)
        and isinstance(new, pa.Decimal128Type)
        and old.scale == new.scale
        and old.precision <= new.precision
    )


def unquoted(name: Sql) -> str:
    return name.removeprefix('"').removesuffix('"').replace('""', '"')
