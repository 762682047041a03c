"""Record rules and mappings of the catalog, evaluated on batches of records.

`re` rules are Python's `re`, run once per distinct value. `sql` rules and mappings are DuckDB
expressions: see seil.sf_to_dw.ingest.expressions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa

from seil.catalog import ColumnMapping, SyncedObject, Validation
from seil.errors import ConfigurationError, Problem
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.ingest.arrow import ArrowColumn, pc, repeat
from seil.sf_to_dw.ingest.casts import to_default_type
from seil.sf_to_dw.ingest.checks import UnfitError
from seil.sf_to_dw.ingest.conform import LINEAGE, Misfit
from seil.sf_to_dw.ingest.expressions import Evaluation, ExpressionCheck, Expressions, quote_name

_CURE = "write one DuckDB expression over the record's columns; see docs/ingest.md"


@dataclass(frozen=True)
class RecordRule:
    """A validation; `place` is its path in the catalog."""

    column: str
    validation: Validation
    place: str

    @property
    def message(self) -> str:
        verb = "does not match" if self.validation.type == "re" else "breaks"
        return self.validation.message or f"{self.column} {verb} {self.validation.rule}"


@dataclass
class RuleCount:
    """How many records have failed a rule."""

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
    """`good` includes the mapped columns; `messages` has the reasons of each set-aside record."""

    good: pa.RecordBatch
    set_aside: pa.RecordBatch
    messages: ArrowColumn


@dataclass
class _Failures:
    """Failures of a batch: by rule, a message with a column that is true for failing records; by
    value, misfits.
    """

    by_rule: list[tuple[str, ArrowColumn]] = field(default_factory=list)
    misfits: Sequence[Misfit] = ()

    def __bool__(self) -> bool:
        return bool(self.by_rule or self.misfits)

    def add(self, message: str, failing: ArrowColumn) -> None:
        if failing.true_count:
            self.by_rule.append((message, failing))

    def counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for message, failing in self.by_rule:
            total[message] += failing.true_count
        return total + Counter(entry.reason for entry in self.misfits)

    def any(self, rows: int) -> ArrowColumn:
        """True for the records with any failure."""
        fails = repeat(value=False, kind=pa.bool_(), rows=rows)
        for _, failing in self.by_rule:
            fails = pc.or_(fails, failing)
        if self.misfits:
            misfit_rows = {entry.row for entry in self.misfits}
            fails = pc.or_(fails, pa.array([row in misfit_rows for row in range(rows)]))
        return fails

    def messages(self, fails: ArrowColumn) -> ArrowColumn:
        """The messages of each record in which `fails` is true."""
        columns = [(message, rows.filter(fails).to_pylist()) for message, rows in self.by_rule]
        lists = [
            [message for message, failing in columns if failing[row]]
            for row in range(fails.true_count)
        ]
        positions = {row: at for at, row in enumerate(pc.indices_nonzero(fails).to_pylist())}
        for entry in self.misfits:
            lists[positions[entry.row]].append(entry.message)
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
    """All problems of the object's rules and mappings with columns of this schema."""
    arrow = schema.arrow if isinstance(schema, ObjectSchema) else schema
    with closing(ExpressionCheck(arrow)) as check:
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
    written = {name.lower() for name in (obj.key, *LINEAGE.names)}
    for mapping in obj.mappings:
        place = f"objects.{obj.api_name}.mappings.{mapping.target}"
        if mapping.target.lower() in written:
            yield Problem(place, "this column is already written", "give the target another name")
        written.add(mapping.target.lower())
        if mapping.source and _position(schema, mapping.source) is None:
            yield _unknown_column(place, mapping.source, obj)
        elif mapping.sql and (reason := check.problem(mapping.sql)):
            yield Problem(place, f"{mapping.sql!r}: {reason}", _CURE)
        elif reason := check.problem(_mapping_sql(mapping), single=False):
            yield Problem(place, reason, _CURE)


def _unknown_column(place: str, column: str, obj: SyncedObject) -> Problem:
    return Problem(place, f"{obj.api_name} has no column {column!r}", "correct the name")


def _mapping_sql(mapping: ColumnMapping) -> str:
    value = mapping.sql or quote_name(mapping.source)
    return f"CAST((\n{value}\n) AS {mapping.type})" if mapping.type else value


class RuleBook:
    """The rules and mappings of one object, for batches of `schema`. To be closed.

    Raises ConfigurationError with every rule that cannot be evaluated.
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

    def close(self) -> None:
        if self._expressions:
            self._expressions.close()

    @property
    def counts(self) -> list[RuleCount]:
        """Of all batches so far."""
        return [count for count in self._counts if count.records]

    @property
    def reasons(self) -> dict[str, int]:
        """Records set aside by reason; a record may have several reasons."""
        return dict(self._reasons)

    def judge(
        self, batch: pa.RecordBatch, first_row: int, misfits: Sequence[Misfit] = ()
    ) -> RuleVerdict:
        """`first_row` is the batch's first row in the file, from 1; records with misfits are set
        aside.

        Raises UnfitError where a record breaks a rule of level `error`.
        """
        evaluations = self._expressions.evaluate(batch) if self._expressions else {}
        failures = _Failures(misfits=misfits)
        if self._key is not None:
            failures.add(self._key_message, _empty(batch.column(self._key)))
        for number, count in enumerate(self._counts):
            failing = self._failing(number, batch, evaluations)
            count.records += failing.true_count
            if count.rule.validation.level == "error" and failing.true_count:
                raise self._unfit(count.rule, batch, failing, first_row)
            if count.rule.validation.level == "reject":
                failures.add(count.rule.message, failing)
        mapped: dict[str, ArrowColumn] = {}
        for number, mapping in enumerate(self._mappings):
            evaluation = evaluations[f"m{number}"]
            origin = mapping.source or mapping.sql
            failures.add(f"{mapping.target} cannot be made from {origin}", evaluation.failed)
            mapped[mapping.target] = evaluation.values
        self._reasons.update(failures.counts())
        return _split(batch, failures, mapped)

    def _failing(
        self, number: int, batch: pa.RecordBatch, evaluations: Mapping[str, Evaluation]
    ) -> ArrowColumn:
        rule = self._counts[number].rule
        if rule.validation.type == "sql":
            evaluation = evaluations[f"r{number}"]
            return pc.or_(_true(pc.invert(evaluation.values)), evaluation.failed)
        pattern = self._patterns[rule.validation.rule]
        return _not_matching(batch.column(self._positions[rule.column]), pattern)

    def _unfit(
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
    fails = pa.array(
        [pattern.fullmatch(value) is None for value in encoded.dictionary.to_pylist()], pa.bool_()
    )
    return _true(fails.take(encoded.indices))


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
    batch: pa.RecordBatch, failures: _Failures, mapped: Mapping[str, ArrowColumn]
) -> RuleVerdict:
    fails = failures.any(batch.num_rows)
    messages = failures.messages(fails)
    rejected = batch.filter(fails) if failures else batch.slice(0, 0)
    for name, values in mapped.items():
        batch = _with_column(batch, name, to_default_type(values))
    accepted = batch.filter(pc.invert(fails)) if failures else batch
    return RuleVerdict(accepted, rejected, messages)


def _with_column(batch: pa.RecordBatch, name: str, values: ArrowColumn) -> pa.RecordBatch:
    position = _position(batch.schema, name)
    if position is None:
        return batch.append_column(name, values)
    return batch.set_column(position, name, values)


def _position(schema: pa.Schema, name: str) -> int | None:
    lower = name.lower()
    return next((i for i, column in enumerate(schema.names) if column.lower() == lower), None)
