"""`BUSINESS_DATE(x)` in a model: the date of a time in the business's time zone.

Models name no time zone; `expand` inserts the one in force before the SQL runs. A source's date
stays the same date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from seil.modeling.names import scope_relations
from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.tables import TableName

_NAME = "BUSINESS_DATE"

ColumnTypeOf = Callable[[TableName, str], pa.DataType | None]
"""The type of a table's column, None if unknown."""


@dataclass(frozen=True)
class BusinessZone:
    """A time zone by IANA name; `note` explains a fallback to the reader."""

    name: str = "UTC"
    note: str = ""


def is_call(node: object) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.upper() == _NAME


def check_calls(query: exp.Query) -> None:
    """Raises ValueError for a call with other than one argument."""
    for call in filter(is_call, query.find_all(exp.Anonymous)):
        if len(call.expressions) != 1:
            raise ValueError(f"{call.sql(WRITTEN_IN)}: {_NAME} takes one value")


def cut_columns(query: exp.Query) -> frozenset[str]:
    """Names of the columns in calls; "" for another expression."""
    values = [call.expressions[0] for call in filter(is_call, query.find_all(exp.Anonymous))]
    return frozenset(v.name.lower() if isinstance(v, exp.Column) else "" for v in values)


def expand(query: exp.Query, zone: str, type_of: ColumnTypeOf) -> bool:
    """Replaces every call in the query by plain SQL, in place.

    Returns whether the zone matters: it does not if all values are dates.
    """
    matters = False
    for scope in traverse_scope(query):
        for call in filter(is_call, list(scope.find_all(exp.Anonymous))):
            value = call.expressions[0]
            kind = _type(value, scope, type_of)
            is_day = is_date(kind)
            call.replace(_cast_to_day(value if is_day else _local(value, kind, zone)))
            matters = matters or not is_day
    return matters


def is_date(kind: pa.DataType | None) -> bool:
    return kind is not None and bool(pa.types.is_date(kind))


def _cast_to_day(value: exp.Expression) -> exp.Cast:
    return exp.cast(value.copy(), exp.DataType.Type.DATE)


def _local(value: exp.Expression, kind: pa.DataType | None, zone: str) -> exp.AtTimeZone:
    is_time = kind is None or pa.types.is_timestamp(kind)
    time = value.copy() if is_time else exp.cast(value.copy(), exp.DataType.Type.TIMESTAMPTZ)
    return exp.AtTimeZone(this=time, zone=exp.Literal.string(zone))


def _type(value: exp.Expr, scope: Scope, type_of: ColumnTypeOf) -> pa.DataType | None:
    """The type of the source column behind the value, through any number of CTEs."""
    match value:
        case exp.Alias() | exp.Paren() | exp.Coalesce():
            return _type(value.this, scope, type_of)
        case exp.Column():
            return _column_type(value, scope, type_of)
    return None


def _column_type(column: exp.Column, scope: Scope, type_of: ColumnTypeOf) -> pa.DataType | None:
    read = {alias.lower(): source for alias, source in scope_relations(scope).items()}
    alias, name = column.table.lower(), column.name.lower()
    source = read.get(alias) if alias else next(iter(read.values()), None)
    if isinstance(source, exp.Table):
        return type_of(TableName(source.db.lower(), source.name.lower()), name)
    if not isinstance(source, Scope) or not isinstance(source.expression, exp.Query):
        return None
    selected = source.expression.selects
    select = next((s for s in selected if s.alias_or_name.lower() == name), None)
    return _type(select, source, type_of) if select else None
