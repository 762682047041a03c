"""Outcomes of writes into Salesforce, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa

from seil.salesforce.writes.batch import (
    ANSWER_LOST,
    BEFORE,
    CLEAR,
    RowOutcome,
    WriteBatch,
    WriteTarget,
)
from seil.state.database import Database, Row, Transaction, moment, stamp

IN_DOUBT = "in_doubt"
STATES = (IN_DOUBT, "written", "unchanged", "rejected", "missing", "retrying", "undone")
OPEN = ("rejected", "missing", "retrying")
"""States of rows that were not written."""

_VALUES_AT_ONCE = 10_000
_COLUMNS = (
    "flow, object, key, run_id, operation, fields, image_before, state, record_id, created, code, "
    "reason, attempts, changed_at"
)
_POSITION = "changed_at, flow, object, key, run_id, operation"
_KEY = "flow, object, key, run_id, operation"
_DESCENDING = ", ".join(f"{name} DESC" for name in _POSITION.split(", "))
_PUT = """
INSERT INTO outcomes (flow, object, key, run_id, operation, fields, image_before, state, record_id,
    created, code, reason, attempts, batch_id, changed_at)
VALUES (:flow, :object, :key, :run_id, :operation, :fields, :image_before, :state, '', 0, '', '', 1,
    :batch_id, :changed_at)
ON CONFLICT (flow, object, key, run_id, operation) DO UPDATE SET
    fields = excluded.fields, state = excluded.state, batch_id = excluded.batch_id,
    attempts = outcomes.attempts + 1, changed_at = excluded.changed_at
"""
_SETTLE = """
UPDATE outcomes SET state = :state, record_id = :record_id, created = :created,
    code = CASE WHEN code = :lost AND :state = 'retrying' THEN code ELSE :code END,
    reason = :reason, changed_at = :changed_at
WHERE batch_id = :batch_id AND key = :key
"""
_EARLIER = """
SELECT key, run_id, state, code, attempts FROM outcomes
WHERE flow = :flow AND object = :object AND operation = :operation AND run_id <> :run_id
    AND state IN ('rejected', 'missing', 'retrying')
    AND key IN (SELECT key FROM outcomes WHERE batch_id = :batch_id)
"""
_OF_RUN = (
    "WHERE flow = :flow AND object = :object AND operation = :operation AND key = :key "
    "AND run_id = :earlier"
)
_REMOVE = f"DELETE FROM outcomes {_OF_RUN}"  # noqa: S608
_CONFIRM = (
    "UPDATE outcomes SET state = 'written', code = '', reason = '', record_id = :record_id, "  # noqa: S608
    f"changed_at = :changed_at {_OF_RUN}"
)
# What a push wrote stays: its next plan compares with it, and undo restores what it replaced.
_PRUNE = """
DELETE FROM outcomes WHERE changed_at < :before
    AND (state IN ('unchanged', 'undone') OR (state = 'written' AND flow NOT LIKE :push))
