"""Salesforce's restrictions on `field IN (SELECT ...)`.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_comparisonoperators.htm
"""

from __future__ import annotations

from collections.abc import Iterator

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.conditions import IDS
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.scope import QueryScope, Resolved

_MOST = 2


def check_semi_joins(query: soql.Query, scope: QueryScope) -> None:
    """Checks their number and positions. Raises OrgApiError MALFORMED_QUERY."""
    semi_joins = list(_semi_joins(query.where, beneath=""))
    if len(semi_joins) > _MOST:
        reason = (
            f"Max of {_MOST} semi join sub-selects are allowed, {len(semi_joins)} were specified"
        )
        raise _refusal(scope, semi_joins[_MOST][0], reason)
    for inner, operator in semi_joins:
        if operator:
            reason = f"Semi join sub-selects are not allowed with the '{operator}' operator"
            raise _refusal(scope, inner, reason)
        if any(_semi_joins(inner.where, beneath="")):
            raise _refusal(scope, inner, "Nesting of semi join sub-selects is not supported")
        if inner.order or inner.limit is not None or inner.offset is not None:
            reason = "ORDER BY, LIMIT and OFFSET are not allowed in semi join sub-selects"
            raise _refusal(scope, inner, reason)


def check_semi_join(
    condition: soql.In, outer: QueryScope, query: soql.Query, inner: QueryScope
) -> None:
    """Checks that both sides are ids of one object. Raises OrgApiError MALFORMED_QUERY."""
    operand, selected = _resolve(outer, condition.operand), _resolve(inner, query.select[0])
    if operand is None or selected is None:
        reason = "Semi join sub-selects compare id fields with id fields of the object itself"
        raise _refusal(outer, query, reason)
    for side in (operand, selected):
        if side.field.type not in IDS:
            name = side.field.name
            reason = f"Semi join sub-selects can only query id fields, cannot use: '{name}'"
            raise _refusal(outer, query, reason)
    if outer.entity.name == inner.entity.name:
        reason = "The inner and outer selects should not be on the same object type"
        raise _refusal(outer, query, reason)
    if not _objects(operand) & _objects(selected):
        raise _refusal(
            outer,
            query,
            f"The selected field '{selected.field.name}' in the subquery and the left operand field"
            f" '{operand.field.name}' in the where expression in the outer query should point to"
            " the same object type",
        )


def _semi_joins(
    condition: soql.Condition | None, *, beneath: str
) -> Iterator[tuple[soql.Query, str]]:
    """(semi-join, the forbidden operator above it)"""
    match condition:
        case soql.In(among=soql.Query() as query):
            yield query, beneath
        case soql.AllOf(conditions):
            for part in conditions:
                yield from _semi_joins(part, beneath=beneath)
        case soql.AnyOf(conditions):
            for part in conditions:
                yield from _semi_joins(part, beneath="OR")
        case soql.Not(negated):
            yield from _semi_joins(negated, beneath="NOT")


def _resolve(scope: QueryScope, operand: object) -> Resolved | None:
    """The field, if it belongs to the object itself."""
    resolved = scope.resolve(operand) if isinstance(operand, soql.FieldPath) else None
    return resolved if resolved and resolved.table == scope.table else None


def _objects(side: Resolved) -> set[str]:
    return {side.owner.name} if side.field.type == "id" else set(side.field.reference_to)


def _refusal(scope: QueryScope, query: soql.Query, reason: str) -> OrgApiError:
    return scope.bound.error(query.at, "MALFORMED_QUERY", reason)
