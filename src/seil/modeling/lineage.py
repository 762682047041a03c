"""Column lineage from the models' SQL, without a warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as parsed_lineage

from seil.errors import ConfigurationError, Problem
from seil.modeling.model import Model, Models, tables_of
from seil.modeling.names import name_problem, table_name
from seil.modeling.sources import Source
from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, sql_type, stored_type

if TYPE_CHECKING:
    import pyarrow as pa

_MODELS = "models"

_Schema = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True)
class Origin:
    """A column, or an intermediate step, with the columns it is computed from.

    A leaf is a source's column: `field` is its name in the source system (`Order.OrderNumber`),
    `landing` the folder its values arrive in. The origin of a table has its columns as `sources`.
    """

    name: str
    expression: str = ""
    field: str = ""
    landing: str = ""
    sources: tuple[Origin, ...] = ()

    def leaves(self) -> Iterator[Origin]:
        """The distinct source columns below."""
        yield from (origin for origin in dict.fromkeys(self.walk()) if origin.field)

    def lines(self) -> Iterator[str]:
        """As a tree to print."""
        yield str(self)
        for n, source in enumerate(self.sources):
            last = n == len(self.sources) - 1
            for k, line in enumerate(source.lines()):
                branch = ("└─ " if last else "├─ ") if k == 0 else ("   " if last else "│  ")
                yield branch + line

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.field:
            return f"{self.name}  <- {self.field}, landing {self.landing}"
        return f"{self.name} = {self.expression}" if self.expression else self.name

    def walk(self) -> Iterator[Origin]:
        yield self
        for source in self.sources:
            yield from source.walk()


@dataclass(frozen=True)
class Use:
    """A model's column that depends on a source's field, by `expression`."""

    field: str
    column: str
    expression: str


def lineage(
    models: Models,
    table: str,
    column: str | None = None,
    *,
    schema: Mapping[str, pa.Schema] | None = None,
) -> Origin:
    """The origin of a column, or of every column of a table.

    `schema` gives undescribed columns of source tables, by table.
    Raises ConfigurationError with near matches when the table or column is unknown.
    """
    if problem := name_problem(table.lower(), "a table that is built", models):
        raise ConfigurationError([problem])
    reader = _Reader(models, schema or {})
    columns = reader.columns(table.lower())
    if column is None:
        return Origin(table.lower(), sources=tuple(columns.values()))
    if problem := name_problem(column.lower(), f"a column of {table.lower()}", columns):
        raise ConfigurationError([problem])
    return columns[column.lower()]


def downstream(
    models: Models,
    table: str,
    column: str | None = None,
    *,
    schema: Mapping[str, pa.Schema] | None = None,
) -> list[Use]:
    """The models' columns that depend on a source, or on one of its fields.

    `table` is the source's table, label or alias. Raises ConfigurationError with near matches when
    there is no such source or field.
    """
    source = _source(models, table)
    reader = _Reader(models, schema or {})
    if column is not None:
        columns = reader.source_columns(source.table)
        if problem := name_problem(column.lower(), f"a field of {source.label}", columns):
            raise ConfigurationError([problem])
    prefix = f"{source.table}."
    return [
        Use(leaf.field, f"{name}.{output}", origin.expression)
        for name in models
        for output, origin in reader.columns(name).items()
        for leaf in origin.leaves()
        if leaf.name.startswith(prefix) and (column is None or leaf.name == prefix + column.lower())
    ]


class _Reader:
    def __init__(self, models: Models, schema: Mapping[str, pa.Schema]) -> None:
        self._models = models
        self._schema = schema
        self._traced: dict[str, dict[str, Origin]] = {}

    def columns(self, name: str) -> dict[str, Origin]:
        """A model's columns in order, traced to the source tables."""
        if name not in self._traced:
            model = self._models[name]
            nodes = self._nodes(model)
            self._traced[name] = {
                column: self._column(f"{name}.{column}", node) for column, node in nodes.items()
            }
        return self._traced[name]

    def _nodes(self, model: Model) -> dict[str, Node]:
        try:
            return parsed_lineage(
                None,
                _qualify(model),
                self._schema_of(model),
                dialect=WRITTEN_IN,
                trim_selects=False,
            )
        except SqlglotError as error:
            problem = Problem(model.file, str(error).split("\n", 1)[0])
            raise ConfigurationError([problem]) from error

    def _column(self, name: str, node: Node) -> Origin:
        expression = node.expression.unalias()
        below = _distinct(o for child in node.downstream for o in self._step(child))
        return Origin(name, expression.sql(dialect=WRITTEN_IN), sources=below)

    def _step(self, node: Node) -> tuple[Origin, ...]:
        if isinstance(node.expression, exp.Table):
            return (self._leaf(node, node.expression),)
        below = _distinct(o for child in node.downstream for o in self._step(child))
        expression = node.expression.unalias()
        if isinstance(expression, exp.Column) and below:
            return below
        return (Origin(node.name, expression.sql(dialect=WRITTEN_IN), sources=below),)

    def _leaf(self, node: Node, table: exp.Table) -> Origin:
        column = exp.to_column(node.name, dialect=WRITTEN_IN).name.lower()
        name = table_name(table)
        if name.schema == _MODELS:
            return self.columns(name.name)[column]
        source = self._models.sources[name]
        described = source.columns.get(column)
        return Origin(
            f"{name}.{column}",
            field=f"{source.label}.{described.label if described else column}",
            landing=source.landing,
        )

    def _schema_of(self, model: Model) -> _Schema:
        """Types of every column the model can read, in sqlglot's form."""
        schema: _Schema = {}
        for name in model.reads:
            if name.schema:
                columns = self.source_columns(name)
            else:
                columns = dict.fromkeys(self.columns(name.name), sql_type(TEXT))
            if columns:
                schema.setdefault(name.schema or _MODELS, {})[name.name] = columns
        return schema

    def source_columns(self, table: TableName) -> dict[str, str]:
        described = self._models.sources[table].columns
        types = {name: sql_type(column.type) for name, column in described.items()}
        for column in self._schema.get(table.name, ()):
            types.setdefault(column.name.lower(), sql_type(stored_type(column.type) or TEXT))
        return types


def _qualify(model: Model) -> exp.Query:
    """Gives every table a schema: sqlglot requires one depth for all."""
    query = model.query
    for table in tables_of(query):
        if not table.db:
            table.set("db", exp.to_identifier(_MODELS))
    return query


def _source(models: Models, name: str) -> Source:
    by_name = {
        alias.lower(): source
        for source in models.sources.values()
        for alias in (str(source.table), source.table.name, source.label, *source.aliases)
    }
    if problem := name_problem(name.lower(), "a source of the models", by_name):
        raise ConfigurationError([problem])
    return by_name[name.lower()]


def _distinct(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    # sqlglot returns them in random order.
    return tuple(sorted(set(origins), key=lambda origin: origin.name))
