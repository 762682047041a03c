"""Parses a model's SELECT into blocks: their relations, joins and the origins of columns.

The blocks hold what is needed to follow a change through a model. An `UnanalysableError` names SQL
that the analysis does not support.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from sqlglot import exp

from seil.modeling.business_date import is_call
from seil.modeling.model import parse_model
from seil.modeling.names import is_table, table_name
from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.tables import TableName

_UNDERSTOOD_CLAUSES = frozenset(
    {"with_", "from_", "joins", "where", "group", "having", "qualify", "order", "expressions"}
)
_OWN_CLAUSES = ("where", "group", "having", "qualify", "order")

_Node = TypeVar("_Node")


class UnanalysableError(Exception):
    """The model's SQL is not supported by the analysis: changes cannot be followed through it."""


class VolatileError(UnanalysableError):
    """The model calls a function that may differ without any change of its sources."""


@dataclass(frozen=True)
class BlockColumn:
    """A column of one of a block's relations, by the relation's alias."""

    alias: str
    name: str


Alternatives = tuple[BlockColumn, ...]
"""In every row, one of these columns has the value."""


@dataclass(frozen=True)
class Equality:
    """Holds in every row with a match of the joined relation."""

    own: Alternatives
    other: Alternatives


@dataclass(eq=False)
class ModelBlock:
    """One SELECT. `relations` are in join order; no join removes rows of the first (`root`), unless
    it is in `inner`.

    `grains` are the columns of GROUP BY and of each window's PARTITION BY.
    """

    select: exp.Select
    name: str = ""
    relations: dict[str, Relation] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)
    equalities: dict[str, list[Equality]] = field(default_factory=dict)
    grains: list[frozenset[BlockColumn]] = field(default_factory=list)
    outputs: dict[str, exp.Expression] = field(default_factory=dict)
    star: str = ""

    @property
    def root(self) -> str:
        return next(iter(self.relations))

    def trace(self, name: str) -> Alternatives:
        """The columns that an output column takes its value from, unchanged."""
        if name in self.outputs:
            return self.columns(self.outputs[name])
        if self.star:
            return (BlockColumn(self.star, name),)
        raise UnanalysableError(f"{self.name or 'the last SELECT'} has no column {name}")

    def plain_copy(self, name: str) -> BlockColumn | None:
        """The column that an output column is a plain copy of; None for other expressions."""
        plain = self.outputs[name].unalias().unnest() if name in self.outputs else None
        if isinstance(plain, exp.Column):
            return self.trace(name)[0]
        return BlockColumn(self.star, name) if self.star and plain is None else None

    def columns(self, expression: exp.Expression) -> Alternatives:
        """The columns, one of which has the expression's value."""
        return tuple(dict.fromkeys(self._columns(expression)))

    def keeps_together(self, column: BlockColumn) -> bool:
        """Whether the column is in every grain: rows of one group agree in it."""
        return all(column in grain for grain in self.grains)

    def tables(self) -> Iterator[TableName]:
        for relation in self.relations.values():
            if isinstance(relation, TableName):
                yield relation
            else:
                yield from relation.tables()

    def _columns(self, expression: exp.Expression) -> Iterator[BlockColumn]:
        match expression:
            case exp.Column():
                yield self._resolve(expression)
            case exp.Alias() | exp.Paren():
                yield from self._columns(expression.this)
            case exp.Coalesce():
                for part in (expression.this, *expression.expressions):
                    yield from self._columns(part)
            case exp.Nullif():
                yield from self._columns(expression.this)
            case exp.Case():
                for branch in expression.args["ifs"]:
                    yield from self._columns(branch.args["true"])
                if default := expression.args.get("default"):
                    yield from self._columns(default)
            case exp.Null():
                return
            case _:
                raise UnanalysableError(f"{expression.sql(WRITTEN_IN)} is not a column")

    def _resolve(self, column: exp.Column) -> BlockColumn:
        name, alias = column.name.lower(), column.table.lower()
        if alias:
            if alias not in self.relations:
                raise UnanalysableError(f"{column.sql()} is of no relation that is read here")
            return BlockColumn(alias, name)
        if len(self.relations) == 1:
            return BlockColumn(self.root, name)
        owners = [
            a for a, r in self.relations.items() if isinstance(r, ModelBlock) and name in r.outputs
        ]
        unknown = any(isinstance(r, TableName) or r.star for r in self.relations.values())
        if len(owners) != 1 or unknown:
            raise UnanalysableError(f"{name} is not said to be of one relation")
        return BlockColumn(owners[0], name)


