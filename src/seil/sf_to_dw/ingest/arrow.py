"""pyarrow where column types are known only at run time, which its stubs cannot follow."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

ArrowColumn: TypeAlias = Any
"""A `pa.Array` of any type."""

pc: Any = pyarrow.compute
_pa: Any = pa


def nulls(rows: int, kind: pa.DataType) -> ArrowColumn:
    return _pa.nulls(rows, kind)


def repeat(value: object, kind: pa.DataType, rows: int) -> ArrowColumn:
    return _pa.repeat(_pa.scalar(value, kind), rows)


def schema_of(fields: list[tuple[str, pa.DataType]]) -> pa.Schema:
    schema: pa.Schema = _pa.schema(fields)
    return schema
