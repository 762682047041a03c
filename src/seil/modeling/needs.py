"""Checks that models have the columns that others need, from their SQL alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope

from seil.errors import Problem
from seil.modeling.names import near_names, scope_relations, table_name


class ModelColumns(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def file(self) -> str: ...

    @property
    def parsed(self) -> exp.Query:
        """Shared: do not modify."""
        ...

    @property
    def columns_of_models(self) -> Iterable[tuple[str, str]]:
        """(model, column) that its SELECT reads of other models."""
        ...

    @property
    def key(self) -> Iterable[str]: ...

    @property
    def references(self) -> Iterable[tuple[str, str, str]]:
        """(own column, model, its column) of relationship tests."""
        ...


@dataclass(frozen=True)
class ColumnNeed:
    """A column that a model must have; `by` completes "..., which <by>" in messages."""

    table: str
    column: str
    by: str


def unmet_needs(
    models: Mapping[str, ModelColumns], needs: Iterable[ColumnNeed]
) -> Iterator[Problem]:
    """A problem for each needed column that a model's SELECT lacks."""
    outputs = _Outputs(models)
    of_models = (need for model in models.values() for need in _needs_of(model))
    for need in dict.fromkeys([*needs, *of_models]):
        model = models.get(need.table)
        columns = outputs.of(need.table) if model else None
        if model is None or columns is None or need.column.lower() in columns:
            continue
        reason = f"has no column {need.column}, which {need.by}"
        yield Problem(model.file, reason, near_names(need.column, columns))


def _needs_of(model: ModelColumns) -> Iterator[ColumnNeed]:
    for table, column in model.columns_of_models:
        yield ColumnNeed(table, column, f"{model.file} reads")
    for column in model.key:
        yield ColumnNeed(model.name, column, "its key names")
    for column, table, field in model.references:
        yield ColumnNeed(table, field, f"the relationships test of {model.name}.{column} needs")


def columns_of_models(query: exp.Query) -> Iterator[tuple[str, str]]:
    """(table, column) of models that a query reads. Ambiguous columns are omitted."""
    for scope in traverse_scope(query):
        alone = len(scope_relations(scope)) == 1
        for alias, source in scope_relations(scope).items():
            if not isinstance(source, exp.Table) or source.db:
                continue
            for column in scope.columns:
                if column.table.lower() == alias.lower() or (alone and not column.table):
                    yield table_name(source).name, column.name.lower()


@dataclass
class _Outputs:
    """Models' columns by table; None for a star over a table that is not a model."""

    models: Mapping[str, ModelColumns]

    def __post_init__(self) -> None:
        self._columns: dict[str, frozenset[str] | None] = {}

    def of(self, name: str) -> frozenset[str] | None:
        if name not in self._columns:
            scope = build_scope(self.models[name].parsed)
            columns = None if scope is None else self._of_scope(scope)
            self._columns[name] = None if columns is None else frozenset(columns)
        return self._columns[name]

    def _of_scope(self, scope: Scope) -> set[str] | None:
        query = scope.expression
        if not isinstance(query, exp.Query):
            return None
        if isinstance(query, exp.SetOperation):
            return self._of_scope(scope.set_operation_scopes[0])
        columns: set[str] = set()
        for select in query.selects:
            if not select.is_star:
                columns.add(select.alias_or_name.lower())
                continue
            of = select.table.lower() if isinstance(select, exp.Column) else ""
            for alias, (_, source) in scope.selected_sources.items():
                if not of or alias.lower() == of:
                    more = self._of_source(source)
                    if more is None:
                        return None
                    columns.update(more)
        return columns

    def _of_source(self, source: object) -> Iterable[str] | None:
        if isinstance(source, Scope):
            return self._of_scope(source)
        if isinstance(source, exp.Table) and not source.db and source.name.lower() in self.models:
            return self.of(source.name.lower())
        return None
