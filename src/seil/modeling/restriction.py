"""Restricts a model's SELECT to some driving records, at a cost in proportion to them.

The filter is pushed down into the CTE that imports the driving record. Joined relations, including
windows and aggregates over whole tables, are restricted to the values that the join needs. Each use
of a CTE gets its own copy, as each needs other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from seil.modeling.blocks import BlockColumn, ModelBlock, UnanalysableError
from seil.modeling.reach import Scope
from seil.warehouse.dialect import WRITTEN_IN
from seil.warehouse.sql import SqlName, compose, join, quote
from seil.warehouse.tables import TableName


def restrict(block: ModelBlock, scope: Scope, keys: str) -> exp.Select:
    """The model's rows whose scope is in `keys`, a SELECT of one column."""
    restriction = _Restriction()
    root = block.root
    column = block.plain_copy(scope.output)
    if column and column.alias != root:
        equalities = block.equalities[column.alias]
        column = next(e.other[0] for e in equalities if e.own == (column,))
    if column is None:
        raise UnanalysableError(f"{scope.output} is not a column of what is read")
    select = restriction.of(block, column, keys)
    for name, body in restriction.ctes:
        select.with_(exp.to_identifier(name, quoted=True), as_=body, copy=False)
    return select


@dataclass
class _Restriction:
    ctes: list[tuple[str, exp.Select]] = field(default_factory=list)
    _unrestricted: dict[int, str] = field(default_factory=dict)

    def of(self, block: ModelBlock, column: BlockColumn | None, keys: str) -> exp.Select:
        """A copy of the block restricted to rows that have `keys` in a column of its root; with all
        rows if `column` is None.
        """
        select = block.select.copy()
        select.set("with_", None)
        reads = dict(_reads(select))
        narrowed: dict[str, str] = {}
        for alias, relation in block.relations.items():
            if alias == block.root and column:
                if isinstance(relation, TableName):
                    value = f"{quote(reads[alias].alias_or_name)}.{quote(column.name)}"
                    select.where(f"{value} IN ({keys})", dialect=WRITTEN_IN, copy=False)
                    continue
                name, is_narrow = self._name(relation, column.name, keys)
            elif isinstance(relation, TableName):
                continue
            else:
                name, is_narrow = self._look_up(block, alias, relation, narrowed)
            if is_narrow:
                narrowed[alias] = name
            _rename(reads[alias], name)
        return select

    def _look_up(
        self, block: ModelBlock, alias: str, relation: ModelBlock, narrowed: dict[str, str]
    ) -> tuple[str, bool]:
        for equality in block.equalities[alias]:
            if len(equality.own) == 1 and {c.alias for c in equality.other} <= narrowed.keys():
                select = "SELECT r.{column} FROM {relation} AS r"
                keys = join(
                    " UNION ALL ",
                    (
                        compose(select, column=SqlName(c.name), relation=SqlName(narrowed[c.alias]))
                        for c in equality.other
                    ),
                )
                return self._name(relation, equality.own[0].name, keys)
        return self._copy_unrestricted(relation), False

    def _name(self, block: ModelBlock, output: str, keys: str) -> tuple[str, bool]:
        column = _push_down(block, output)
        if column is None:
            return self._copy_unrestricted(block), False
        return self._add(block, self.of(block, column, keys)), True

    def _copy_unrestricted(self, block: ModelBlock) -> str:
        if id(block) not in self._unrestricted:
            self._unrestricted[id(block)] = self._add(block, self.of(block, None, ""))
        return self._unrestricted[id(block)]

    def _add(self, block: ModelBlock, select: exp.Select) -> str:
        name = f"{block.name}__{len(self.ctes)}"
        self.ctes.append((name, select))
        return name


def _push_down(block: ModelBlock, output: str) -> BlockColumn | None:
    """The root's column to filter by, if that neither loses nor changes rows with the values of
    `output`; else None.
    """
    try:
        columns = block.trace(output)
    except UnanalysableError:
        return None
    is_root = len(columns) == 1 and columns[0].alias == block.root
    return columns[0] if is_root and block.keeps_together(columns[0]) else None


def _reads(select: exp.Select) -> Iterator[tuple[str, exp.Expression]]:
    for source in (select.args["from_"], *(select.args.get("joins") or [])):
        yield source.this.alias_or_name.lower(), source.this


def _rename(read: exp.Expression, name: str) -> None:
    table = exp.to_table(quote(name), dialect=WRITTEN_IN)
    alias = exp.to_identifier(read.alias_or_name, quoted=True)
    table.set("alias", exp.TableAlias(this=alias))
    read.replace(table)