Relation = ModelBlock | TableName


@cache
def model_block(sql: str) -> ModelBlock:
    """Raises UnanalysableError."""
    query = parse_model(sql)
    for node in query.walk():
        # It may be an aggregate, or volatile.
        if isinstance(node, exp.Anonymous) and not is_call(node):
            raise VolatileError(f"the function {node.name.lower()} is not known")
    return _block(query, {}, "")


def _block(query: object, ctes: Mapping[str, ModelBlock], name: str) -> ModelBlock:
    if not isinstance(query, exp.Select):
        raise UnanalysableError(f"{name or 'the model'} is not a plain SELECT")
    _check_clauses(query, name)
    ctes = dict(ctes)
    for cte in query.ctes:
        if cte.args["alias"].columns:
            raise UnanalysableError(f"{cte.alias} renames its columns")
        ctes[cte.alias.lower()] = _block(cte.this, ctes, cte.alias.lower())
    block = ModelBlock(query, name)
    _read_relations(block, ctes)
    reads_table = any(isinstance(r, TableName) for r in block.relations.values())
    for column in _own_nodes(block, exp.Column):
        if not column.table and reads_table and len(block.relations) > 1:
            raise UnanalysableError(f"{column.name} is not said to be of one relation")
        if column.table and column.table.lower() not in block.relations:
            raise UnanalysableError(f"{column.sql(WRITTEN_IN)} is of no relation read there")
    _read_outputs(block)
    _read_equalities(block)
    block.grains = list(_grains(block))
    return block


def _check_clauses(query: exp.Select, name: str) -> None:
    place = name or "the last SELECT"
    for clause, value in query.args.items():
        if value and clause not in _UNDERSTOOD_CLAUSES:
            raise UnanalysableError(f"{place} has a clause that is not understood: {clause}")
    with_ = query.args.get("with_")
    if with_ and with_.args.get("recursive"):
        raise UnanalysableError(f"{place} is recursive")
    for clause in ("expressions", "where", "having", "qualify", "joins", "group", "order"):
        parts = query.args.get(clause) or []
        for part in parts if isinstance(parts, list) else [parts]:
            inner = part.find(exp.Query) if clause != "joins" else _inner_query(part)
            if inner:
                raise UnanalysableError(f"{place} has a query within its {clause.rstrip('_')}")


def _inner_query(join: exp.Join) -> exp.Expression | None:
    on = join.args.get("on")
    return on.find(exp.Query) if on else None


def _read_relations(block: ModelBlock, ctes: Mapping[str, ModelBlock]) -> None:
    source = block.select.args.get("from_")
    if source is None:
        raise UnanalysableError(f"{block.name or 'the model'} reads nothing")
    _read_relation(block, source.this, ctes)
    for join in block.select.args.get("joins") or []:
        kind, side = str(join.args.get("kind") or ""), str(join.args.get("side") or "")
        unsupported = {"using", "method", "pivots"} & {n for n, v in join.args.items() if v}
        if unsupported or kind not in ("", "INNER", "OUTER", "CROSS") or side not in ("", "LEFT"):
            raise UnanalysableError(f"the join {join.sql(WRITTEN_IN)[:80]!r} is not understood")
        alias = _read_relation(block, join.this, ctes)
        if not side:
            block.inner.add(alias)


