"""Writes the bookkeeping, within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.events.envelope import Event
from seil.warehouse.bookkeeping import (
    BuildRow,
    BuiltVersion,
    FileLoad,
    FlowRunRow,
    KeyedChange,
    Position,
    SchemaChange,
)
from seil.warehouse.bookkeeping_tables import (
    BUILDS,
    LOADS,
    OUTBOX,
    POSITIONS,
    RUNS,
    SCHEMA_CHANGES,
    WAITING,
    table_schema,
)
from seil.warehouse.relational import changes
from seil.warehouse.relational.changed_keys import record_changed_keys
from seil.warehouse.relational.ledger import one_of, record_balance
from seil.warehouse.relational.outcomes import prune_outcomes, record_outcomes
from seil.warehouse.sql import Sql, compose, join, literal, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.lake.notices import NoticePlace
    from seil.warehouse.relational.database import RelationalDatabase


_SAME_CHANGE = ("table_name", "column_name", "change", "old_type", "new_type", "curated_key")


@dataclass(frozen=True)
class RelationalRecorder:
    database: RelationalDatabase

    def record_loads(self, loads: Sequence[FileLoad]) -> None:
        now = datetime.now(UTC)
        self._delete(LOADS, "curated_key", [load.curated_key for load in loads])
        self._append(LOADS, [_load_row(load, now) for load in loads])
        record_balance(self.database, {load.flow_run_id for load in loads})

    def record_runs(self, runs: Sequence[FlowRunRow]) -> None:
        self._replace(RUNS, ("object", "flow_run_id"), [asdict(run) for run in runs])
        record_balance(self.database, {run.flow_run_id for run in runs})

    def record_schema_changes(self, changes: Iterable[SchemaChange]) -> None:
        now = datetime.now(UTC)
        rows = []
        for change in changes:
            row = asdict(change)
            names = {"table_name": row.pop("table"), "column_name": row.pop("column")}
            rows.append({**names, **row, "changed_at": change.changed_at or now})
        # A decision has its own time, and may be repeated.
        decisions = [row for row in rows if row["changed_at"] != now]
        self._replace(SCHEMA_CHANGES, (*_SAME_CHANGE, "changed_at"), decisions)
        self._replace(SCHEMA_CHANGES, _SAME_CHANGE, [r for r in rows if r["changed_at"] == now])

    def record_positions(self, positions: Mapping[str, Position]) -> None:
        self._delete(POSITIONS, "object", positions)
        self._append(
            POSITIONS,
            [
                {"object": name, "list_from": position.begins, "all_at": position.all_at}
                for name, position in positions.items()
            ],
        )

    def record_waiting(self, waiting: Mapping[str, Collection[tuple[NoticePlace, str]]]) -> None:
        self._delete(WAITING, "object", waiting)
        self._append(
            WAITING,
            [
                {"object": name, "place": place, "key": key}
                for name, files in waiting.items()
                for place, key in sorted(files)
            ],
        )

    def record_builds(self, builds: Sequence[BuildRow]) -> None:
        self._replace(BUILDS, ("build_id", "table_name"), [_build_row(build) for build in builds])

    def record_built(
        self,
        built: Iterable[BuiltVersion],
        watched: Mapping[str, Mapping[TableName, Collection[str]]],
        *,
        models: Collection[str],
    ) -> None:
        changes.record_built(self.database, built, watched, models=models)

    def record_changed_keys(self, change: KeyedChange) -> None:
        record_changed_keys(self.database, change)

    def replace_events(self, events: Sequence[Event]) -> None:
        now = datetime.now(UTC)
        self.remove_events({event.id for event in events})
        self._append(
            OUTBOX,
            [{"event_id": e.id, "body": e.to_json(), "written_at": now} for e in events],
        )

    def remove_events(self, ids: Collection[str]) -> None:
        self._delete(OUTBOX, "event_id", ids)

    def record_outcomes(
        self, outcomes: pa.RecordBatchReader, *, before: datetime | None = None
    ) -> None:
        record_outcomes(self.database, outcomes)
        if before:
            prune_outcomes(self.database, before)

    def _replace(
        self, table: TableName, key: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Replaces rows with the same key: a repeated commit writes the same rows again."""
        if not rows:
            return
        delete = "DELETE FROM {table} WHERE ({columns}) IN (VALUES {keys})"
        self.database.execute(
            compose(
                delete,
                table=table,
                columns=join(", ", map(quote, key)),
                keys=join(", ", (_tuple([row[name] for name in key]) for row in rows)),
            )
        )
        self._append(table, rows)

    def _delete(self, table: TableName, column: str, values: Collection[str]) -> None:
        if values:
            delete = "DELETE FROM {table} WHERE {condition}"
            condition = one_of(column, values)
            self.database.execute(compose(delete, table=table, condition=condition))

    def _append(self, table: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            typed = pa.Table.from_pylist(list(rows), schema=table_schema(table))
            self.database.append(table, typed)


def _tuple(values: Sequence[str | datetime]) -> Sql:
    return compose("({values})", values=join(", ", map(_constant, values)))


def _constant(value: str | datetime) -> Sql:
    if isinstance(value, datetime):
        return compose("CAST({moment} AS TIMESTAMPTZ)", moment=value.isoformat())
    return literal(value)


def _load_row(load: FileLoad, now: datetime) -> dict[str, Any]:
    row = {**vars(load), **asdict(load.outcome), "loaded_at": now}
    del row["outcome"], row["table"], row["columns"]
    columns = asdict(load.columns) if load.columns else {}
    return {
        **row,
        **{f"columns_{name}": value for name, value in columns.items()},
        "table_name": str(load.table),
        "merged_rows": load.outcome.merged_rows,
    }


def _build_row(build: BuildRow) -> dict[str, Any]:
    row = dict(vars(build))
    loads = row.pop("loads")
    names = {"table_name": row.pop("table"), "row_count": row.pop("rows")}
    return {**row, **names, "loads": loads.files, "last_loaded_at": loads.last_loaded_at}
