"""Record rules and mappings of the catalog, evaluated on batches of records.

`re` rules are Python's `re`, run once per distinct value. `sql` rules and mappings are DuckDB
expressions: see seil.sf_to_dw.ingest.expressions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pyarrow as pa

from seil.catalog import ColumnMapping, SyncedObject, Validation
from seil.errors import ConfigurationError, Problem
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.ingest.arrow import ArrowColumn, pc, repeat
from seil.sf_to_dw.ingest.casts import to_default_type
from seil.sf_to_dw.ingest.checks import UnfitError
from seil.sf_to_dw.ingest.conform import LINEAGE, Unheld
from seil.sf_to_dw.ingest.expressions import Evaluation, ExpressionCheck, Expressions, quote_name

_CURE = "write one DuckDB expression over the record's columns; see docs/ingest.md"


@dataclass(frozen=True)
class RecordRule:
    """A validation and where it stands in the catalog."""

    column: str
    validation: Validation
    place: str

    @property
    def message(self) -> str:
        verb = "does not match" if self.validation.type == "re" else "breaks"
        return self.validation.message or f"{self.column} {verb} {self.validation.rule}"


@dataclass
class RuleCount:
    """How many records a rule did not let pass."""

    rule: RecordRule
    records: int = 0

    def to_dict(self) -> dict[str, object]:
        validation = self.rule.validation
        return {
            "column": self.rule.column,
            "type": validation.type,
            "rule": validation.rule,
            "level": validation.level,
            "message": self.rule.message,
            "records": self.records,
        }


@dataclass(frozen=True)
class RuleVerdict:
    """`kept` has the mapped columns, too; `messages` say of each set-aside record why."""

    kept: pa.RecordBatch
    set_aside: pa.RecordBatch
    messages: ArrowColumn


@dataclass
class _Failures:
    """Messages with the records (true) they are about, and `unheld` numbers of single records."""

    found: list[tuple[str, ArrowColumn]] = field(default_factory=list)
    unheld: Sequence[Unheld] = ()

    def __bool__(self) -> bool:
        return bool(self.found or self.unheld)

    def add(self, message: str, failing: ArrowColumn) -> None:
        if failing.true_count:
            self.found.append((message, failing))

    def counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for message, failing in self.found:
            total[message] += failing.true_count
        return total + Counter(entry.reason for entry in self.unheld)

    def any(self, rows: int) -> ArrowColumn:
        anything = repeat(value=False, kind=pa.bool_(), rows=rows)
        for _, failing in self.found:
            anything = pc.or_(anything, failing)
        if self.unheld:
            alone = {entry.row for entry in self.unheld}
            anything = pc.or_(anything, pa.array([row in alone for row in range(rows)]))
        return anything

    def messages(self, where: ArrowColumn) -> ArrowColumn:
        columns = [(message, failing.filter(where).to_pylist()) for message, failing in self.found]
        lists = [
            [message for message, failing in columns if failing[row]]
            for row in range(where.true_count)
        ]
        places = {row: place for place, row in enumerate(pc.indices_nonzero(where).to_pylist())}
        for entry in self.unheld:
            lists[places[entry.row]].append(entry.message)
        return pa.array(lists, pa.list_(pa.string()))


def rules_of(obj: SyncedObject) -> list[RecordRule]:
    return [
        RecordRule(
            column.name,
            validation,
            f"objects.{obj.api_name}.columns.{column.name}.validations.{number}",
        )
        for column in obj.columns
        for number, validation in enumerate(column.validations)
    ]


def validate_rules(obj: SyncedObject, schema: ObjectSchema | pa.Schema) -> list[Problem]:
    """Everything wrong with the object's rules and mappings, given the columns it has."""
    arrow = schema.arrow if isinstance(schema, ObjectSchema) else schema
    with ExpressionCheck(arrow) as check:
        return [*_rule_problems(obj, arrow, check), *_mapping_problems(obj, arrow, check)]


def _rule_problems(
    obj: SyncedObject, schema: pa.Schema, check: ExpressionCheck
) -> Iterator[Problem]:
    for rule in rules_of(obj):
        if _position(schema, rule.column) is None:
            yield _unknown_column(rule.place, rule.column, obj)
        elif rule.validation.type == "sql" and (
            reason := check.problem(rule.validation.rule, boolean=True)
        ):
            yield Problem(rule.place, f"{rule.validation.rule!r}: {reason}", _CURE)


def _mapping_problems(
    obj: SyncedObject, schema: pa.Schema, check: ExpressionCheck
) -> Iterator[Problem]:
    taken = {name.lower() for name in (obj.key, *LINEAGE.names)}
    for mapping in obj.mappings:
        place = f"objects.{obj.api_name}.mappings.{mapping.target}"
        if mapping.target.lower() in taken:
            yield Problem(place, "this column is already written", "give the target another name")
        taken.add(mapping.target.lower())
        if mapping.source and _position(schema, mapping.source) is None:
            yield _unknown_column(place, mapping.source, obj)
        elif mapping.sql and (reason := check.problem(mapping.sql)):
            yield Problem(place, f"{mapping.sql!r}: {reason}", _CURE)
        elif reason := check.problem(_mapping_sql(mapping), single=False):
            yield Problem(place, reason, _CURE)


def _unknown_column(place: str, column: str, obj: SyncedObject) -> Problem:
    return Problem(place, f"{obj.api_name} has no column {column!r}", "correct the name")


def _mapping_sql(mapping: ColumnMapping) -> str:
    origin = mapping.sql or quote_name(mapping.source)
    return f"CAST((\n{origin}\n) AS {mapping.type})" if mapping.type else origin


