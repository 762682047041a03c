"""How SEIL's SQL says for Spark what engines write differently: in its own dialect, before
`seil.warehouse.spark.statements` translates it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.relational.chains import joined_winners
from seil.warehouse.sql import Sql, SqlName, compose
from seil.warehouse.types import sql_type

if TYPE_CHECKING:
    import pyarrow as pa


class SparkForms:
    """See `seil.warehouse.relational.forms.SqlForms`."""

    # One snapshot, and one pass over the table.
    merges_rows = True
    recursive = Sql("")

    def type_name(self, kind: pa.DataType) -> Sql:
        name = sql_type(kind)
        return Sql("VARCHAR" if name == "TIME" else name)

    def try_cast(self, value: Sql, kind: pa.DataType) -> Sql:
        return compose("TRY_CAST({value} AS {type})", value=value, type=self.type_name(kind))

    def by_bytes(self, text: Sql) -> Sql:
        return text

    def temporary(self, name: str) -> Sql:
        return compose("{name}", name=SqlName(name))

    def matches(self, value: Sql, pattern: str) -> Sql:
        return compose("regexp_matches({value}, {pattern})", value=value, pattern=pattern)

    def microseconds(self, moment: Sql) -> Sql:
        return compose("unix_micros({moment})", moment=moment)

    def last_winners(self) -> Sql:
        return joined_winners()
