"""A published table's schema: from the warehouse's columns, and from one version to the next.

A column keeps its field id for as long as Iceberg lets its type change: more digits of a decimal
with the same scale. Any other change gives the column a new id under its name, and every row is
written again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from seil.errors import IcebergError
from seil.warehouse.types import TIMESTAMP, stored_type, type_name

if TYPE_CHECKING:
    from seil.warehouse.types import Column

# BIGINT from the start: Spark cannot read an INT32 file once its column is widened. No reader but
# a few knows Iceberg's time, so that a time of day is text.
_TYPES: Mapping[pa.DataType, IcebergType] = MappingProxyType(
    {
        pa.bool_(): BooleanType(),
        pa.int64(): LongType(),
        pa.float64(): DoubleType(),
        pa.date32(): DateType(),
        TIMESTAMP: TimestamptzType(),
        pa.time64("us"): StringType(),
        pa.string(): StringType(),
    }
)
_SQL_TYPES: Mapping[type[IcebergType], str] = MappingProxyType(
    {
        BooleanType: "BOOLEAN",
        LongType: "BIGINT",
        DoubleType: "DOUBLE",
        DateType: "DATE",
        TimestamptzType: "TIMESTAMPTZ",
        StringType: "VARCHAR",
    }
)


@dataclass(frozen=True)
class SchemaPlan:
    """`changes` describe each column that differs; with `rewrites`, why every row is written anew,
    the rows of the old schema cannot stay.
    """

    schema: Schema
    last_column_id: int
    changes: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()


def sql_type_of(kind: IcebergType) -> str:
    """In DuckDB's dialect."""
    if isinstance(kind, DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _SQL_TYPES[type(kind)]


def new_schema(table: str, columns: pa.Schema) -> SchemaPlan:
    """Raises IcebergError for a column that no Iceberg type holds, and for names that differ in
    their case alone.
    """
    fields = [
        NestedField(number, name, kind, required=False)
        for number, (name, kind) in enumerate(_columns(table, columns).items(), 1)
    ]
    return SchemaPlan(Schema(*fields), len(fields))


def next_schema(table: str, current: Schema, last_column_id: int, columns: pa.Schema) -> SchemaPlan:
    """Raises as `new_schema`. Columns keep their places, new ones follow."""
    target = _columns(table, columns)
    fields, changes, rewrites = [], [], []
    for field in current.fields:
        kind = target.pop(field.name, None)
        if kind is None:
            changes.append(f"{field.name} dropped")
        elif kind == field.field_type:
            fields.append(field)
        else:
            change = f"{field.name} from {field.field_type} to {kind}"
            changes.append(change)
            field_id = field.field_id
            if not _is_wider(field.field_type, kind):
                rewrites.append(change)
                last_column_id = field_id = last_column_id + 1
            fields.append(NestedField(field_id, field.name, kind, required=False))
    for name, kind in target.items():
        last_column_id += 1
        changes.append(f"{name} added")
        fields.append(NestedField(last_column_id, name, kind, required=False))
    return SchemaPlan(Schema(*fields), last_column_id, tuple(changes), tuple(rewrites))


def _is_wider(old: IcebergType, new: IcebergType) -> bool:
    """Whether Iceberg lets a column change so: never the scale of a decimal, which pyiceberg does
    not check.
    """
    return (
        isinstance(old, DecimalType)
        and isinstance(new, DecimalType)
        and old.scale == new.scale
        and old.precision <= new.precision
    )


def _columns(table: str, columns: pa.Schema) -> dict[str, IcebergType]:
    kinds: dict[str, IcebergType] = {}
    for name, kind in _typed(table, columns):
        if name in kinds:
            reason = f"has two columns {name!r} once names are lower-case"
            raise IcebergError(table, reason, hint="Rename one of them in the model")
        kinds[name] = kind
    return kinds


def _typed(table: str, columns: pa.Schema) -> Iterator[tuple[str, IcebergType]]:
    for column in columns:
        kind = _iceberg_type(column)
        if kind is None:
            reason = f"column {column.name} has the type {type_name(column.type)}, which is not"
            hint = "Cast it in the model, for instance to text"
            raise IcebergError(table, f"{reason} published", hint=hint)
        # Glue knows no other letters.
        yield column.name.lower(), kind


def _iceberg_type(column: Column) -> IcebergType | None:
    stored = stored_type(column.type)
    if isinstance(stored, pa.Decimal128Type):
        return DecimalType(stored.precision, stored.scale)
    return None if stored is None else _TYPES[stored]