class RuleBook:
    """The rules and mappings of one object, ready for batches of `schema`.

    Raises ConfigurationError naming every rule that cannot be evaluated.
    """

    def __init__(self, obj: SyncedObject, schema: pa.Schema) -> None:
        if problems := validate_rules(obj, schema):
            raise ConfigurationError(problems)
        self._key = _position(schema, obj.key)
        self._key_message = f"{obj.key} is empty"
        self._mappings = obj.mappings
        self._counts = [RuleCount(rule) for rule in rules_of(obj)]
        self._reasons: Counter[str] = Counter()
        self._patterns = {
            rule.validation.rule: re.compile(rule.validation.rule)
            for rule in rules_of(obj)
            if rule.validation.type == "re"
        }
        self._positions = {
            rule.column: position
            for rule in rules_of(obj)
            if (position := _position(schema, rule.column)) is not None
        }
        expressions = self._expressions_by_name()
        self._expressions = Expressions(expressions) if expressions else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._expressions:
            self._expressions.__exit__(kind, error, trace)

    @property
    def counts(self) -> list[RuleCount]:
        """Of all batches so far."""
        return [count for count in self._counts if count.records]

    @property
    def reasons(self) -> dict[str, int]:
        """Why records were set aside, and how many for each; a record may have several."""
        return dict(self._reasons)

    def judge(
        self, batch: pa.RecordBatch, first_row: int, unheld: Sequence[Unheld] = ()
    ) -> RuleVerdict:
        """`first_row` is the batch's first row in the file, from 1; the records of `unheld` numbers
        are set aside.

        Raises UnfitError when a record breaks a rule of level `error`.
        """
        answers = self._expressions.evaluate(batch) if self._expressions else {}
        failures = _Failures(unheld=unheld)
        if self._key is not None:
            failures.add(self._key_message, _empty(batch.column(self._key)))
        for number, count in enumerate(self._counts):
            failing = self._failing(number, batch, answers)
            count.records += failing.true_count
            if count.rule.validation.level == "error" and failing.true_count:
                raise self._broken(count.rule, batch, failing, first_row)
            if count.rule.validation.level == "reject":
                failures.add(count.rule.message, failing)
        mapped, names = [], []
        for number, mapping in enumerate(self._mappings):
            failures.add(
                f"{mapping.target} cannot be made from {mapping.source or mapping.sql}",
                answers[f"m{number}"].failed,
            )
            mapped.append(answers[f"m{number}"].values)
            names.append(mapping.target)
        self._reasons.update(failures.counts())
        return _split(batch, failures, mapped, names)

    def _failing(
        self, number: int, batch: pa.RecordBatch, answers: Mapping[str, Evaluation]
    ) -> ArrowColumn:
        rule = self._counts[number].rule
        if rule.validation.type == "sql":
            answer = answers[f"r{number}"]
            return pc.or_(_true(pc.invert(answer.values)), answer.failed)
        pattern = self._patterns[rule.validation.rule]
        return _not_matching(batch.column(self._positions[rule.column]), pattern)

    def _broken(
        self, rule: RecordRule, batch: pa.RecordBatch, failing: ArrowColumn, first_row: int
    ) -> UnfitError:
        row = failing.to_pylist().index(True)
        key = "" if self._key is None else f" ({batch.column(self._key)[row].as_py()})"
        return UnfitError(
            "rule",
            f"row {first_row + row}{key}: {rule.message}"
            f" [{rule.column}, {rule.validation.type}: {rule.validation.rule}]",
            "This rule rejects the whole file; with level `reject` it would set the record aside",
        )

    def _expressions_by_name(self) -> dict[str, str]:
        rules = {
            f"r{number}": count.rule.validation.rule
            for number, count in enumerate(self._counts)
            if count.rule.validation.type == "sql"
        }
        return rules | {f"m{n}": _mapping_sql(mapping) for n, mapping in enumerate(self._mappings)}


def _not_matching(column: ArrowColumn, pattern: re.Pattern[str]) -> ArrowColumn:
    encoded = _as_text(column).dictionary_encode()
    verdicts = pa.array(
        [pattern.fullmatch(value) is None for value in encoded.dictionary.to_pylist()], pa.bool_()
    )
    return _true(verdicts.take(encoded.indices))


def _as_text(column: ArrowColumn) -> ArrowColumn:
    """As Salesforce writes it: times as 2020-08-06T14:16:08.000Z."""
    if pa.types.is_timestamp(column.type):
        millis = column.cast(pa.timestamp("ms", tz="UTC"), safe=False)
        return pc.strftime(millis, format="%Y-%m-%dT%H:%M:%SZ")
    return column.cast(pa.string())


def _true(column: ArrowColumn) -> ArrowColumn:
    """Null counts as not true."""
    return pc.fill_null(column, pa.scalar(value=False))


def _empty(column: ArrowColumn) -> ArrowColumn:
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.equal(column, ""), None, column)
    return pc.is_null(column)


def _split(
    batch: pa.RecordBatch, failures: _Failures, mapped: list[ArrowColumn], names: list[str]
) -> RuleVerdict:
    aside = failures.any(batch.num_rows)
    messages = failures.messages(aside)
    rejected = batch.filter(aside) if failures else batch.slice(0, 0)
    for name, values in zip(names, mapped, strict=True):
        batch = _with_column(batch, name, to_default_type(values))
    accepted = batch.filter(pc.invert(aside)) if failures else batch
    return RuleVerdict(accepted, rejected, messages)


def _with_column(batch: pa.RecordBatch, name: str, values: ArrowColumn) -> pa.RecordBatch:
    position = _position(batch.schema, name)
    if position is None:
        return batch.append_column(name, values)
    return batch.set_column(position, name, values)


def _position(schema: pa.Schema, name: str) -> int | None:
    wanted = name.lower()
    return next((i for i, known in enumerate(schema.names) if known.lower() == wanted), None)
