"""Tests of a built table: which rows break what its .yml promises."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seil.sf_to_dw.model import Level, Model, ModelTest
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, literal, quoted, translated
from seil.warehouse.types import stored_type, type_name

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

_EXAMPLES = 5


@dataclass(frozen=True)
class TestFailure:
    """A broken promise: how many rows break it, and the key of up to five of them."""

    __test__ = False  # not a test case, whatever its name says to pytest

    table: str
    test: str
    level: Level
    count: int
    examples: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        if not self.examples:
            return f"{self.table}: {self.test}"
        rows = "; ".join(
            ", ".join(f"{name} = {value}" for name, value in example.items())
            for example in self.examples
        )
        return f"{self.table}: {self.test} is broken by {self.count} row(s): {rows}"


@dataclass(frozen=True)
class RowChange:
    """How a table differs from what it was: rows whose `scope` is among those of the table `keys`
    are gone, those of the table `rows` are new.
    """

    scope: str
    keys: str
    rows: str


@dataclass(frozen=True)
class Tested:
    """What tests are run against: `working` are the tables' names until the build ends, `changes`
    how those differ that are not made anew, None where nothing does, `versions` what they held.
    """

    working: Mapping[str, str]
    changes: Mapping[str, RowChange | None]
    versions: Mapping[str, str]


def broken_tests(
    model: Model, warehouse: Warehouse, tested: Tested, passed: Mapping[str, str]
) -> Iterator[TestFailure]:
    """Runs every test of the model, over changed rows alone where the others have passed: `passed`
    gives, by test, the version of the other table it was passed with.
    """
    if model.name not in tested.changes:
        yield from _broken_description(model, warehouse, tested.working)
    for column, test in _tests(model):
        failure = _Test(model, column, test, tested, passed).failure(warehouse)
        if failure:
            yield failure


def tests_passed(
    model: Model, failures: Collection[TestFailure], versions: Mapping[str, str]
) -> dict[str, str]:
    """The tests that did not fail, with the version of the other table they concern."""
    failed = {failure.test for failure in failures}
    nothing = Tested({}, {}, {})
    tests = [_Test(model, column, test, nothing, {}) for column, test in _tests(model)]
    return {t.name: versions.get(t.other, "") for t in tests if not _failed(t.name, failed)}


def _failed(name: str, failed: Collection[str]) -> bool:
    return any(failure.startswith(name) for failure in failed)


def _tests(model: Model) -> Iterator[tuple[str, ModelTest]]:
    for test in model.described.tests:
        yield "", test
    for column in model.described.columns:
        for test in column.tests:
            yield column.name, test


def _broken_description(
    model: Model, warehouse: Warehouse, working: Mapping[str, str]
) -> Iterator[TestFailure]:
    """The columns there are, against those described; nothing described promises nothing."""
    described = {column.name: column.type for column in model.described.columns}
    built = warehouse.columns(TableName("", working[model.name]))
    if not described or built is None:
        return
    found = {column.name: stored_type(column.type) or column.type for column in built}
    for name in described.keys() - found.keys():
        yield TestFailure(model.name, f"column {name} is described, but not built", "error", 1)
    for name in found.keys() - described.keys():
        yield TestFailure(model.name, f"column {name} is built, but not described", "warning", 1)
    for name in described.keys() & found.keys():
        is_type, wanted = type_name(found[name]).partition("(")[0], described[name]
        if wanted and is_type != wanted.partition("(")[0]:
            text = f"column {name} is {is_type}, but described as {wanted}"
            yield TestFailure(model.name, text, "warning", 1)


@dataclass(frozen=True)
class _Test:
    model: Model
    column: str
    test: ModelTest
    tested: Tested
    passed: Mapping[str, str]

    @property
    def working(self) -> Mapping[str, str]:
        return self.tested.working

    @property
    def other(self) -> str:
        """The table it concerns beside its own."""
        target = self.test.relationships
        return target.to if target else ""

    @property
    def is_partial(self) -> bool:
        """Whether rows that have not changed still pass it."""
        if self.model.name not in self.tested.changes or self.name not in self.passed:
            return False
        if not self.other:
            return True
        known = self.tested.versions.get(self.other)
        is_followed = self.other in self.tested.changes or self.other not in self.working
        return is_followed and known is not None and self.passed[self.name] == known

    @property
    def columns(self) -> tuple[str, ...]:
        named = self.test.unique or self.test.not_null
        return named or ((self.column,) if self.column else ())

    @property
    def name(self) -> str:
        detail = ", ".join(self.columns) or self.test.expression
        if self.column and self.test.expression:
            detail = f"{self.column}: {self.test.expression}"
        if target := self.test.relationships:
            detail = f"{self.column} to {target.to}.{target.field}"
        return f"{self.test.kind}({detail})"

    def failure(self, warehouse: Warehouse) -> TestFailure | None:
        target = self.test.relationships
        if target and not self._is_there(target.to, warehouse):
            text = f"{self.name} cannot be checked: there is no table {target.to} yet"
            return TestFailure(self.model.name, text, "warning", 0)
        if self.is_partial and not self._can_have_broken():
            return None
        rows = warehouse.query(translated(self._broken_rows(), warehouse.dialect)).to_pylist()
        if not rows:
            return None
        count = int(rows[0]["_count"])
        examples = tuple({k: v for k, v in row.items() if k != "_count"} for row in rows)
        return TestFailure(self.model.name, self.name, self.test.level, count, examples)

    def _broken_rows(self) -> Sql:
        shown = [*dict.fromkeys([*self.model.described.key, *self.columns])]
        return compose(
            "SELECT {shown}, count(*) OVER () AS _count FROM {rows} AS t WHERE {broken} "
            "ORDER BY {order} LIMIT {limit}",
            shown=joined(", ", (f"t.{quoted(name)}" for name in shown)) if shown else Sql("t.*"),
            rows=self._rows(),
            broken=self._broken(),
            order=Sql(", ".join(str(n) for n in range(1, max(len(shown), 1) + 1))),
            limit=_EXAMPLES,
        )

    def _is_there(self, table: str, warehouse: Warehouse) -> bool:
        in_build = table in self.working or table in self.tested.changes
        return in_build or warehouse.columns(_related(table, self.working)) is not None

    def _can_have_broken(self) -> bool:
        return bool(self.tested.changes[self.model.name] or self.tested.changes.get(self.other))

    def _rows(self) -> Sql:
        """What is looked at: the whole table, or the rows that can have come to break the test."""
        own = self.tested.changes.get(self.model.name)
        if self.test.kind == "unique":
            return self._counted(own if self.is_partial else None)
        if not self.is_partial:
            return self._whole
        parts = [compose("SELECT * FROM {rows}", rows=Name(own.rows))] if own else []
        if lost := self.tested.changes.get(self.other):
            parts.append(self._pointing_at(lost))
        return compose("({parts})", parts=joined(" UNION ALL ", parts))

    @property
    def _whole(self) -> Sql:
        return quoted(self.working.get(self.model.name, self.model.name))

    def _pointing_at(self, lost: RowChange) -> Sql:
        """Rows that were there before and point at one that may be gone."""
        target = self.test.relationships
        own = self.tested.changes.get(self.model.name)
        pointing = compose(
            "SELECT t.* FROM {table} AS t WHERE t.{column} IN "
            "(SELECT o.{field} FROM {other} AS o WHERE o.{scope} IN (SELECT scope FROM {keys}))",
            table=Name(self.model.name),
            column=Name(self.columns[0]),
            field=Name(target.field if target else ""),
            other=Name(self.other),
            scope=Name(lost.scope),
            keys=Name(lost.keys),
        )
        if own is None:
            return pointing
        kept = "{pointing} AND t.{scope} NOT IN (SELECT scope FROM {keys})"
        return compose(kept, pointing=pointing, scope=Name(own.scope), keys=Name(own.keys))

    def _counted(self, change: RowChange | None) -> Sql:
        """The table's rows, or those that have something in common with changed ones, each with
        how many are like it.
        """
        same = (compose("w.{c} IS NOT DISTINCT FROM n.{c}", c=Name(c)) for c in self.columns)
        like = compose(
            "SEMI JOIN {rows} AS n ON {same}",
            rows=Name(change.rows if change else ""),
            same=joined(" AND ", same),
        )
        return compose(
            "(SELECT w.*, count(*) OVER (PARTITION BY {columns}) AS _same "
            "FROM {table} AS w {like})",
            columns=joined(", ", (compose("w.{c}", c=Name(c)) for c in self.columns)),
            table=self._whole,
            like=like if change else Sql(""),
        )

    def _broken(self) -> Sql:
        name = Name(self.columns[0]) if self.columns else Name("")
        if self.test.kind == "not_null":
            return joined(" OR ", (f"t.{quoted(column)} IS NULL" for column in self.columns))
        if self.test.kind == "unique":
            alone = len(self.columns) == 1
            not_null = compose("t.{name} IS NOT NULL", name=name) if alone else Sql("true")
            return compose("_same > 1 AND {not_null}", not_null=not_null)
        if values := self.test.accepted_values:
            texts = joined(", ", (literal(value) for value in values.values))
            return compose("CAST(t.{name} AS VARCHAR) NOT IN ({texts})", name=name, texts=texts)
        if target := self.test.relationships:
            return compose(
                "t.{name} IS NOT NULL AND NOT EXISTS "
                "(SELECT 1 FROM {target} AS o WHERE o.{field} = t.{name})",
                name=name,
                target=_related(target.to, self.working),
                field=Name(target.field),
            )
        return Sql(f"({self.test.expression}) IS FALSE")


def _related(to: str, working: Mapping[str, str]) -> TableName:
    schema, _, name = to.rpartition(".")
    return TableName(schema, name if schema else working.get(name, name))