"""
_CARRY = (
    "UPDATE outcomes SET attempts = attempts + :attempts WHERE batch_id = :batch_id AND key = :key"
)


@dataclass(frozen=True)
class StoredOutcome:
    """The outcome of one row in one run.

    `fields` are the values that were sent, None where a field was cleared; `image_before` the
    values that they replaced, by the plan.
    """

    flow: str
    object: str
    key: str
    run_id: str
    operation: str
    fields: dict[str, str | None]
    image_before: dict[str, str | None]
    state: str
    record_id: str
    created: bool
    code: str
    reason: str
    attempts: int
    changed_at: datetime

    @property
    def identity(self) -> tuple[str, ...]:
        """Keyset cursor of `Outcomes.pages`."""
        return (self.flow, self.object, self.key, self.run_id, self.operation)

    @property
    def position(self) -> tuple[str, ...]:
        """Keyset cursor of `Outcomes.find`."""
        return (stamp(self.changed_at), *self.identity)


@dataclass(frozen=True)
class OutcomeFilter:
    """Empty fields do not restrict. `is_open`: only rows that were not written."""

    flow: str = ""
    run_id: str = ""
    object: str = ""
    operation: str = ""
    key: str = ""
    state: str = ""
    code: str = ""
    created: bool | None = None
    is_open: bool = False


StoredOutcomes: TypeAlias = list[StoredOutcome]


@dataclass(frozen=True)
class Outcomes:
    database: Database

    def log(self, flow: str, run_id: str) -> OutcomeLog:
        return OutcomeLog(self.database, flow, run_id)

    def find(
        self, where: OutcomeFilter, *, limit: int = 100, after: Sequence[str] = ()
    ) -> list[StoredOutcome]:
        """Newest first; `after` is the `position` of the last outcome of the previous page."""
        conditions, values = _conditions(where)
        if after:
            beyond, cursor = _beyond(_POSITION, after, "<")
            conditions += beyond
            values |= cursor
        return self._select(conditions, values, order=_DESCENDING, limit=limit)

    def pages(
        self, where: OutcomeFilter, *, rows: int, besides: str = ""
    ) -> Iterator[StoredOutcomes]:
        """All outcomes in pages, by flow, object and key; those of the run `besides` are omitted.

        Outcomes that change meanwhile neither repeat nor hide another one.
        """
        after: Sequence[str] = ()
        while True:
            conditions, values = _conditions(where)
            if besides:
                conditions.append("run_id <> :besides")
                values["besides"] = besides
            if after:
                beyond, cursor = _beyond(_KEY, after)
                conditions += beyond
                values |= cursor
            page = self._select(conditions, values, order=_KEY, limit=rows)
            if page:
                yield page
            if len(page) < rows:
                return
            after = page[-1].identity

    def changed_since(self, after: datetime | None, *, rows: int) -> Iterator[StoredOutcomes]:
        """Outcomes that changed after that, in pages, in the order of their changes."""
        conditions, values = ["changed_at > :after"], {"after": stamp(after) if after else ""}
        while page := self._select(conditions, values, order=_POSITION, limit=rows):
            yield page
            if len(page) < rows:
                return
            conditions, values = _beyond(_POSITION, page[-1].position)

    def targets(self, where: OutcomeFilter) -> list[tuple[str, str, str, int]]:
        """(flow, object, operation, rows)."""
        conditions, values = _conditions(where)
        sql = (
            "SELECT flow, object, operation, count(*) FROM outcomes "  # noqa: S608
            f"WHERE {' AND '.join(conditions) or '1 = 1'} "
            "GROUP BY flow, object, operation ORDER BY flow, object, operation"
        )
        return [(f, o, kind, int(count)) for f, o, kind, count in self.database.rows(sql, **values)]

    def _select(
        self, conditions: Sequence[str], values: Mapping[str, Any], *, order: str, limit: int
    ) -> StoredOutcomes:
        sql = (
            f"SELECT {_COLUMNS} FROM outcomes WHERE {' AND '.join(conditions) or '1 = 1'} "  # noqa: S608
            f"ORDER BY {order} LIMIT :limit"
        )
        return [_outcome(row) for row in self.database.rows(sql, **values, limit=limit)]

    def written_values(self, flow: str, name: str) -> pa.RecordBatchReader:
        """Streams every value that the flow wrote: columns key, field, value, changed_at, text."""
        names = ("key", "field", "value", "changed_at")
        schema = pa.schema([pa.field(column, pa.string()) for column in names])
        return pa.RecordBatchReader.from_batches(
            schema,
            (
                pa.record_batch([pa.array(cells, pa.string()) for cells in columns], schema=schema)
                for columns in self._written_columns(flow, name)
            ),
        )

    def _written_columns(self, flow: str, name: str) -> Iterator[list[list[str | None]]]:
        order = "key, run_id, operation"
        select = (
            "SELECT key, run_id, operation, fields, changed_at FROM outcomes WHERE flow = :flow "
            "AND object = :object AND state = 'written'"
        )
        common = {"flow": flow, "object": name, "limit": _VALUES_AT_ONCE}
        conditions: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            where = "".join(f" AND {condition}" for condition in conditions)
            sql = f"{select}{where} ORDER BY flow, object, {order} LIMIT :limit"
            rows = self.database.rows(sql, **common, **cursor)
            cells = [
                (key, field, value, at)
                for key, _, _, fields, at in rows
                for field, value in json.loads(fields).items()
            ]
            yield [[row[place] for row in cells] for place in range(4)]
            if len(rows) < _VALUES_AT_ONCE:
                return
            conditions, cursor = _beyond(order, rows[-1][:3])

    def rejected(self, flow: str, name: str, operation: str) -> pa.Table:
        """The values that were sent and not written, and those they would have replaced.

        Columns key, field, value, before, changed_at, reason, all text; a deletion has one row with
        an empty field.
        """
        rows = self.database.rows(
            "SELECT key, fields, image_before, changed_at, code, reason FROM outcomes "
            "WHERE flow = :flow AND object = :object AND operation = :operation "
            "AND state IN ('rejected', 'missing')",
            flow=flow,
            object=name,
            operation=operation,
        )
        values = [
            (key, field, value, json.loads(before).get(field), at, f"{code}: {reason}".strip(": "))
            for key, fields, before, at, code, reason in rows
            for field, value in (json.loads(fields) or {"": None}).items()
        ]
        names = ("key", "field", "value", "before", "changed_at", "reason")
        return pa.table(
            {
                name: pa.array([row[place] for row in values], pa.string())
                for place, name in enumerate(names)
            }
        )

    def mark_undone(self, run_id: str, name: str, record_ids: Iterable[str]) -> None:
        sql = (
            "UPDATE outcomes SET state = 'undone', changed_at = :now WHERE run_id = :run_id "
            "AND object = :object AND record_id = :record_id AND state = 'written'"
        )
        with self.database.transaction() as transaction:
            common = {"now": _now(transaction), "run_id": run_id, "object": name}
            transaction.execute_many(sql, ({**common, "record_id": i} for i in record_ids))

    def prune(self, before: datetime) -> None:
        """Deletes outcomes that settled before then and that no undo, plan or retry needs."""
        with self.database.transaction() as transaction:
            transaction.execute(_PRUNE, before=stamp(before), push="push:%")

    def counts(self, where: OutcomeFilter) -> dict[str, int]:
        """Rows by state."""
        conditions, values = _conditions(where)
        sql = (
            f"SELECT state, count(*) FROM outcomes WHERE {' AND '.join(conditions) or '1 = 1'} "  # noqa: S608
            "GROUP BY state ORDER BY state"
        )
        return {str(state): int(count) for state, count in self.database.rows(sql, **values)}


@dataclass(frozen=True)
class OutcomeLog:
    """The `WriteLog` of one run of a flow."""

    database: Database
    flow: str
    run_id: str

    def send(self, batch: WriteBatch) -> None:
        with self.database.transaction() as transaction:
            self._send(transaction, batch, {})

    def record(self, batch: WriteBatch, outcomes: Sequence[RowOutcome]) -> None:
        """Stores outcomes of rows that were not sent."""
        unchanged = {o.key: o.record_id for o in outcomes if o.state == "unchanged"}
        with self.database.transaction() as transaction:
            self._send(transaction, batch, unchanged)
            _settle(transaction, batch.id, outcomes)

    def _send(
        self, transaction: Transaction, batch: WriteBatch, unchanged: Mapping[str, str]
    ) -> None:
        target = batch.target
        common = {
            "flow": self.flow,
            "object": target.object,
            "run_id": self.run_id,
            "operation": target.operation,
            "batch_id": batch.id,
            "changed_at": _now(transaction),
        }
        transaction.execute(
            "INSERT INTO write_batches (batch_id, flow, run_id, object, operation, key_field, "
            "by_job, job_id, sent_at) VALUES (:batch_id, :flow, :run_id, :object, :operation, "
            ":key_field, :by_job, '', :changed_at)",
            **{**common, "key_field": target.key, "by_job": int(batch.by_job)},
        )
        rows = ({**common, "state": IN_DOUBT, **row} for row in _rows(batch))
        transaction.execute_many(_PUT, rows)
        _supersede(transaction, common, unchanged)

    def start_job(self, batch_id: str, job_id: str) -> None:
        with self.database.transaction() as transaction:
            transaction.execute(
                "UPDATE write_batches SET job_id = :job_id WHERE batch_id = :batch_id",
                job_id=job_id,
                batch_id=batch_id,
            )

    def settle(self, batch_id: str, outcomes: Sequence[RowOutcome]) -> None:
        with self.database.transaction() as transaction:
            _settle(transaction, batch_id, outcomes)

    def unsettled(self) -> Iterator[WriteBatch]:
        batches = self.database.rows(
            "SELECT batch_id, object, operation, key_field, by_job, job_id FROM write_batches "
            "WHERE flow = :flow ORDER BY sent_at, batch_id",
            flow=self.flow,
        )
        for batch_id, name, operation, key_field, by_job, job_id in batches:
            target = WriteTarget(name, operation, key_field)
            rows = self._rows_of(batch_id, key_field)
            yield WriteBatch(target, rows, by_job=bool(by_job), job_id=job_id, id=batch_id)

    def _rows_of(self, batch_id: str, key_field: str) -> pa.Table:
        keys = self.database.rows(
            "SELECT key FROM outcomes WHERE batch_id = :batch_id ORDER BY key",
            batch_id=batch_id,
        )
        return pa.table({key_field: pa.array([key for (key,) in keys], pa.string())})


def _supersede(
    transaction: Transaction, common: Mapping[str, Any], unchanged: Mapping[str, str]
) -> None:
    """Removes the open outcomes that earlier runs left for a batch's rows; carries their attempts.

    Where an earlier answer was lost and the record has the values now (`unchanged`: Ids by key),
    the earlier run wrote them: its outcome becomes `written`, so that its undo restores them.
    """
    names = ("flow", "object", "operation", "run_id", "batch_id")
    where = {name: common[name] for name in names}
    for key, run_id, state, code, attempts in transaction.rows(_EARLIER, **where):
        of_run = {name: common[name] for name in names[:3]} | {"key": key, "earlier": run_id}
        if state == "retrying" and code == ANSWER_LOST and key in unchanged:
            changes = {"record_id": unchanged[key], "changed_at": common["changed_at"]}
            transaction.execute(_CONFIRM, **of_run, **changes)
        else:
            transaction.execute(_REMOVE, **of_run)
            carried = {"batch_id": common["batch_id"], "key": key, "attempts": attempts}
            transaction.execute(_CARRY, **carried)


def _rows(batch: WriteBatch) -> Iterator[dict[str, Any]]:
    key = batch.target.key
    before = batch.rows[BEFORE].to_pylist() if BEFORE in batch.rows.column_names else None
    for position, row in enumerate(batch.sent.to_pylist()):
        fields = {
            name: None if text == CLEAR else text
            for name, text in row.items()
            if text is not None and name != key
        }
        yield {
            "key": row[key],
            "fields": json.dumps(fields, ensure_ascii=False),
            "image_before": (before[position] if before else None) or "{}",
        }


def _settle(transaction: Transaction, batch_id: str, outcomes: Sequence[RowOutcome]) -> None:
    now = _now(transaction)
    transaction.execute_many(_SETTLE, (_settled(o, batch_id, now) for o in outcomes))
    transaction.execute("DELETE FROM write_batches WHERE batch_id = :batch_id", batch_id=batch_id)


def _settled(outcome: RowOutcome, batch_id: str, now: str) -> dict[str, Any]:
    return {
        "batch_id": batch_id,
        "key": outcome.key,
        "state": outcome.state,
        "changed_at": now,
        "record_id": outcome.record_id,
        "created": int(outcome.created),
        "code": outcome.code,
        "lost": ANSWER_LOST,
        "reason": outcome.reason,
    }


def _conditions(where: OutcomeFilter) -> tuple[list[str], dict[str, Any]]:
    values = {name: value for name, value in vars(where).items() if value not in ("", None)}
    if where.created is not None:
        values["created"] = int(where.created)
    is_open = values.pop("is_open", False)
    conditions = [f"{name} = :{name}" for name in values]
    if is_open:
        conditions.append(f"state IN ({', '.join(repr(state) for state in OPEN)})")
    return conditions, values


def _beyond(
    columns: str, position: Sequence[str], sign: str = ">"
) -> tuple[list[str], dict[str, str]]:
    """The condition of a keyset page."""
    names = [f"after_{number}" for number in range(len(position))]
    condition = f"({columns}) {sign} ({', '.join(f':{name}' for name in names)})"
    return [condition], dict(zip(names, position, strict=True))


def _now(transaction: Transaction) -> str:
    """Later than every outcome so far, whatever the clocks: writers take turns."""
    last = transaction.rows("SELECT max(changed_at) FROM outcomes")[0][0]
    now = datetime.now(UTC)
    return stamp(max(now, moment(last) + timedelta(microseconds=1)) if last else now)


def _outcome(row: Row) -> StoredOutcome:
    record = dict(zip(_COLUMNS.split(", "), row, strict=True))
    fields, before = json.loads(record["fields"]), json.loads(record["image_before"])
    times = {
        "changed_at": moment(record["changed_at"]),
        "created": bool(record["created"]),
    }
    return StoredOutcome(**record | {"fields": fields, "image_before": before} | times)
