"""How DuckDB writes what engines write differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.relational.chains import recursive_winners
from seil.warehouse.sql import Sql, SqlName, compose
from seil.warehouse.types import sql_type

if TYPE_CHECKING:
    import pyarrow as pa


class DuckDBForms:
    """See `seil.warehouse.relational.forms.SqlForms`."""

    merges_rows = False
    recursive = Sql("RECURSIVE")

    def type_name(self, kind: pa.DataType) -> Sql:
        return Sql(sql_type(kind))

    def try_cast(self, value: Sql, kind: pa.DataType) -> Sql:
        return compose("TRY_CAST({value} AS {type})", value=value, type=self.type_name(kind))

    def by_bytes(self, text: Sql) -> Sql:
        return text

    def temporary(self, name: str) -> Sql:
        return compose("temp.main.{name}", name=SqlName(name))

    def matches(self, value: Sql, pattern: str) -> Sql:
        return compose("regexp_matches({value}, {pattern})", value=value, pattern=pattern)

    def microseconds(self, moment: Sql) -> Sql:
        return compose("epoch_us({moment})", moment=moment)

    def last_winners(self) -> Sql:
        return recursive_winners()
