"""Reads the bookkeeping."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.events.envelope import Event
from seil.warehouse.bookkeeping import (
    BuiltVersion,
    Change,
    ChangedKeys,
    LedgerRow,
    LoadTotals,
    Position,
    SchemaChange,
)
from seil.warehouse.bookkeeping_tables import LOADS, OUTBOX, OUTCOMES, RUNS
from seil.warehouse.relational import changes
from seil.warehouse.relational.changed_keys import changed_keys
from seil.warehouse.relational.ledger import (
    LAST_RUNS,
    flow_runs_of,
    has_ledger,
    ledger_rows,
    one_of,
    unbalanced_runs,
)
from seil.warehouse.sql import Sql, compose
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.lake.notices import NoticePlace
    from seil.warehouse.relational.database import RelationalDatabase

# With more values, all rows of their objects are read instead.
_MAX_VALUES = 2_000
_PROVISIONAL = """
SELECT DISTINCT table_name, column_name FROM seil.schema_changes AS c
WHERE provisional AND NOT EXISTS (
    SELECT 1 FROM seil.schema_changes AS later
    WHERE later.table_name = c.table_name AND later.column_name = c.column_name
    AND later.changed_at > c.changed_at AND NOT later.provisional)"""


@dataclass(frozen=True)
class RelationalBookkeeping:
    database: RelationalDatabase

    def ledger(
        self, *, objects: Collection[str] = (), flow_runs: Collection[str] = ()
    ) -> list[LedgerRow]:
        return ledger_rows(self.database, objects, flow_runs) if self._has_ledger else []

    def unbalanced_runs(self) -> frozenset[str]:
        return unbalanced_runs(self.database) if self._has_ledger else frozenset()

    def last_runs(self) -> frozenset[str]:
        return frozenset(str(row["flow_run_id"]) for row in self._rows(LAST_RUNS))

    def flow_runs(self, run_id: str) -> frozenset[str]:
        return flow_runs_of(self.database, run_id) if self._has_ledger else frozenset()

    def load_totals(self) -> LoadTotals:
        totals = self._rows("SELECT count(*) AS n, max(loaded_at) AS last FROM seil.loads")
        return LoadTotals(totals[0]["n"], totals[0]["last"]) if totals else LoadTotals()

    def files_by_object(self) -> Mapping[str, frozenset[str]]:
        return self._group("SELECT object, curated_key FROM seil.loads")

    def loaded_tables(self) -> frozenset[TableName]:
        rows = self._rows("SELECT DISTINCT table_name FROM seil.loads")
        return frozenset(changes.source_table(str(row["table_name"])) for row in rows)

    def loaded_files(
        self, keys: Collection[str], *, objects: Collection[str]
    ) -> Mapping[str, datetime]:
        which = _name_filter("curated_key", keys, objects)
        select = compose(
            "SELECT curated_key, curated_at FROM {loads} WHERE {which}",
            loads=LOADS,
            which=which,
        )
        rows = self._rows(select) if keys else []
        return {row["curated_key"]: row["curated_at"] for row in rows}

    def recorded_runs(
        self, flow_runs: Collection[str], *, objects: Collection[str]
    ) -> frozenset[str]:
        which = _name_filter("flow_run_id", flow_runs, objects)
        select = compose("SELECT flow_run_id FROM {runs} WHERE {which}", runs=RUNS, which=which)
        rows = self._rows(select) if flow_runs else []
        return frozenset(str(row["flow_run_id"]) for row in rows)

    def positions(self) -> Mapping[str, Position]:
        rows = self._rows("SELECT object, list_from, all_at FROM seil.positions")
        return {row["object"]: Position(row["list_from"], row["all_at"]) for row in rows}

    def waiting(self) -> Mapping[str, frozenset[tuple[NoticePlace, str]]]:
        files: dict[str, set[tuple[NoticePlace, str]]] = {}
        for row in self._rows("SELECT object, place, key FROM seil.waiting"):
            files.setdefault(row["object"], set()).add((row["place"], row["key"]))
        return {name: frozenset(keys) for name, keys in files.items()}

    def schema_changes(self, table: TableName) -> list[SchemaChange]:
        select = """
            SELECT column_name, change, old_type, new_type, curated_key, provisional, changed_at
            FROM seil.schema_changes WHERE table_name = {table} ORDER BY changed_at"""
        rows = self._rows(compose(select, table=str(table)))
        return [SchemaChange(str(table), row.pop("column_name"), **row) for row in rows]

    def provisional_columns(self) -> Mapping[str, frozenset[str]]:
        return self._group(_PROVISIONAL)

    def last_change(self) -> int:
        return changes.last_change(self.database)

    def changes(self) -> list[Change]:
        return changes.changes(self.database)

    def built_versions(self) -> Mapping[str, BuiltVersion]:
        return changes.built_versions(self.database)

    def changed_keys(
        self, table: TableName, key: Sequence[str], *, since: str, until: str
    ) -> ChangedKeys | None:
        return changed_keys(self.database, table, key, since=since, until=until)

    def built_tables(self) -> frozenset[str]:
        rows = self._rows("SELECT DISTINCT table_name FROM seil.builds WHERE state = 'built'")
        return frozenset(row["table_name"] for row in rows) & set(self.database.tables(""))

    def pending_events(self) -> list[Event]:
        if self.database.columns(OUTBOX) is None:
            return []
        rows = self._rows("SELECT body FROM seil.outbox ORDER BY written_at")
        return [Event.from_dict(json.loads(row["body"])) for row in rows]

    def last_outcome(self) -> datetime | None:
        if self.database.columns(OUTCOMES) is None:
            return None
        rows = self._rows("SELECT max(changed_at) AS last FROM seil.outcomes")
        return rows[0]["last"] if rows else None

    @property
    def _has_ledger(self) -> bool:
        return has_ledger(self.database)

    def _rows(self, select: str) -> list[dict[str, Any]]:
        return self.database.query(select).to_pylist() if self._has_ledger else []

    def _group(self, select: str) -> dict[str, frozenset[str]]:
        """The values of a SELECT's second column, by its first."""
        groups: dict[str, set[str]] = {}
        for row in self._rows(select):
            group, value = row.values()
            groups.setdefault(group, set()).add(value)
        return {group: frozenset(values) for group, values in groups.items()}


def _name_filter(column: str, values: Collection[str], objects: Collection[str]) -> Sql:
    is_many = len(values) > _MAX_VALUES
    return one_of("object", objects) if is_many and objects else one_of(column, values)
