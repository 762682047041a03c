"""Which rows of a model a change of its sources can reach: SQL from changed records to the values
of one output column, the scope.

From a changed record the joins are walked towards the driving record, a set of values at a time:
the values that the changed records have in a join's column, before and after, then those of the
next column in the rows that have these now. A row that had them before is a changed record itself,
and leads on from there. Filters and other joins are left out on the way, so more can be found than
has changed, never less.
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
    """An output column that says which driving record a row belongs to.

    `source` and `column` are where its values come from. `is_joined`: by way of a join that finds
    the driving record again, so it is null should that one not be found.
    """

    output: str
    source: TableName
    column: str
    is_joined: bool = False


def model_scope(
    block: ModelBlock, keys: Mapping[TableName, str], described: Iterable[str]
) -> Scope:
    """`keys` are the keys of the source tables, `described` the model's own key.

    Raises UnanalysableError when no output column says it.
    """
    scopes = [scope for name in block.outputs for scope in _scopes(block, name)]
    by_key = [s for s in scopes if keys.get(s.source) == s.column]
    own = [s for s in scopes if s.output in described and not s.is_joined]
    chosen = sorted(by_key, key=lambda scope: scope.is_joined) or own
    if not chosen:
        raise UnanalysableError("no output column identifies the driving record")
    return chosen[0]


def _scopes(block: ModelBlock, output: str) -> Iterable[Scope]:
    column = block.same(output)
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
    """Where a column of the root comes from, if rows can be made for each value of it alone."""
    if not block.keeps_together(column):
        return None
    relation = block.relations[block.root]
    if isinstance(relation, TableName):
        return relation, column.name
    inner = relation.same(column.name)
    return _origin(relation, inner) if inner and inner.alias == relation.root else None


@dataclass
class Reach:
    """`changed` gives a SELECT of the changed records of a source table, before and after; `has`
    says which columns there are.
    """

    changed: Callable[[TableName], Sql]
    has: Callable[[TableName, str], bool]
    _named: dict[str, str] = field(default_factory=dict)

    def keys(self, block: ModelBlock, scope: Scope, sources: Iterable[TableName]) -> Sql | None:
        """A SELECT of the scope's values that changes of `sources` reach, null left out.

        None when they reach none. Raises UnanalysableError where they cannot be followed.
        """
        touched = [self._touched_values(source, block, scope.output) for source in sorted(sources)]
        values = self._together(touched)
        if values is None:
            return None
        ctes = join(", ", (f"{name} AS ({sql})" for sql, name in self._named.items()))
        return compose(
            "WITH {ctes} SELECT v AS scope FROM {values} WHERE v IS NOT NULL",
            ctes=ctes,
            values=SqlName(values),
        )

    def _touched_values(self, source: TableName, relation: Relation, column: str) -> _Values | None:
        """Values of the column in the rows of a relation that can differ."""
        if isinstance(relation, TableName):
            if relation != source or not self.has(source, column):
                return None
            changed = SqlName(self._values(self.changed(source)))
            select = "SELECT DISTINCT {column} AS v FROM {changed}"
            return self._values(compose(select, column=SqlName(column), changed=changed))
        if source not in set(relation.tables()):
            return None
        touched = []
        for wanted in self._require_together(relation, column):
            for alias, inner in relation.relations.items():
                if source in _tables(inner):

                    def values_of(name: str, inner: Relation = inner) -> _Values | None:
                        return self._touched_values(source, inner, name)

                    touched.append(self._lead(relation, alias, values_of, wanted))
        return self._together(touched)

    def _require_together(self, block: ModelBlock, column: str) -> Iterable[BlockColumn]:
        wanted = block.trace(column)
        if block.grains and not (len(wanted) == 1 and block.keeps_together(wanted[0])):
            place = block.name or "the last SELECT"
            raise UnanalysableError(f"rows of {place} depend on rows with another {column}")
        return wanted

    def _lead(
        self,
        block: ModelBlock,
        at: str,
        values_of: Callable[[str], _Values | None],
        wanted: BlockColumn,
    ) -> _Values | None:
        """Values of `wanted` in the rows whose columns of `at` have the values of `values_of`."""
        if at == wanted.alias:
            return values_of(wanted.name)
        order = list(block.relations)
        up = order.index(wanted.alias) < order.index(at)
        refused = UnanalysableError(f"{at} is not joined to {wanted.alias} by equal columns")
        for equality in block.equalities[at if up else wanted.alias]:
            try:
                if up:
                    values = self._together(values_of(own.name) for own in equality.own)
                    return self._together(
                        self._lead(block, other.alias, self._from(block, other, values), wanted)
                        for other in equality.other
                    )
                values = self._together(
                    self._lead(block, at, values_of, other) for other in equality.other
                )
                return self._together(
                    self._from(block, own, values)(wanted.name) for own in equality.own
                )
            except UnanalysableError as error:
                refused = error
        raise refused

    def _from(
        self, block: ModelBlock, given: BlockColumn, values: _Values | None
    ) -> Callable[[str], _Values | None]:
        relation = block.relations[given.alias]
        return lambda name: self._walk(relation, given.name, name, values)

    def _walk(
        self, relation: Relation, given: str, wanted: str, values: _Values | None
    ) -> _Values | None:
        """Values of one column in the rows that have `values` in another."""
        if given == wanted or values is None:
            return values
        if isinstance(relation, TableName):
            if not (self.has(relation, given) and self.has(relation, wanted)):
                return None
            select = compose(
                "SELECT DISTINCT {wanted} AS v FROM {table} WHERE {given} IN (SELECT v FROM {v})",
                wanted=SqlName(wanted),
                table=relation,
                given=SqlName(given),
                v=SqlName(values),
            )
            return self._values(select)
        return self._together(
            self._lead(relation, start.alias, self._from(relation, start, values), end)
            for start in relation.trace(given)
            for end in relation.trace(wanted)
        )

    def _together(self, parts: Iterable[_Values | None]) -> _Values | None:
        names = list(dict.fromkeys(part for part in parts if part is not None))
        if len(names) < 2:
            return names[0] if names else None
        selects = [compose("SELECT v FROM {name}", name=SqlName(name)) for name in names]
        return self._values(join(" UNION ", selects))

    def _values(self, sql: str) -> _Values:
        return self._named.setdefault(sql, f"reached_{len(self._named)}")


def _tables(relation: Relation) -> set[TableName]:
    return {relation} if isinstance(relation, TableName) else set(relation.tables())
