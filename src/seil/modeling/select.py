"""A model's SELECT as this warehouse can run it today.

What a site does not have is read as null: a source without a table as no rows, a column that the
table lacks as nulls of the type the source describes. Tables built in the same transaction
are read as they are staged.
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
    """`notes` say what was read as null, and that days are cut in UTC where no zone is set."""

    sql: str
    notes: tuple[str, ...]


Columns = Callable[["TableName"], "pa.Schema | None"]
"""What a warehouse answers; asked often for the same table, so a build remembers it."""


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
    """`query` is the model's SELECT in another form, read instead of its own; `columns` are those
    of the source tables as they are, None where there is no such table; `relations` says as
    what tables of this build are read until it ends; `zone` is where business dates are cut.

    Raises ConfigurationError when the model reads a column that its source does not have, or the
    dialect lacks what the model says.
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
    """The columns that a model's SQL reads of each source table, lower-cased; `*` for all.

    A column that is not said to be of some table counts for all that it can be of.
    """
    read: dict[TableName, set[str]] = {}
    for scope in traverse_scope(parse_model(sql)):
        for alias, table in scope_relations(scope).items():
            if is_table(table) and (name := table_name(table)).schema:
                read.setdefault(name, set()).update(_referenced_names(scope, alias))
    return {name: frozenset(columns) for name, columns in read.items()}


def source_types(sources: Sources, columns: Columns) -> ColumnTypeOf:
    """Those of source tables, as they are, else as they are described."""

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
    """One place where a model reads a source table; `schema` is None while there is no such."""

    model: Model
    source: Source
    schema: pa.Schema | None

    def missing(self, wanted: set[str]) -> list[str]:
        """Columns the model reads that the table lacks, sorted."""
        have = set(self.schema.names) if self.schema is not None else set()
        every = set(self.source.columns) if "*" in wanted else set()
        missing = sorted((wanted | every) - have - {"*"})
        if have or self.source.columns:
            among = [*have, *self.source.columns]
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
            # Joined without reading a column of it, it still needs one.
            some = nulls or [exp.alias_(exp.null(), "nothing")]
            select = exp.select(*some).where(exp.false())
        else:
            select = exp.select(exp.Star(), *nulls).from_(bare)
        return select.subquery(table.alias_or_name)

    def notes(self, missing: list[str]) -> Iterator[str]:
        if self.schema is None:
            yield f"{self.source.table} has not been loaded: read as empty"
        elif missing:
            yield f"{self.source.table} has no {', '.join(missing)}: read as null"

    def _type(self, column: str) -> str:
        described = self.source.columns.get(column)
        return sql_type(described.type if described else TEXT)


def _referenced_columns(scope: Scope, alias: str, source: Source) -> Iterator[str]:
    """Lower-cased names; `*` for all.

    A column that is not said to be of some table is this one's where it is the only one there, or
    has such a field.
    """
    if _reads_every_column(scope):
        yield "*"
    alone = len(scope_relations(scope)) == 1
    for column in scope.columns:
        name, of = column.name.lower(), column.table.lower()
        if of == alias.lower() or (not of and (alone or name in source.columns)):
            yield name


def _referenced_names(scope: Scope, alias: str) -> Iterator[str]:
    """Lower-cased, of each column that can be of that relation; `*` for all of them."""
    if _reads_every_column(scope):
        yield "*"
    for column in scope.columns:
        if column.table.lower() in ("", alias.lower()):
            yield column.name.lower()
    for join in scope.find_all(exp.Join):
        # They are plain names, not columns, to sqlglot.
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
