"""Merges staged rows into a table, keeping the newest of each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE, MergeOutcome
from seil.warehouse.relational.merge_sql import RANKED, MergeSql, RowKey
from seil.warehouse.sql import compose

if TYPE_CHECKING:
    from seil.warehouse.merges import StagedFile
    from seil.warehouse.relational.change_log import ChangeLog
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName


def merge_rows(
    database: RelationalDatabase,
    table: TableName,
    files: Sequence[StagedFile],
    *,
    key: str,
    log: ChangeLog | None = None,
    every_version: bool = False,
) -> Mapping[str, MergeOutcome]:
    """Keeps, per key, the newest of the table's row and the files' rows. Raises StatementError if
    there is no such table.

    With `every_version`, key and systemmodstamp together identify a row.
    """
    existing = database.existing_columns(table)
    columns = pa.schema([field for field in existing if field.name not in (EXTRACTED_AT, FILE)])
    row_key = RowKey(key, every_version)
    outcomes: Mapping[int, MergeOutcome] = {}
    if not log and _is_empty(database, table):
        outcomes = database.append_new(table, files, columns, key=row_key)
    if not outcomes:
        with database.staged_rows(files, columns) as staged:
            identity = row_key.sql(database.forms, columns)
            sql = MergeSql(database.forms, table, staged, identity, columns)
            outcomes = _RowMerge(database, sql, "" if every_version else key).run(log)
    return {file.key: outcomes.get(n, MergeOutcome()) for n, file in enumerate(files)}


def _is_empty(database: RelationalDatabase, table: TableName) -> bool:
    return not database.query(compose("SELECT 1 FROM {table} LIMIT 1", table=table)).num_rows


def append_staged(
    database: RelationalDatabase,
    table: TableName,
    files: Sequence[StagedFile],
    columns: pa.Schema,
    *,
    key: RowKey,
) -> Mapping[int, MergeOutcome]:
    """`RelationalDatabase.append_new` where the files can be staged in place."""
    with database.staged_rows(files, columns) as staged:
        sql = MergeSql(database.forms, table, staged, key.sql(database.forms, columns), columns)
        outcomes = first_outcomes(database, sql)
        if outcomes:
            database.execute(sql.insert_winners(all_win=True))
    return outcomes


def first_outcomes(database: RelationalDatabase, sql: MergeSql) -> Mapping[int, MergeOutcome]:
    """Of rows that go into an empty table; {} if a key repeats. Ranking that many rows would take
    longer than reading them.
    """
    rows = database.query(sql.first_rows()).to_pylist()
    keys = {row.pop("_keys") for row in rows}
    outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
    return outcomes if keys == {sum(outcome.rows for outcome in outcomes.values())} else {}


@dataclass(frozen=True)
class _RowMerge:
    """Outcomes are by the file's number. `key` is empty where no column alone identifies a row."""

    database: RelationalDatabase
    sql: MergeSql
    key: str

    def run(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        execute = self.database.execute
        self.database.create_temporary(RANKED, self.sql.rank())
        rows = self.database.query(self.sql.outcomes()).to_pylist()
        replaced = sum(row.pop("_replaced") for row in rows)
        won = sum(row.pop("_won") for row in rows)
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if log and won:
            execute(self.sql.log_changes(log))
        all_win = won == sum(outcome.rows for outcome in outcomes.values())
        if replaced and self.key and self.database.forms.merges_rows:
            execute(self.sql.merge_winners(self.key))
        else:
            if replaced:
                execute(self.sql.delete_replaced())
            if won:
                execute(self.sql.insert_winners(all_win=all_win))
        self.database.drop_temporary(RANKED)
        return outcomes
