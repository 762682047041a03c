"""Rejects SQL in models that reads or changes anything but the warehouse's tables.

An allowlist for table expressions, as an engine has many that read files; a denylist for functions,
which can read settings, sequences or variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from seil.modeling.names import function_name, is_table, scope_relations
from seil.warehouse.dialect import WRITTEN_IN

_RELATIONS = (exp.Table, exp.Subquery, exp.Unnest, exp.Lateral, exp.Values)
_ROWS = (exp.Query, exp.Values, exp.Table)
# What these nodes may contain.
_PARTS: Mapping[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.From: _RELATIONS,
    exp.Join: _RELATIONS,
    exp.Lateral: (exp.Subquery, exp.Unnest),
    exp.CTE: _ROWS,
    exp.Subquery: _ROWS,
}
_TABLE_FUNCTIONS = frozenset({"unnest", "generate_subscripts", "json_each", "json_tree"})
_REFUSED_FUNCTIONS = frozenset(
    {"current_setting", "currval", "getenv", "getvariable", "nextval", "setseed", "sleep_ms"}
    | {"which_secret", "write_log"}
)
_MAX_SHOWN = 60


def outside_reads(query: exp.Query) -> Iterator[str]:
    """A reason for each part of a SELECT that is rejected."""
    tables = {
        id(source)
        for scope in traverse_scope(query)
        for source in scope_relations(scope).values()
        if is_table(source)
    }
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.walk():
        is_resolved = id(node) in tables or node.name.lower() in ctes
        if reason := _reason(node, is_resolved=is_resolved):
            yield f"{_shorten(node)} {reason}"


def expression_reads(expression: exp.Expr) -> Iterator[str]:
    """The same for a test's expression, which may read one row only."""
    for node in expression.walk():
        if isinstance(node, exp.Query):
            yield f"{_shorten(node)} is a query: write it in the model"
        elif isinstance(node, exp.Func) and function_name(node) in _REFUSED_FUNCTIONS:
            yield f"{_shorten(node)} reads more than the row"


def _reason(node: exp.Expr, *, is_resolved: bool) -> str:
    if isinstance(node, exp.Table):
        return _table_reason(node, is_resolved=is_resolved)
    if isinstance(node, exp.Into):
        return "writes a table"
    if isinstance(node, exp.Func) and function_name(node) in _REFUSED_FUNCTIONS:
        return "reads more than tables of the warehouse"
    if isinstance(node, exp.Lateral) and _is_table_function(node.this):
        return ""
    is_part = next((parts for kind, parts in _PARTS.items() if isinstance(node, kind)), object)
    return "" if isinstance(node.this, is_part) else "is not a SELECT, and reads no table"


def _table_reason(table: exp.Table, *, is_resolved: bool) -> str:
    if table.catalog:
        return "is a table of another database"
    if not isinstance(table.this, exp.Identifier):
        is_listed = _is_table_function(table.this) and not table.db
        return "" if is_listed else "reads more than tables of the warehouse"
    if not table.name.replace("_", "").isalnum():
        return "is not a table of the warehouse"
    return "" if is_resolved else "is read in a way that is not understood"


def _is_table_function(node: exp.Expr) -> bool:
    is_listed = isinstance(node, exp.Func) and function_name(node) in _TABLE_FUNCTIONS
    return is_listed or isinstance(node, exp.GenerateSeries)


def _shorten(node: exp.Expr) -> str:
    text = node.sql(WRITTEN_IN)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
