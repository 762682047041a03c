"""Merges staged rows into a table, keeping the newest of each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE, MergeOutcome
from seil.warehouse.relational.merge_sql import RANKED, MergeSql, version_key
from seil.warehouse.sql import compose, quote

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
    with database.staged_rows(files, columns) as staged:
        identity = version_key(database.forms, key, columns) if every_version else quote(key)
        sql = MergeSql(database.forms, table, staged, identity, columns)
        outcomes = _RowMerge(database, sql).run(log)
    return {file.key: outcomes.get(n, MergeOutcome()) for n, file in enumerate(files)}


@dataclass(frozen=True)
class _RowMerge:
    """Outcomes are by the file's number."""

    database: RelationalDatabase
    sql: MergeSql

    def run(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        outcomes = {} if log else self._into_empty()
        return outcomes or self._by_version(log)

    def _into_empty(self) -> dict[int, MergeOutcome]:
        """Inserts the rows into an empty table if no key repeats; otherwise does nothing and
        returns {}. Ranking that many rows would take longer than reading them.
        """
        query, execute = self.database.query, self.database.execute
        if query(compose("SELECT 1 FROM {table} LIMIT 1", table=self.sql.target)).num_rows:
            return {}
        rows = query(self.sql.first_rows()).to_pylist()
        keys = {row.pop("_keys") for row in rows}
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if keys != {sum(outcome.rows for outcome in outcomes.values())}:
            return {}
        execute(self.sql.insert_winners(all_win=True))
        return outcomes

    def _by_version(self, log: ChangeLog | None) -> dict[int, MergeOutcome]:
        execute = self.database.execute
        self.database.create_temporary(RANKED, self.sql.rank())
        rows = self.database.query(self.sql.outcomes()).to_pylist()
        replaced = sum(row.pop("_replaced") for row in rows)
        won = sum(row.pop("_won") for row in rows)
        outcomes = {row.pop("_seil_file"): MergeOutcome(**row) for row in rows}
        if log and won:
            execute(self.sql.log_changes(log))
        if replaced:
            execute(self.sql.delete_replaced())
        if won:
            all_win = won == sum(outcome.rows for outcome in outcomes.values())
            execute(self.sql.insert_winners(all_win=all_win))
        self.database.drop_temporary(RANKED)
        return outcomes
