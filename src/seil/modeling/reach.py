"""Which rows of a model a change of its sources can affect: SQL from the changed records to the
values of one output column, the scope.

Follows the joins from a changed record to the driving record, a set of values at a time: first the
changed records' values in a join's column, before and after; then the values of the next column in
the rows that have those now. A row that had them before is a changed record itself, with a path of
its own. Filters and other joins are ignored, so the result may be too large, never too small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from seil.modeling.blocks import BlockColumn, ModelBlock, Relation, UnanalysableError
from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.tables import TableName

_Values = str
"""The name of a CTE with the one column `v`."""


@dataclass(frozen=True)
class Scope:
    """An output column that identifies a row's driving record.

    Its values come from `column` of `source`. `is_joined`: through a join back to the driving
    record, so it is null without a match.
    """

    output: str
    source: TableName
    column: str
    is_joined: bool = False


def model_scope(
    block: ModelBlock, keys: Mapping[TableName, str], described: Iterable[str]
) -> Scope:
    """`keys` are the keys of the source tables, `described` the model's own key.

    Raises UnanalysableError if no output column identifies the driving record.
    """
    scopes = [scope for name in block.outputs for scope in _scopes(block, name)]
    by_key = [s for s in scopes if keys.get(s.source) == s.column]
    own = [s for s in scopes if s.output in described and not s.is_joined]
    chosen = sorted(by_key, key=lambda scope: scope.is_joined) or own
    if not chosen:
        raise UnanalysableError("no output column identifies the driving record")
    return chosen[0]


def _scopes(block: ModelBlock, output: str) -> Iterable[Scope]:
    column = block.plain_copy(output)
    if column is None:
        return
    if column.alias == block.root:
        if origin := _origin(block, column):
            yield Scope(output, *origin)
        return
    for equality in block.equalities[column.alias]:
        is_again = equality.own == (column,) and [c.alias for c in equality.other] == [block.root]
        if is_again and (origin := _origin(block, equality.other[0])):
            yield Scope(output, *origin, is_joined=True)


def _origin(block: ModelBlock, column: BlockColumn) -> tuple[TableName, str] | None:
    """The source of a root's column, if the rows of each value depend on no other value."""
    if not block.keeps_together(column):
        return None
    relation = block.relations[block.root]
    if isinstance(relation, TableName):
        return relation, column.name
    inner = relation.plain_copy(column.name)
    return _origin(relation, inner) if inner and inner.alias == relation.root else None


@dataclass
class Reach:
    """`changed` returns a SELECT of a source's changed records, before and after; `has`, whether a
    source has a column.
    """

    changed: Callable[[TableName], Sql]
    has: Callable[[TableName, str], bool]
    _ctes: dict[str, str] = field(default_factory=dict)

    def keys(self, block: ModelBlock, scope: Scope, sources: Iterable[TableName]) -> Sql | None:
        """A SELECT of the scope's values that changes of `sources` affect, without null; None if
        there are none. Raises UnanalysableError if the changes cannot be followed.
        """
        touched = [self._touched_values(source, block, scope.output) for source in sorted(sources)]
        values = self._union(touched)
        if values is None:
            return None
        ctes = join(", ", (f"{name} AS ({sql})" for sql, name in self._ctes.items()))
        return compose(
            "WITH {ctes} SELECT v AS scope FROM {values} WHERE v IS NOT NULL",
            ctes=ctes,
            values=SqlName(values),
        )

    def _touched_values(self, source: TableName, relation: Relation, column: str) -> _Values | None:
        """Values of the column in rows of the relation that may differ."""
        if isinstance(relation, TableName):
            if relation != source or not self.has(source, column):
                return None
            changed = SqlName(self._values(self.changed(source)))
            select = "SELECT DISTINCT {column} AS v FROM {changed}"
            return self._values(compose(select, column=SqlName(column), changed=changed))
        if source not in set(relation.tables()):
            return None
        touched = []
        for target in self._require_grouped_by(relation, column):
            for alias, inner in relation.relations.items():
                if source in _tables(inner):

                    def values_of(name: str, inner: Relation = inner) -> _Values | None:
                        return self._touched_values(source, inner, name)

                    touched.append(self._propagate(relation, alias, values_of, target))
        return self._union(touched)

    def _require_grouped_by(self, block: ModelBlock, column: str) -> Iterable[BlockColumn]:
        target = block.trace(column)
        if block.grains and not (len(target) == 1 and block.keeps_together(target[0])):
            place = block.name or "the last SELECT"
            raise UnanalysableError(f"rows of {place} depend on rows with another {column}")
        return target

    def _propagate(
        self,
        block: ModelBlock,
        at: str,
        values_of: Callable[[str], _Values | None],
        target: BlockColumn,
    ) -> _Values | None:
        """Values of `target` in the rows whose columns of `at` have the values of `values_of`."""
        if at == target.alias:
            return values_of(target.name)
        order = list(block.relations)
        up = order.index(target.alias) < order.index(at)
        refused = UnanalysableError(f"{at} is not joined to {target.alias} by equal columns")
        for equality in block.equalities[at if up else target.alias]:
            try:
                if up:
                    values = self._union(values_of(own.name) for own in equality.own)
                    return self._union(
                        self._propagate(
                            block, other.alias, self._from(block, other, values), target
                        )
                        for other in equality.other
                    )
                values = self._union(
                    self._propagate(block, at, values_of, other) for other in equality.other
                )
                return self._union(
                    self._from(block, own, values)(target.name) for own in equality.own
                )
            except UnanalysableError as error:
                refused = error
        raise refused

    def _from(
        self, block: ModelBlock, start: BlockColumn, values: _Values | None
    ) -> Callable[[str], _Values | None]:
        relation = block.relations[start.alias]
        return lambda name: self._walk(relation, start.name, name, values)

    def _walk(
        self, relation: Relation, start: str, target: str, values: _Values | None
    ) -> _Values | None:
        """Values of `target` in the rows that have `values` in `start`."""
        if start == target or values is None:
            return values
        if isinstance(relation, TableName):
            if not (self.has(relation, start) and self.has(relation, target)):
                return None
            select = compose(
                "SELECT DISTINCT {target} AS v FROM {table} WHERE {start} IN (SELECT v FROM {v})",
                target=SqlName(target),
                table=relation,
                start=SqlName(start),
                v=SqlName(values),
            )
            return self._values(select)
        return self._union(
            self._propagate(relation, begin.alias, self._from(relation, begin, values), end)
            for begin in relation.trace(start)
            for end in relation.trace(target)
        )

    def _union(self, parts: Iterable[_Values | None]) -> _Values | None:
        names = list(dict.fromkeys(part for part in parts if part is not None))
        if len(names) < 2:
            return names[0] if names else None
        selects = [compose("SELECT v FROM {name}", name=SqlName(name)) for name in names]
        return self._values(join(" UNION ", selects))

    def _values(self, sql: str) -> _Values:
        return self._ctes.setdefault(sql, f"reached_{len(self._ctes)}")


def _tables(relation: Relation) -> set[TableName]:
    return {relation} if isinstance(relation, TableName) else set(relation.tables())
