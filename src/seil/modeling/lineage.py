"""Where a column comes from, read from the models' SQL. No warehouse is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as parsed_lineage

from seil.errors import ConfigurationError, Problem
from seil.modeling.model import Model, Models, table_name, tables_of, unknown
from seil.modeling.sources import SOURCE_SCHEMA, Source
from seil.warehouse.sql import WRITTEN_IN
from seil.warehouse.types import TEXT, sql_type, stored_type

if TYPE_CHECKING:
    import pyarrow as pa

_MODELS = "models"

_Schema = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True)
class Origin:
    """A column, or a step on the way to it, with what it is made from.

    A leaf is a column of a current-record table: then `field` is its Salesforce name
    (`Order.OrderNumber`) and `landing` the folder its values land in. The origin of a whole table
    has its columns as `sources`.
    """

    name: str
    expression: str = ""
    field: str = ""
    landing: str = ""
    sources: tuple[Origin, ...] = ()

    def leaves(self) -> Iterator[Origin]:
        """The source columns below, each once."""
        found = dict.fromkeys(self.walk())
        yield from (origin for origin in found if origin.field)

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
    """A warehouse column that a Salesforce field feeds, as `expression`."""

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

    `schema` gives columns of source tables that the packaged field list does not know, by table.
    Raises ConfigurationError with near matches when there is no such table or column.
    """
    if problem := unknown(table.lower(), "a table that is built", models):
        raise ConfigurationError([problem])
    reader = _Reader(models, schema or {})
    columns = reader.columns(table.lower())
    if column is None:
        return Origin(table.lower(), sources=tuple(columns.values()))
    if problem := unknown(column.lower(), f"a column of {table.lower()}", columns):
        raise ConfigurationError([problem])
    return columns[column.lower()]


def downstream(
    models: Models,
    table: str,
    column: str | None = None,
    *,
    schema: Mapping[str, pa.Schema] | None = None,
) -> list[Use]:
    """The warehouse columns that a Salesforce object, or one field of it, feeds.

    `table` is the object by its API, landing or table name. Raises ConfigurationError with near
    matches when there is no such object or field.
    """
    source = _source(models, table)
    reader = _Reader(models, schema or {})
    if column is not None:
        known = reader.source_columns(source.table)
        if problem := unknown(column.lower(), f"a field of {source.object.api_name}", known):
            raise ConfigurationError([problem])
    prefix = f"{SOURCE_SCHEMA}.{source.table}."
    return [
        Use(leaf.field, f"{name}.{found}", origin.expression)
        for name in models
        for found, origin in reader.columns(name).items()
        for leaf in origin.leaves()
        if leaf.name.startswith(prefix) and (column is None or leaf.name == prefix + column.lower())
    ]


class _Reader:
    def __init__(self, models: Models, schema: Mapping[str, pa.Schema]) -> None:
        self._models = models
        self._schema = schema
        self._known: dict[str, dict[str, Origin]] = {}

    def columns(self, name: str) -> dict[str, Origin]:
        """A model's columns in order, each traced to the source tables."""
        if name not in self._known:
            model = self._models[name]
            nodes = self._nodes(model)
            self._known[name] = {
                found: self._column(f"{name}.{found}", node) for found, node in nodes.items()
            }
        return self._known[name]

    def _nodes(self, model: Model) -> dict[str, Node]:
        try:
            return parsed_lineage(
                None,
                _qualified(model),
                self._schema_of(model),
                dialect=WRITTEN_IN,
                trim_selects=False,
            )
        except SqlglotError as error:
            problem = Problem(f"models/{model.name}.sql", str(error).split("\n", 1)[0])
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
        source = self._models.sources[name.name]
        field = source.fields.get(column)
        api_name = source.object.api_name
        return Origin(
            f"{name}.{column}",
            field=f"{api_name}.{field.name if field else column}",
            landing=f"Salesforce-{source.object.landing_name}",
        )

    def _schema_of(self, model: Model) -> _Schema:
        """Types of every column the model can read, as sqlglot wants them."""
        found: _Schema = {}
        for name in model.reads:
            if name.schema == SOURCE_SCHEMA:
                columns = self.source_columns(name.name)
            else:
                columns = dict.fromkeys(self.columns(name.name), sql_type(TEXT))
            if columns:
                found.setdefault(name.schema or _MODELS, {})[name.name] = columns
        return found

    def source_columns(self, table: str) -> dict[str, str]:
        fields = self._models.sources[table].fields
        known = {name: sql_type(field.arrow) for name, field in fields.items()}
        for column in self._schema.get(table, ()):
            known.setdefault(column.name.lower(), sql_type(stored_type(column.type) or TEXT))
        return known


def _qualified(model: Model) -> exp.Query:
    """The query with every table in a schema: sqlglot looks them all up at one depth."""
    query = model.query
    for table in tables_of(query):
        if not table.db:
            table.set("db", exp.to_identifier(_MODELS))
    return query


def _source(models: Models, name: str) -> Source:
    wanted = name.lower().removeprefix(f"{SOURCE_SCHEMA}.")
    named = {
        alias.lower(): source
        for source in models.sources.values()
        for alias in (source.object.landing_name, source.object.api_name, source.table)
    }
    if problem := unknown(wanted, "an object that is synced", named):
        raise ConfigurationError([problem])
    return named[wanted]


def _distinct(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    # sqlglot gives them as a set, in another order every time.
    return tuple(sorted(set(origins), key=lambda origin: origin.name))
