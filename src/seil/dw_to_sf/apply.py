"""Applies a plan or undoes a run, checking each record against the org just before the write.

A record that changed since the plan is rejected; the others are written. Idempotent: applying a
plan again writes only the records that the first time did not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.dw_to_sf.database import bounded_database
from seil.dw_to_sf.plan import CHECKED_AT_ONCE, Plan
from seil.dw_to_sf.plan_rows import RECORD_ID, plan_rows, stored_values
from seil.errors import ConfigurationError, Problem
from seil.salesforce.ids import full_id
from seil.salesforce.org import Org
from seil.salesforce.writes.batch import (
    BEFORE,
    CLEAR,
    RowOutcome,
    RowState,
    WriteBatch,
    WriteTarget,
)
from seil.salesforce.writes.rules import ObjectRules
from seil.salesforce.writes.writer import Writer, WriterOptions, record_ids
from seil.state.outcomes import OutcomeFilter, OutcomeLog, Outcomes, StoredOutcome

if TYPE_CHECKING:
    import duckdb

CHANGED = "CHANGED_SINCE"
NO_IMAGE = "NO_IMAGE_BEFORE"
# Of a record that an upsert wrote: there was none before, and Salesforce did not say "created".
_NO_IMAGE = "_no_image"

# Of a row that has the values that undo puts back.
_DONE = ("written", "unchanged")

OnSettled = Callable[[Sequence[RowOutcome]], None]


@dataclass(frozen=True)
class Application:
    """One plan being applied, or one run being undone. `on_settled` gets every row's outcome."""

    org: Org
    rules: ObjectRules
    log: OutcomeLog
    options: WriterOptions
    on_settled: OnSettled

    def apply(self, plan: Plan) -> Counter[RowState]:
        """Returns row counts by state. Raises ConfigurationError, and as `Writer.write` does."""
        self.org.budget.require(plan.calls, f"push {plan.definition.name}")
        states: Counter[RowState] = Counter()
        writer = Writer(self.org, self.log, self.options)
        writer.recover()
        target = plan.definition.target
        tables = self._checked(target, plan_rows(plan, self.rules), states, self.on_settled)
        states += writer.write(target, tables, rows=plan.writes, on_settled=self.on_settled)
        return states

    def retry(
        self, target: WriteTarget, outcomes: Outcomes, where: OutcomeFilter
    ) -> Counter[RowState]:
        """Sends rows again that were not written, under the checks of `apply`.

        `where` selects open outcomes of one object and operation, those of `target`; the caller has
        settled those in doubt. Returns row counts by state.
        """
        states: Counter[RowState] = Counter()
        writer = Writer(self.org, self.log, self.options)
        rows = sum(outcomes.counts(where).values())
        again = _rows_again(target, outcomes, where, besides=self.log.run_id)
        tables = self._checked(target, again, states, self.on_settled)
        states += writer.write(target, tables, rows=rows, on_settled=self.on_settled)
        return states

    def undo(self, outcomes: Outcomes, run_id: str) -> Counter[RowState]:
        """Restores the values that a run replaced and deletes the records that it created.

        Records that changed since are rejected, and those of which it is not known whether the run
        created them. Returns row counts by state.
        """
        states: Counter[RowState] = Counter()
        writer = Writer(self.org, self.log, self.options)
        writer.recover()
        for created in (False, True):
            target = WriteTarget(self.rules.name, "delete" if created else "update")
            where = OutcomeFilter(
                flow=self.log.flow, run_id=run_id, state="written", created=created
            )
            rows = outcomes.counts(where).get("written", 0)
            if not rows:
                continue
            mark = self._mark_undone(outcomes, run_id)
            tables = self._checked(target, _undo_rows(outcomes, where), states, mark)
            states += writer.write(target, tables, rows=rows, on_settled=mark)
        return states

    def _mark_undone(self, outcomes: Outcomes, run_id: str) -> OnSettled:
        def mark(settled: Sequence[RowOutcome]) -> None:
            ids = [outcome.key for outcome in settled if outcome.state in _DONE]
            outcomes.mark_undone(run_id, self.rules.name, ids)
            self.on_settled(settled)

        return mark

    def _checked(
        self,
        target: WriteTarget,
        tables: Iterator[pa.Table],
        states: Counter[RowState],
        on_settled: OnSettled,
    ) -> Iterator[pa.Table]:
        """Yields the rows to write; the outcomes of the others are recorded and counted here."""
        with bounded_database(self.rules.fields) as database:
            for table in tables:
                settled = self._settled(target, table, database)
                if settled:
                    batch = WriteBatch(target, _rows_of(table, target.key, set(settled)))
                    self.log.record(batch, list(settled.values()))
                    states.update(outcome.state for outcome in settled.values())
                    on_settled(list(settled.values()))
                unsettled = set(table[target.key].to_pylist()) - set(settled)
                if unsettled:
                    yield _rows_of(table, target.key, unsettled)

    def _settled(
        self, target: WriteTarget, table: pa.Table, database: duckdb.DuckDBPyConnection
    ) -> dict[str, RowOutcome]:
        """Outcomes of the rows that are not written, by key."""
        rows = table.to_pylist()
        new = [row[target.key] for row in rows if not row[RECORD_ID]]
        # A record may have been created since the plan, perhaps by an earlier run of it.
        created = record_ids(self.org, target, new)
        rows = [row | {RECORD_ID: row[RECORD_ID] or created.get(row[target.key])} for row in rows]
        current = self._current(rows, database)
        return {
            row[target.key]: outcome
            for row in rows
            if row[RECORD_ID] and (outcome := _compare(target, row, current.get(row[RECORD_ID])))
        }

    def _current(
        self, rows: Sequence[Mapping[str, Any]], database: duckdb.DuckDBPyConnection
    ) -> dict[str, dict[str, str | None]]:
        """The org's values in the plan's form, by Id as in `rows`.

        Raises ConfigurationError for fields that this user no longer sees.
        """
        ids = {full_id(row[RECORD_ID]): row[RECORD_ID] for row in rows if row[RECORD_ID]}
        if not ids:
            return {}
        images = [_values(json.loads(row[BEFORE] or "{}")) for row in rows]
        fields = sorted({name for image in images for name in image})
        rules = [rule for name in fields if (rule := self.rules.get(name))]
        if unseen := [name for name in fields if not self.rules.get(name)]:
            place, reason = f"object {self.rules.name}", "is no longer visible to this user"
            raise ConfigurationError([Problem(f"{place}: {name}", reason) for name in unseen])
        names = [rule.name for rule in rules] or ["Id"]
        records = self.org.retrieve(self.rules.name, list(ids.values()), names)
        values = stored_values(database, rules, list(records.values()))
        return {ids[record_id]: row for record_id, row in zip(records, values, strict=True)}


