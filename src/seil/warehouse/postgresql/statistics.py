"""The planner's statistics: kept up to date by each transaction that changes much of a table.

Autovacuum would come a minute later, and a build right after the first load would be planned as for
empty tables: https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS

They are rough ones, of 3,000 rows: those of 30,000, the default, take longer than loading the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.sql import Sql, compose, join, literal
from seil.warehouse.tables import SCHEMAS

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

ROUGH = "SET default_statistics_target = 10"
# As autovacuum has it by default.
_LEAST_ROWS, _SHARE = 50, 0.1
_CHANGED = """
SELECT format('%I.%I', s.schemaname, s.relname) AS place, c.reltuples AS rows,
       (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       s.n_tup_ins + s.n_tup_upd + s.n_tup_del AS changes
FROM pg_stat_xact_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
WHERE s.schemaname IN ({schemas}) AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > {least}"""


class Statistics:
    """`refresh` at the end of a transaction's part, `forget` after its end."""

    def __init__(self, database: RelationalDatabase, schema: str) -> None:
        """`schema` is the default one."""
        self._database = database
        self._schemas = join(", ", map(literal, sorted({*SCHEMAS, schema})))
        self._seen: dict[str, int] = {}

    def forget(self) -> None:
        self._seen.clear()

    def refresh(self) -> None:
        """A table that somebody vacuums is left out: that analyses it as well, or waits for us."""
        # Otherwise the next transaction may begin with the counts of this one.
        self._database.execute("SELECT pg_stat_force_next_flush()")
        select = compose(_CHANGED, schemas=self._schemas, least=_LEAST_ROWS)
        changed = self._database.query(select)
        for row in changed.to_pylist():
            place, changes = str(row["place"]), int(row["changes"])
            fresh = changes - self._seen.get(place, 0)
            if fresh > _LEAST_ROWS + _SHARE * max(row["rows"], 0):
                # Columns that are named leave the table due for autovacuum's own statistics.
                table = Sql(f"{place} ({row['columns']})")
                self._database.execute(compose("ANALYZE (SKIP_LOCKED) {table}", table=table))
                self._seen[place] = changes
