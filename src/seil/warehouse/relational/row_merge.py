"""Merges staged rows into a table, keeping the newest of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE, MergeOutcome
from seil.warehouse.relational.merge_sql import RANKED, MergeSql, version_key
from seil.warehouse.sql import Sql, compose, quote

if TYPE_CHECKING:
    from seil.warehouse.relational.change_log import ChangeLog
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName


def merged_columns(database: RelationalDatabase, table: TableName) -> pa.Schema:
    """The columns that files fill. Raises StatementError if there is no such table."""
    existing = database.existing_columns(table)
    return pa.schema([field for field in existing if field.name not in (EXTRACTED_AT, FILE)])


class RowMerge:
    """Of the rows of the SELECT `staged`: see `seil.warehouse.relational.merge_sql`.

    Outcomes are by the file's number.
    """

    def __init__(
        self,
        database: RelationalDatabase,
        table: TableName,
        staged: Sql,
        columns: pa.Schema,
        *,
        key: str,
        every_version: bool,
    ) -> None:
        identity = version_key(database.forms, key, columns) if every_version else quote(key)
        self._database = database
        self._table = table
        self._sql = MergeSql(database.forms, table, staged, identity, columns)

    def run(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        outcomes = {} if log else self._into_empty()
        return outcomes or self._by_version(log)

    def _into_empty(self) -> dict[int, MergeOutcome]:
        """Inserts the rows into an empty table if no key repeats; otherwise does nothing and
        returns {}. Ranking that many rows would take longer than reading them.
        """
        query, execute = self._database.query, self._database.execute
        if query(compose("SELECT 1 FROM {table} LIMIT 1", table=self._table)).num_rows:
            return {}
        rows = query(self._sql.first_rows()).to_pylist()
        keys = {row.pop("_keys") for row in rows}
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if keys != {sum(outcome.rows for outcome in outcomes.values())}:
            return {}
        execute(self._sql.insert_winners(all_win=True))
        return outcomes

    def _by_version(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        execute = self._database.execute
        self._database.create_temporary(RANKED, self._sql.rank())
        rows = self._database.query(self._sql.outcomes()).to_pylist()
        replaced = sum(row.pop("_replaced") for row in rows)
        won = sum(row.pop("_won") for row in rows)
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if log and won:
            execute(self._sql.log_changes(log))
        if replaced:
            execute(self._sql.delete_replaced())
        if won:
            all_win = won == sum(outcome.rows for outcome in outcomes.values())
            execute(self._sql.insert_winners(all_win=all_win))
        self._database.drop_temporary(RANKED)
        return outcomes