def _read_relation(
    block: ModelBlock, source: exp.Expression, ctes: Mapping[str, ModelBlock]
) -> str:
    alias = source.alias_or_name.lower()
    if source.args.get("joins") or source.args.get("pivots") or source.args.get("sample"):
        raise UnanalysableError(f"{alias} is not read as a plain table")
    relation: Relation
    table_alias = source.args.get("alias")
    if table_alias and table_alias.columns:
        raise UnanalysableError(f"{alias} renames its columns")
    if isinstance(source, exp.Subquery):
        if block.relations:
            # It may be lateral.
            raise UnanalysableError(f"{alias} is a query within a join")
        relation = _block(source.this, ctes, alias)
    elif is_table(source):
        is_cte = not source.db and source.name.lower() in ctes
        relation = ctes[source.name.lower()] if is_cte else table_name(source)
    else:
        raise UnanalysableError(f"{source.sql(WRITTEN_IN)[:80]!r} is not a table")
    if alias in block.relations or not alias:
        raise UnanalysableError(f"two relations are called {alias!r}")
    block.relations[alias] = relation
    return alias


def _read_outputs(block: ModelBlock) -> None:
    for expression in block.select.expressions:
        if expression.is_star:
            single = len(block.relations) == 1 and isinstance(expression, exp.Star)
            if not single or any(expression.args.values()):
                raise UnanalysableError(f"{expression.sql()} does not name its columns")
            block.star = block.root
        else:
            block.outputs[expression.alias_or_name.lower()] = expression


def _read_equalities(block: ModelBlock) -> None:
    where = block.select.args.get("where")
    where_conjuncts = list(_conjuncts(where.this)) if where else []
    ons = {
        j.this.alias_or_name.lower(): j.args.get("on") for j in block.select.args.get("joins") or []
    }
    earlier: set[str] = set()
    for alias in block.relations:
        on = ons.get(alias)
        conjuncts = [*(_conjuncts(on) if on else ()), *where_conjuncts]
        block.equalities[alias] = [
            equality
            for conjunct in conjuncts
            if (equality := _equality(block, conjunct, alias, earlier))
        ]
        earlier.add(alias)


def _conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from _conjuncts(condition.this)
    else:
        yield condition


def _equality(
    block: ModelBlock, conjunct: exp.Expression, alias: str, earlier: set[str]
) -> Equality | None:
    if not isinstance(conjunct, exp.EQ):
        return None
    try:
        sides = [block.columns(conjunct.this), block.columns(conjunct.expression)]
    except UnanalysableError:
        return None
    for own, other in (sides, sides[::-1]):
        if (
            own
            and other
            and {c.alias for c in own} == {alias}
            and {c.alias for c in other} <= earlier
        ):
            return Equality(own, other)
    return None


def _grains(block: ModelBlock) -> Iterator[frozenset[BlockColumn]]:
    group = block.select.args.get("group")
    if group:
        if any(value for clause, value in group.args.items() if clause != "expressions"):
            raise UnanalysableError(f"{group.sql(WRITTEN_IN).strip()} does not name its columns")
        yield _plain(block, group.expressions)
    elif any(_own_nodes(block, exp.AggFunc, windowed=False)):
        yield frozenset()
    for window in _own_nodes(block, exp.Window):
        if window.args.get("alias"):
            raise UnanalysableError("a window is defined by name")
        yield _plain(block, window.args.get("partition_by") or [])


def _own_nodes(block: ModelBlock, kind: type[_Node], *, windowed: bool = True) -> Iterator[_Node]:
    """Nodes of the SELECT itself, without those of its subqueries in FROM."""
    clauses = [block.select.args.get(name) for name in _OWN_CLAUSES]
    ons = [join.args.get("on") for join in block.select.args.get("joins") or []]
    for part in [*block.select.expressions, *clauses, *ons]:
        for node in part.find_all(kind) if part else ():
            if windowed or not node.find_ancestor(exp.Window):
                yield node


def _plain(block: ModelBlock, expressions: list[exp.Expression]) -> frozenset[BlockColumn]:
    """The expressions that are columns; `GROUP BY 1` means the first output."""
    columns = set()
    outputs = list(block.outputs.values())
    for expression in expressions:
        is_position = isinstance(expression, exp.Literal) and expression.is_int
        item = outputs[int(expression.name) - 1] if is_position else expression
        plain = item.unalias().unnest()
        if isinstance(plain, exp.Column):
            columns |= set(block.columns(plain))
    return frozenset(columns)
