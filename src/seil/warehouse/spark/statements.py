"""SEIL's statements as Spark's: parsed as DuckDB reads them, written as Spark does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import sqlglot
from sqlglot import exp

from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.spark.columns import stored_name
from seil.warehouse.tables import TableName

SPARK = "spark"
_INFINITY = "-infinity"
# Before every time that Salesforce and ISO 8601 know; Spark has no infinity.
_OLDEST = "0000-01-01 00:00:00+00:00"


@dataclass(frozen=True)
class NamedPlaces:
    """What the names in a statement stand for.

    place: a table of the warehouse, in Spark's dialect. views: their SELECTs, which take the place
    of their names. columns: of the table that a statement inserts into.
    """

    place: Callable[[TableName], exp.Table]
    columns: Callable[[TableName], list[str]]
    views: Mapping[TableName, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Statement:
    """`target` is the table that it changes; None where it only reads."""

    sql: str
    target: TableName | None = None


def translate(sql: str, names: NamedPlaces) -> Statement:
    """One of SEIL's own statements."""
    tree = _parsed(sql).copy()
    target = _target(tree)
    if isinstance(tree, exp.Insert):
        _complete(tree, names)
    elif isinstance(tree, exp.Update) and tree.args.get("from_"):
        tree = _merge_of(tree)
    elif isinstance(tree, exp.Delete) and tree.args.get("using"):
        _correlate(tree)
    tree = tree.transform(_rewrite)
    return Statement(_resolve(tree, names).sql(SPARK), target)


def resolve_select(select: str, names: NamedPlaces) -> str:
    """A SELECT in Spark's dialect with the names of its tables resolved."""
    tree = sqlglot.parse_one(select, read=SPARK)
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", stored_name(identifier.name))
    return _resolve(tree, names).sql(SPARK)


def tables_of(sql: str) -> set[TableName]:
    """All that it names, and names of its own subqueries."""
    return {_name(table) for table in _parsed(sql).find_all(exp.Table)}


@lru_cache(1024)
def _parsed(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read=WRITTEN_IN)


def _target(tree: exp.Expr) -> TableName | None:
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        table = tree.this
        return _name(table.this if isinstance(table, exp.Schema) else table)
    return None


def _name(table: exp.Table) -> TableName:
    return TableName(table.text("db"), table.name)


def _complete(insert: exp.Insert, names: NamedPlaces) -> None:
    """Spark wants a value for every column of the table."""
    schema = insert.this
    if not isinstance(schema, exp.Schema):
        return
    columns = [identifier.name for identifier in schema.expressions]
    source = exp.Subquery(
        this=insert.expression,
        alias=exp.TableAlias(
            this=exp.to_identifier("source"),
            columns=[exp.to_identifier(name, quoted=True) for name in columns],
        ),
    )
    values = [
        exp.column(name, table="source", quoted=True)
        if name in columns
        else exp.alias_(exp.Null(), name, quoted=True)
        for name in names.columns(_name(schema.this))
    ]
    insert.set("this", schema.this)
    insert.set("expression", exp.select(*values).from_(source))


def _merge_of(update: exp.Update) -> exp.Merge:
    """UPDATE ... FROM does not exist: MERGE says the same where one row meets one."""
    source = update.args["from_"].this
    settings = [
        exp.EQ(
            this=exp.column(part.this.name, table=update.this.alias_or_name, quoted=True),
            expression=part.expression,
        )
        for part in update.expressions
    ]
    return exp.Merge(
        this=update.this,
        using=source,
        on=update.args["where"].this,
        whens=exp.Whens(
            expressions=[exp.When(matched=True, then=exp.Update(expressions=settings))]
        ),
    )


def _correlate(delete: exp.Delete) -> None:
    """DELETE ... USING does not exist."""
    (source,) = delete.args["using"]
    matching = exp.select("1").from_(source).where(delete.args["where"].this)
    delete.set("using", None)
    delete.set("where", exp.Where(this=exp.Exists(this=matching)))


def _rewrite(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Cast) and node.this.is_string and node.this.name == _INFINITY:
        node.set("this", exp.Literal.string(_OLDEST))
    elif isinstance(node, exp.Identifier):
        node.set("this", stored_name(node.name))
    elif isinstance(node, exp.GroupConcat):
        return _joined_texts(node)
    elif isinstance(node, exp.Anonymous) and node.name.upper() == "ROW":
        node.set("this", "struct")
    elif isinstance(node, exp.In) and isinstance(_only(node.expressions), exp.Values):
        node.set("expressions", node.expressions[0].expressions)
    return node


def _only(nodes: Sequence[exp.Expr]) -> exp.Expr | None:
    return nodes[0] if len(nodes) == 1 else None


def _joined_texts(node: exp.GroupConcat) -> exp.Expr:
    values = node.this
    collect = "collect_list"
    if isinstance(values, exp.Distinct):
        values, collect = values.expressions[0], "collect_set"
    texts = exp.func("sort_array", exp.func(collect, values))
    separator = node.args.get("separator") or exp.Literal.string(",")
    return exp.func("array_join", texts, separator)


def _resolve(tree: exp.Expr, names: NamedPlaces) -> exp.Expr:
    """Views are replaced by their SELECTs, which may read others."""
    for table in list(tree.find_all(exp.Table)):
        if not table.name:
            continue
        name = _name(table)
        if view := names.views.get(name):
            select = translate(view, names).sql
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
            table.replace(exp.Subquery(this=sqlglot.parse_one(select, read=SPARK), alias=alias))
        elif name.schema:
            place = names.place(name)
            alias = table.args.get("alias")
            if not alias and not _is_target(table):
                alias = exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
            place.set("alias", alias)
            place.set("joins", table.args.get("joins"))
            if table is tree:
                return place
            table.replace(place)
    return tree


def _is_target(table: exp.Table) -> bool:
    return isinstance(table.parent, exp.Insert)
