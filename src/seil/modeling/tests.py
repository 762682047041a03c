"""Runs the tests in a table's .yml: which rows fail them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

from seil.modeling.model import Level, Model, ModelTest, parse_expression
from seil.warehouse.builds import RowChange
from seil.warehouse.dialect import WRITTEN_IN, render
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import stored_type, type_name

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

_EXAMPLES = 5


@dataclass(frozen=True)
class TestFailure:
    """A failed test: the number of failing rows, and the keys of up to five."""

    __test__ = False  # not a test case, whatever its name says to pytest

    table: str
    test: str
    level: Level
    count: int
    examples: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return self._text(self.examples)

    @property
    def brief(self) -> str:
        """With one example only."""
        return self._text(self.examples[:1])

    def _text(self, examples: Sequence[Mapping[str, Any]]) -> str:
        if not examples:
            return f"{self.table}: {self.test}"
        rows = "; ".join(
            ", ".join(f"{name} = {value}" for name, value in example.items())
            for example in examples
        )
        return f"{self.table}: {self.test} is broken by {self.count} row(s): {rows}"


@dataclass(frozen=True)
class TestInputs:
    """The inputs of tests: `relations` maps tables of this build to their staged relations,
    `changes` has the changes of incremental builds, None where nothing changed, `versions` the
    tables' versions before the build.
    """

    relations: Mapping[str, str]
    changes: Mapping[str, RowChange | None]
    versions: Mapping[str, str]


def failing_tests(
    model: Model, warehouse: Warehouse, tested: TestInputs, passed: Mapping[str, str]
) -> Iterator[TestFailure]:
    """Runs every test of the model, over changed rows only where the others passed before: `passed`
    maps tests to the version of the other table that they passed with.
    """
    if model.name not in tested.changes:
        yield from _description_failures(model, warehouse, tested.relations)
    tests = [_Test(model, column, test, tested, passed) for column, test in _tests(model)]
    runnable = [test.can_run(warehouse) for test in tests]
    broken = _failing_names(list(compress(tests, runnable)), warehouse)
    for test, can_run in zip(tests, runnable, strict=True):
        if not can_run:
            text = f"{test.name} cannot be checked: there is no table {test.other} yet"
            yield TestFailure(model.name, text, "warning", 0)
        elif test.name in broken:
            yield test.failure(warehouse)


def _failing_names(tests: Sequence[_Test], warehouse: Warehouse) -> set[str]:
    """Names of the tests that fail, from one statement; tests of single rows share one scan."""
    of_rows: dict[Sql, list[Sql]] = {}
    selects: list[Sql] = []
    counted: dict[str, str] = {}
    for number, test in enumerate(tests):
        column = f"n_{number}"
        if test.is_of_one_row and (rows := test.rows):
            count = compose("count(*) FILTER ({b}) AS {n}", b=test.broken, n=SqlName(column))
            of_rows.setdefault(rows, []).append(count)
        elif not test.is_of_one_row and (select := test.breaking):
            selects.append(
                compose("SELECT count(*) AS {n} FROM ({s}) AS s", n=SqlName(column), s=select)
            )
        counted[column] = test.name
    for rows, counted_rows in of_rows.items():
        selects.append(compose("SELECT {c} FROM ({r}) AS t", c=join(", ", counted_rows), r=rows))
    if not selects:
        return set()
    parts = join(
        ", ", (compose("({a}) AS {n}", a=a, n=SqlName(f"q_{n}")) for n, a in enumerate(selects))
    )
    sql = render(compose("SELECT * FROM {parts}", parts=parts), warehouse.dialect)
    counts = warehouse.query(sql).to_pylist()[0]
    return {counted[column] for column, count in counts.items() if count}


def passing_tests(
    model: Model, failures: Collection[TestFailure], versions: Mapping[str, str]
) -> dict[str, str]:
    """The tests that passed, with the version of the other table that they read."""
    failed = {failure.test for failure in failures}
    nothing = TestInputs({}, {}, {})
    tests = [_Test(model, column, test, nothing, {}) for column, test in _tests(model)]
    return {t.name: versions.get(t.other, "") for t in tests if not _has_failure(t.name, failed)}


def _has_failure(name: str, failed: Collection[str]) -> bool:
    return any(failure.startswith(name) for failure in failed)


def test_count(model: Model) -> int:
    return sum(1 for _ in _tests(model))


def _tests(model: Model) -> Iterator[tuple[str, ModelTest]]:
    for test in model.described.tests:
        yield "", test
    for column in model.described.columns:
        for test in column.tests:
            yield column.name, test


def _description_failures(
    model: Model, warehouse: Warehouse, relations: Mapping[str, str]
) -> Iterator[TestFailure]:
    """Compares the built columns with the description; without one there is nothing to check."""
    described = {column.name: column.type for column in model.described.columns}
    # A query: what is staged is a temporary table on some engines, and no table of the warehouse.
    rows = compose("SELECT * FROM {rows} LIMIT 0", rows=SqlName(relations[model.name]))
    built = warehouse.query(render(rows, warehouse.dialect)).schema
    types = {column.name: stored_type(column.type) or column.type for column in built}
    for name in sorted(set(model.key) - {name.lower() for name in types}):
        yield TestFailure(model.name, f"column {name} of the key is not built", "error", 1)
    if not described:
        return
    for name in described.keys() - types.keys():
        yield TestFailure(model.name, f"column {name} is described, but not built", "error", 1)
    for name in types.keys() - described.keys():
        yield TestFailure(model.name, f"column {name} is built, but not described", "warning", 1)
    for name in described.keys() & types.keys():
        is_type, declared = type_name(types[name]).partition("(")[0], described[name]
        if declared and is_type != declared.partition("(")[0]:
            text = f"column {name} is {is_type}, but described as {declared}"
            yield TestFailure(model.name, text, "warning", 1)


@dataclass(frozen=True)
class _Test:
    model: Model
    column: str
    test: ModelTest
    tested: TestInputs
    passed: Mapping[str, str]

    @property
    def relations(self) -> Mapping[str, str]:
        return self.tested.relations

    @property
    def other(self) -> str:
        """The other table that it reads, or empty."""
        target = self.test.relationships
        return target.to if target else ""

    @property
    def is_partial(self) -> bool:
        """Whether only changed rows need a test: the others passed it before."""
        if self.model.name not in self.tested.changes or self.name not in self.passed:
            return False
        if not self.other:
            return True
        version = self.tested.versions.get(self.other)
        is_followed = self.other in self.tested.changes or self.other not in self.relations
        return is_followed and version is not None and self.passed[self.name] == version

    @property
    def columns(self) -> tuple[str, ...]:
        columns = self.test.unique or self.test.not_null
        return columns or ((self.column,) if self.column else ())

    @property
    def name(self) -> str:
        detail = ", ".join(self.columns) or self.test.expression
        if self.column and self.test.expression:
            detail = f"{self.column}: {self.test.expression}"
        if target := self.test.relationships:
            detail = f"{self.column} to {target.to}.{target.field}"
        return f"{self.test.kind}({detail})"

    @property
    def is_of_one_row(self) -> bool:
        """Whether a row passes independently of other rows."""
        return self.test.kind in ("not_null", "accepted_values", "expression")

    @property
    def rows(self) -> Sql | None:
        """The rows to scan in a test of single rows; None if there are none."""
        if not self.is_partial:
            return compose("SELECT * FROM {table}", table=self._whole)
        return _rows(self._change.added) if self._change else None

    @property
    def breaking(self) -> Sql | None:
        """A SELECT that returns rows if the test fails; None if it cannot fail."""
        if self.test.kind == "unique":
            if not self.is_partial:
                return self._duplicates
            return self._repeated_by(self._change) if self._change else None
        if not self.is_partial:
            return compose("SELECT 1 FROM {t} AS t WHERE {b}", t=self._whole, b=self.broken)
        return self._dangling

    def failure(self, warehouse: Warehouse) -> TestFailure:
        rows = warehouse.query(render(self._broken_rows(), warehouse.dialect)).to_pylist()
        count = int(rows[0]["_count"]) if rows else 0
        examples = tuple({k: v for k, v in row.items() if k != "_count"} for row in rows)
        return TestFailure(self.model.name, self.name, self.test.level, count, examples)

    def can_run(self, warehouse: Warehouse) -> bool:
        """Whether the other table exists."""
        if not self.other or self.other in self.relations or self.other in self.tested.changes:
            return True
        return warehouse.columns(_related_table(self.other, self.relations)) is not None

    def _broken_rows(self) -> Sql:
        columns = [*dict.fromkeys([*self.model.described.key, *self.columns])]
        return compose(
            "SELECT {shown}, count(*) OVER () AS _count FROM {rows} AS t WHERE {broken} "
            "ORDER BY {order} LIMIT {limit}",
            shown=join(", ", (f"t.{quote(name)}" for name in columns)) if columns else Sql("t.*"),
            rows=self._with_counts if self.test.kind == "unique" else self._whole,
            broken=self.broken,
            order=Sql(", ".join(str(n) for n in range(1, max(len(columns), 1) + 1))),
            limit=_EXAMPLES,
        )

    @property
    def _change(self) -> RowChange | None:
        return self.tested.changes.get(self.model.name)

    @property
    def _whole(self) -> Sql:
        return quote(self.relations.get(self.model.name, self.model.name))

    @property
    def _dangling(self) -> Sql | None:
        """Rows with a dangling reference: checks only new references and removed targets."""
        field = SqlName(self.test.relationships.field if self.test.relationships else "")
        column = SqlName(self.columns[0])
        parts = []
        if own := self._change:
            parts.append(_minus(column, _rows(own.added), _rows(own.removed)))
        if other := self.tested.changes.get(self.other):
            parts.append(_minus(field, _rows(other.removed), _rows(other.added)))
        if not parts:
            return None
        return compose(
            """
            WITH suspects AS ({suspects}), missing AS (
                SELECT v FROM suspects WHERE v IS NOT NULL EXCEPT
                SELECT o.{field} FROM {other} AS o WHERE o.{field} IN (SELECT v FROM suspects)
            )
            SELECT 1 FROM {whole} AS t WHERE t.{column} IN (SELECT v FROM missing)""",
            suspects=join(" UNION ", parts),
            field=field,
            other=_related_table(self.other, self.relations),
            whole=self._whole,
            column=column,
        )

    @property
    def _column_list(self) -> Sql:
        return join(", ", map(quote, self.columns))

    @property
    def _has_key(self) -> Sql:
        """A single-column unique test ignores nulls."""
        alone = len(self.columns) == 1
        return compose("{c} IS NOT NULL", c=SqlName(self.columns[0])) if alone else Sql("true")

    @property
    def _duplicates(self) -> Sql:
        return compose(
            "SELECT 1 FROM {table} WHERE {counted} GROUP BY {columns} HAVING count(*) > 1",
            table=self._whole,
            counted=self._has_key,
            columns=self._column_list,
        )

    def _repeated_by(self, change: RowChange) -> Sql:
        """Keys that occur more than once, and more often than before. Those with a null are looked
        up apart: PostgreSQL joins by equality alone without comparing each pair.
        """
        return compose(
            """
            WITH versions AS (
                SELECT {columns}, 1 AS _one FROM {added} WHERE {counted}
                UNION ALL SELECT {columns}, -1 AS _one FROM {removed} WHERE {counted}
            ), more AS (
                SELECT {columns} FROM versions GROUP BY {columns} HAVING sum(_one) > 0
            )
            SELECT 1 FROM (
                SELECT {columns}, _one FROM versions
                UNION ALL SELECT {columns}, 1 FROM {table} AS w SEMI JOIN more AS m ON {equal}
                {with_nulls}
            ) AS t GROUP BY {columns} HAVING sum(_one) > 1""",
            columns=self._column_list,
            added=SqlName(change.added),
            removed=SqlName(change.removed),
            counted=self._has_key,
            table=SqlName(self.model.name),
            equal=self._same_key("w.{c} = m.{c}"),
            with_nulls=self._with_nulls if len(self.columns) > 1 else Sql(""),
        )

    @property
    def _with_nulls(self) -> Sql:
        has_null = join(" OR ", (compose("{c} IS NULL", c=SqlName(c)) for c in self.columns))
        return compose(
            """
            UNION ALL SELECT {columns}, 1 FROM (SELECT {columns} FROM {table} WHERE {null}) AS w
            SEMI JOIN (SELECT {columns} FROM more WHERE {null}) AS m ON {same}""",
            columns=self._column_list,
            table=SqlName(self.model.name),
            null=has_null,
            same=self._same_key("w.{c} IS NOT DISTINCT FROM m.{c}"),
        )

    def _same_key(self, template: str) -> Sql:
        return join(" AND ", (compose(template, c=SqlName(c)) for c in self.columns))

    @property
    def _with_counts(self) -> Sql:
        """The table's rows, each with the number of rows of the same key."""
        return compose(
            "(SELECT w.*, count(*) OVER (PARTITION BY {columns}) AS _same FROM {table} AS w)",
            columns=self._column_list,
            table=self._whole,
        )

    @property
    def broken(self) -> Sql:
        """A condition; of a unique test, on the rows of `_with_counts`."""
        name = SqlName(self.columns[0]) if self.columns else SqlName("")
        if self.test.kind == "not_null":
            return join(" OR ", (f"t.{quote(column)} IS NULL" for column in self.columns))
        if self.test.kind == "unique":
            alone = len(self.columns) == 1
            not_null = compose("t.{name} IS NOT NULL", name=name) if alone else Sql("true")
            return compose("_same > 1 AND {not_null}", not_null=not_null)
        if values := self.test.accepted_values:
            texts = join(", ", (literal(value) for value in values.values))
            return compose("CAST(t.{name} AS VARCHAR) NOT IN ({texts})", name=name, texts=texts)
        if target := self.test.relationships:
            return compose(
                "t.{name} IS NOT NULL AND NOT EXISTS "
                "(SELECT 1 FROM {target} AS o WHERE o.{field} = t.{name})",
                name=name,
                target=_related_table(target.to, self.relations),
                field=SqlName(target.field),
            )
        expression = parse_expression(self.test.expression).sql(WRITTEN_IN)
        return Sql(f"({expression}) IS FALSE")


def _rows(relation: str) -> Sql:
    return compose("SELECT * FROM {r}", r=SqlName(relation))


def _minus(column: SqlName, some: Sql, others: Sql) -> Sql:
    """Values of a column in rows of `some` without those in `others`."""
    return compose(
        """
        SELECT v FROM (
            SELECT {column} AS v FROM ({some}) AS s EXCEPT SELECT {column} FROM ({others}) AS o
        ) AS l""",
        column=column,
        some=some,
        others=others,
    )


def _related_table(to: str, relations: Mapping[str, str]) -> TableName:
    schema, _, name = to.rpartition(".")
    return TableName(schema, name if schema else relations.get(name, name))
