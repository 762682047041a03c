"""Adapts a model's SELECT to the tables that a warehouse has.

A source without a table is read as no rows, a missing column as nulls of the type that the source
describes. Tables of the same build are read from their staged relations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from seil.errors import ConfigurationError
from seil.modeling.business_date import BusinessZone, ColumnTypeOf, expand
from seil.modeling.model import Model, parse_model
from seil.modeling.names import is_table, name_problem, scope_relations, table_name
from seil.modeling.sources import Source, Sources
from seil.warehouse.dialect import WRITTEN_IN, render
from seil.warehouse.types import TEXT, sql_type

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.tables import TableName


@dataclass(frozen=True)
class Select:
    """`notes` name what is read as null, and business dates in UTC where no zone is set."""

    sql: str
    notes: tuple[str, ...]


Columns = Callable[["TableName"], "pa.Schema | None"]
"""A warehouse's columns by table; a build caches it."""


def runnable_select(
    model: Model,
    dialect: str,
    *,
    sources: Sources,
    columns: Columns,
    relations: Mapping[str, str],
    zone: BusinessZone,
    query: exp.Query | None = None,
) -> Select:
    """`query` replaces the model's SELECT, if given; `columns` are the source tables' columns, None
    if there is no such table; `relations` maps tables of this build to their staged relations;
    `zone` is the time zone of business dates.

    Raises ConfigurationError if the model reads a column that its source does not have, or the
    dialect lacks a construct.
    """
    query = query or model.query
    notes: dict[str, None] = {}
    if model.cut_columns:
        matters = expand(query, zone.name, source_types(sources, columns))
        notes |= dict.fromkeys([zone.note] if zone.note and matters else [])
    for scope in traverse_scope(query):
        for alias, table in scope_relations(scope).items():
            if not is_table(table):
                continue
            name = table_name(table)
            if name.schema:
                read = _SourceRead(model, sources[name], columns(name))
                missing = read.missing(set(_referenced_columns(scope, alias, read.source)))
                if missing or read.schema is None:
                    table.replace(read.stand_in(table, missing))
                    notes |= dict.fromkeys(read.notes(missing))
            elif name.name in relations:
                _rename(table, relations[name.name])
    return Select(render(query, dialect, place=model.file), tuple(notes))


@cache
def referenced_columns(sql: str) -> Mapping[TableName, frozenset[str]]:
    """The columns that a model's SQL reads of each source table, lower-case; `*` for all.

    An unqualified column counts for every table that it may belong to.
    """
    read: dict[TableName, set[str]] = {}
    for scope in traverse_scope(parse_model(sql)):
        for alias, table in scope_relations(scope).items():
            if is_table(table) and (name := table_name(table)).schema:
                read.setdefault(name, set()).update(_referenced_names(scope, alias))
    return {name: frozenset(columns) for name, columns in read.items()}


def source_types(sources: Sources, columns: Columns) -> ColumnTypeOf:
    """Types of source columns: stored, else described."""

    def type_of(table: TableName, column: str) -> pa.DataType | None:
        if not table.schema:
            return None
        schema = columns(table)
        if schema is not None and column in schema.names:
            stored: pa.DataType = schema.field(column).type
            return stored
        described = sources[table].columns.get(column)
        return described.type if described else None

    return type_of


@dataclass(frozen=True)
class _SourceRead:
    """A reference of a model to a source table; `schema` is None if the table does not exist."""

    model: Model
    source: Source
    schema: pa.Schema | None

    def missing(self, names: set[str]) -> list[str]:
        """Columns the model reads that the table lacks, sorted."""
        existing = set(self.schema.names) if self.schema is not None else set()
        described = set(self.source.columns) if "*" in names else set()
        missing = sorted((names | described) - existing - {"*"})
        if existing or self.source.columns:
            among = [*existing, *self.source.columns]
            kind = f"a column of {self.source.table}"
            checked = [name_problem(name, kind, among, at=self.model.file) for name in missing]
            if problems := [problem for problem in checked if problem]:
                raise ConfigurationError(problems)
        return missing

    def stand_in(self, table: exp.Table, missing: list[str]) -> exp.Subquery:
        """A subquery with the table's rows, if any, and every column the model reads."""
        nulls = [
            exp.alias_(
                exp.cast(exp.null(), self._type(name), dialect=WRITTEN_IN), name, quoted=True
            )
            for name in missing
        ]
        bare = table.copy()
        bare.set("alias", None)
        if self.schema is None:
            # Even a join that reads no column needs one.
            columns = nulls or [exp.alias_(exp.null(), "nothing")]
            select = exp.select(*columns, copy=False).where(exp.false(), copy=False)
        else:
            select = exp.select(exp.Star(), *nulls, copy=False).from_(bare, copy=False)
        # Some engines reserve names such as order and user, also as an alias.
        alias = exp.to_identifier(table.alias_or_name, quoted=True)
        return select.subquery(alias, copy=False)

    def notes(self, missing: list[str]) -> Iterator[str]:
        if self.schema is None:
            yield f"{self.source.table} has not been loaded: read as empty"
        elif missing:
            yield f"{self.source.table} has no {', '.join(missing)}: read as null"

    def _type(self, column: str) -> str:
        described = self.source.columns.get(column)
        return sql_type(described.type if described else TEXT)


def _referenced_columns(scope: Scope, alias: str, source: Source) -> Iterator[str]:
    """Lower-case names; `*` for all.

    An unqualified column belongs to this relation if it is the only one, or has such a field.
    """
    if _reads_every_column(scope):
        yield "*"
    alone = len(scope_relations(scope)) == 1
    for column in scope.columns:
        name, of = column.name.lower(), column.table.lower()
        if of == alias.lower() or (not of and (alone or name in source.columns)):
            yield name


def _referenced_names(scope: Scope, alias: str) -> Iterator[str]:
    """Lower-case names of columns that may belong to the relation; `*` for all."""
    if _reads_every_column(scope):
        yield "*"
    for column in scope.columns:
        if column.table.lower() in ("", alias.lower()):
            yield column.name.lower()
    for join in scope.find_all(exp.Join):
        # To sqlglot they are identifiers, not columns.
        yield from (name.name.lower() for name in join.args.get("using") or ())


def _reads_every_column(scope: Scope) -> bool:
    """By a star, COLUMNS(...) or a join by all names in common."""
    joins = scope.find_all(exp.Join)
    return bool(
        scope.expression.is_star
        or any(scope.find_all(exp.Columns))
        or any(join.text("method").upper() == "NATURAL" for join in joins)
    )


def _rename(table: exp.Table, name: str) -> None:
    alias = table.alias_or_name
    table.set("this", exp.to_identifier(name, quoted=True))
    table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
