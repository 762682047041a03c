"""Names of tables and columns in SQL, and problems with unknown ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from sqlglot import exp
from sqlglot.optimizer.scope import Scope
from typing_extensions import TypeIs

from seil.errors import Problem
from seil.warehouse.tables import TableName

_LISTED = 30


def is_table(source: object) -> TypeIs[exp.Table]:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def scope_relations(scope: Scope) -> Mapping[str, exp.Expression | Scope]:
    """A SELECT's relations by alias, with those of SEMI and ANTI joins, unlike
    `selected_sources`.
    """
    return {alias: scope.sources[alias] for alias, _ in scope.references if alias in scope.sources}


def function_name(node: exp.Func) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def table_name(table: exp.Table) -> TableName:
    return TableName(table.db.lower(), table.name.lower())


def name_problem(name: str, kind: str, among: Iterable[str], *, at: str = "") -> Problem | None:
    """A problem with near matches if the name is not in `among`; else None."""
    names = list(among)
    if name in names:
        return None
    cure = near_names(name, names)
    if at:
        return Problem(at, f"{name} is not {kind}", cure)
    return Problem(name, f"is not {kind}", cure)


def near_names(name: str, among: Iterable[str]) -> str:
    """A hint: the near matches, or all names if there are few."""
    names = sorted(among)
    if near := get_close_matches(name, names, 3, 0.5):
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(names)}" if len(names) <= _LISTED else ""
