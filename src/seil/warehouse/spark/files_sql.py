"""SQL for the rows of staged Parquet files, in SEIL's own dialect.

Its casts of texts give what DuckDB's give: Spark's would refuse '4.0' for an integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.duckdb.files_sql import full_id
from seil.warehouse.spark.columns import name_of
from seil.warehouse.spark.forms import SparkForms
from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    from seil.warehouse.merges import StagedFile
    from seil.warehouse.types import Column

ROW = "_seil_row"
_EXACT = Sql("DECIMAL(38,18)")
_FORMS = SparkForms()
_TIME_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}


def file_schema(file: StagedFile) -> str:
    """What Spark reads of a file, as a DDL string. It knows no time of day: see `_time`."""
    columns = {column.name: column for column in file.columns.values()}
    # Without any column a file has no rows.
    return ", ".join(
        f"{name_of(name)} {_read_type(column.type)}"
        for name, column in columns.items()
        if not pa.types.is_null(column.type)
    )


def _read_type(kind: pa.DataType) -> str:
    value = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
    if isinstance(value, pa.Decimal32Type | pa.Decimal64Type | pa.Decimal128Type):
        return f"DECIMAL({value.precision},{value.scale})"
    for test, name in _READ_TYPES:
        if test(value):
            return name
    return "STRING"


_READ_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_uint64, "DECIMAL(20,0)"),
    (pa.types.is_uint32, "BIGINT"),
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_integer, "INT"),
    (pa.types.is_float64, "DOUBLE"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_date, "DATE"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, "TIMESTAMP_NTZ"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_time64, "BIGINT"),
    (pa.types.is_time32, "INT"),
)


def cast(column: Column, target: pa.DataType) -> Sql:
    """The column cast to a type; empty text becomes null."""
    value = compose("{name}", name=SqlName(column.name))
    if pa.types.is_null(column.type):
        return compose("CAST(NULL AS {type})", type=_FORMS.type_name(target))
    if pa.types.is_time(column.type):
        value = _time(value, column.type)
    elif stored_type(column.type) == TEXT:
        # Curated files of earlier versions contain empty texts.
        template = "nullif({value}, '')" if target == TEXT else "nullif(trim({value}), '')"
        value = compose(template, value=value)
        if pa.types.is_integer(target):
            value = compose("round(CAST({value} AS {exact}))", value=value, exact=_EXACT)
    return compose("CAST({value} AS {type})", value=value, type=_FORMS.type_name(target))


def _time(value: Sql, kind: pa.DataType) -> Sql:
    """The text of a time of day, which is read as the number that Parquet holds."""
    unit = kind.unit if isinstance(kind, pa.Time64Type | pa.Time32Type) else "us"
    micros = compose("(CAST({v} AS BIGINT) * {n})", v=value, n=_TIME_UNITS[unit])
    return compose("date_format(timestamp_micros({micros}), 'HH:mm:ss.SSSSSS')", micros=micros)


def projection(file: StagedFile, columns: pa.Schema) -> Sql:
    """The file's values cast to the types of `columns`, null where the file lacks one."""
    values = (
        compose("{value} AS {name}", value=_value(file, column), name=SqlName(column.name))
        for column in columns
    )
    return join(", ", values)


def _value(file: StagedFile, column: Column) -> Sql:
    if column.name not in file.columns:
        return compose("CAST(NULL AS {type})", type=_FORMS.type_name(column.type))
    value = cast(file.columns[column.name], column.type)
    return full_id(value) if column.name in file.ids and column.type == TEXT else value


def rows_of(view: Sql, number: int, file: StagedFile, columns: pa.Schema) -> Sql:
    """The rows of a file, with the file's number and each row's position in it."""
    return compose(
        """
        SELECT {projection}, CAST({file} AS VARCHAR) AS _file,
               CAST({at} AS TIMESTAMPTZ) AS _extracted_at, CAST({number} AS BIGINT) AS _seil_file,
               _seil_row
        FROM {view} AS file""",
        projection=projection(file, columns),
        file=file.file,
        at=file.extracted_at.isoformat(),
        number=number,
        view=view,
    )


def misfits(relation: Sql, column: str, target: pa.DataType) -> Sql:
    """Counts texts that cannot be cast to a type without loss; null and empty text can."""
    text = compose("nullif(trim({name}), '')", name=SqlName(column))
    lossless = _lossless(target)
    value = compose("TRY_CAST({text} AS {type})", text=text, type=lossless)
    return compose(
        """
        SELECT count(*) AS number, min({name}) AS example FROM {relation} AS misfits
        WHERE {text} IS NOT NULL AND (
            TRY_CAST({value} AS {type}) IS NULL
            OR TRY_CAST({value} AS {type}) IS DISTINCT FROM {value})""",
        name=SqlName(column),
        relation=relation,
        text=text,
        value=value,
        type=_FORMS.type_name(target),
    )


def _lossless(target: pa.DataType) -> Sql:
    """A type that keeps the digits that a cast of text to the target would round away."""
    if isinstance(target, pa.Decimal128Type):
        return Sql(f"DECIMAL(38,{38 - (target.precision - target.scale)})")
    if pa.types.is_integer(target):
        return _EXACT
    return Sql("TIMESTAMP") if pa.types.is_date(target) else _FORMS.type_name(target)
