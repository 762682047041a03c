"""Tests of a built table: which rows break what its .yml promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def broken_tests(
    model: Model, warehouse: Warehouse, working: Mapping[str, str]
) -> Iterator[TestFailure]:
    """Runs every test of the model; `working` are the tables' names until the build ends."""
    yield from _broken_description(model, warehouse, working)
    for column, test in _tests(model):
        failure = _Test(model, column, test, working).failure(warehouse)
        if failure:
            yield failure


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
    working: Mapping[str, str]

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
        if target and warehouse.columns(_related(target.to, self.working)) is None:
            text = f"{self.name} cannot be checked: there is no table {target.to} yet"
            return TestFailure(self.model.name, text, "warning", 0)
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

    def _rows(self) -> Sql:
        table = quoted(self.working[self.model.name])
        if self.test.kind != "unique":
            return table
        return compose(
            "(SELECT *, count(*) OVER (PARTITION BY {columns}) AS _same FROM {table})",
            columns=joined(", ", map(quoted, self.columns)),
            table=table,
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