def _compare(
    target: WriteTarget, row: Mapping[str, Any], now: Mapping[str, str | None] | None
) -> RowOutcome | None:
    """The outcome of a row without a write; None if it has to be written."""
    key, record_id = row[target.key], row[RECORD_ID]
    if now is None:
        return _of_deleted(target, key, record_id)
    if row.get(_NO_IMAGE):
        reason = (
            "there was no such record, and Salesforce did not say that this run created it, as when"
            " its answer is lost: delete it if nobody else created it"
        )
        return RowOutcome(key, "rejected", record_id, code=NO_IMAGE, reason=reason)
    before = _values(json.loads(row[BEFORE] or "{}"))
    goal = {name: None if row[name] == CLEAR else row[name] for name in before if name in row}
    if goal and all(_same(now[name], value) for name, value in goal.items()):
        return RowOutcome(key, "unchanged", record_id)
    for name, old in before.items():
        is_written = name in goal and _same(now[name], goal[name])
        if not is_written and not _same(now[name], old):
            reason = f"{name} is {now[name]!r} now, it was {old!r}"
            return RowOutcome(key, "rejected", record_id, code=CHANGED, reason=reason)
    if target.operation == "insert":
        reason = "a record with this key was created since"
        return RowOutcome(key, "rejected", record_id, code=CHANGED, reason=reason)
    return None


def _of_deleted(target: WriteTarget, key: str, record_id: str) -> RowOutcome:
    if target.operation == "delete":
        return RowOutcome(key, "unchanged", record_id)
    return RowOutcome(key, "missing", record_id, code="NOT_FOUND", reason="it was deleted")


def _values(image: Mapping[str, str | None]) -> dict[str, str | None]:
    """Without the Id, which the image of a record that did not exist has."""
    return {name: value for name, value in image.items() if name != "Id"}


def _same(one: str | None, other: str | None) -> bool:
    """Compares Ids of 15 and 18 characters as equal."""
    if one is None or other is None:
        return one is other
    return one == other or (full_id(one) or one) == (full_id(other) or other)


def _undo_rows(outcomes: Outcomes, where: OutcomeFilter) -> Iterator[pa.Table]:
    """Rows that restore what `where` selects, newest first.

    Pages by position: rows that undo has settled no longer match the filter.
    """
    after: Sequence[str] = ()
    while page := outcomes.find(where, limit=CHECKED_AT_ONCE, after=after):
        after = page[-1].position
        names = sorted({name for outcome in page for name in _values(outcome.image_before)})
        ids: list[str | None] = [outcome.record_id for outcome in page]
        columns: dict[str, list[str | None]] = {"Id": ids, RECORD_ID: ids}
        columns[BEFORE] = [json.dumps(outcome.fields) for outcome in page]
        if not where.created:
            columns |= {name: [_restored(o, name) for o in page] for name in names}
            columns[_NO_IMAGE] = [NO_IMAGE if "Id" in o.image_before else None for o in page]
        yield pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _rows_again(
    target: WriteTarget, outcomes: Outcomes, where: OutcomeFilter, *, besides: str
) -> Iterator[pa.Table]:
    """The rows as they were sent, by key; a key that is open in several runs is given once."""
    for page in outcomes.pages(where, rows=CHECKED_AT_ONCE, besides=besides):
        last = list({outcome.key: outcome for outcome in page}.values())
        by_id = target.key == "Id"
        columns: dict[str, list[str | None]] = {
            target.key: [outcome.key for outcome in last],
            RECORD_ID: [o.key if by_id else o.record_id or None for o in last],
            BEFORE: [json.dumps(outcome.image_before) for outcome in last],
        }
        names = sorted({name for outcome in last for name in outcome.fields})
        columns |= {name: [_sent(outcome, name) for outcome in last] for name in names}
        yield pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _sent(outcome: StoredOutcome, name: str) -> str | None:
    if name not in outcome.fields:
        return None
    value = outcome.fields[name]
    return CLEAR if value is None else value


def _restored(outcome: StoredOutcome, name: str) -> str | None:
    if name not in outcome.image_before:
        return None
    old = outcome.image_before[name]
    return CLEAR if old is None else old


def _rows_of(table: pa.Table, key: str, keys: Collection[str | None]) -> pa.Table:
    return table.filter(pa.array([value in keys for value in table[key].to_pylist()]))
