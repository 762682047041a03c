"""How builds find rows: by a table's key, and by the columns that models join or are changed by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from seil.modeling.blocks import ModelBlock, UnanalysableError
from seil.warehouse.builds import TableAccess

if TYPE_CHECKING:
    from seil.modeling.blocks import Relation
    from seil.modeling.model import Model
    from seil.modeling.plan import Planner
    from seil.warehouse.tables import TableName

_Lookup = tuple["TableName", str]


def table_access(planner: Planner) -> dict[TableName, TableAccess]:
    """Of every table that a build writes or reads. Models whose SQL the analysis does not support
    add no columns.
    """
    lookups: dict[TableName, set[str]] = defaultdict(set)
    for model in planner.models.values():
        for table, column in _lookups(model, planner):
            lookups[table].add(column)
    keys: dict[TableName, tuple[str, ...]] = {
        table: (source.key,) for table, source in planner.models.sources.items()
    }
    keys |= {model.table: model.certain_key for model in planner.models.values()}
    return {
        table: TableAccess(keys.get(table, ()), frozenset(lookups.get(table, ())))
        for table in {*keys, *lookups}
    }


def _lookups(model: Model, planner: Planner) -> Iterator[_Lookup]:
    analysis = planner.analysis(model)
    if analysis.scope:
        yield model.table, analysis.scope.output
    if analysis.block:
        yield from _joins(analysis.block)


def _joins(block: ModelBlock) -> Iterator[_Lookup]:
    """Both sides of each join: a build goes from the driving record to the others, and from a
    changed record to the driving ones.
    """
    for equalities in block.equalities.values():
        for equality in equalities:
            for column in (*equality.own, *equality.other):
                yield from _origins(block.relations[column.alias], column.name)
    for relation in block.relations.values():
        if isinstance(relation, ModelBlock):
            yield from _joins(relation)


def _origins(relation: Relation, name: str) -> Iterable[_Lookup]:
    """The tables' columns that a relation's column can be a copy of."""
    if not isinstance(relation, ModelBlock):
        yield relation, name
        return
    try:
        columns = relation.trace(name)
    except UnanalysableError:
        return
    for column in columns:
        yield from _origins(relation.relations[column.alias], column.name)
