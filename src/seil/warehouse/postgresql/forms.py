"""How PostgreSQL writes what engines write differently."""

from __future__ import annotations

import pyarrow as pa

from seil.warehouse.relational.chains import recursive_winners
from seil.warehouse.sql import Sql, SqlName, compose
from seil.warehouse.types import TEXT, TIMESTAMP, sql_type

LOCAL_TIMESTAMP = pa.timestamp("us")
"""Of a cast in a model: files have none."""

_TRY = {pa.bool_(): "try_boolean", TIMESTAMP: "try_timestamptz"}

# A cast that fails ends the whole statement, and pg_input_is_valid came with version 16. The
# overloads for the type itself are inlined.
FUNCTIONS = """
CREATE OR REPLACE FUNCTION seil.try_boolean(boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1';
CREATE OR REPLACE FUNCTION seil.try_boolean(text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS
    'BEGIN RETURN CAST($1 AS boolean); EXCEPTION WHEN data_exception THEN RETURN NULL; END';
CREATE OR REPLACE FUNCTION seil.try_boolean(bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1 <> 0';
CREATE OR REPLACE FUNCTION seil.try_timestamptz(timestamptz) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1';
CREATE OR REPLACE FUNCTION seil.try_timestamptz(text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS
    'BEGIN RETURN CAST($1 AS timestamptz); EXCEPTION WHEN data_exception THEN RETURN NULL; END';
CREATE OR REPLACE FUNCTION seil.try_timestamptz(date) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT CAST($1 AS timestamptz)';
CREATE OR REPLACE FUNCTION seil.try_timestamptz(bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT CAST(NULL AS timestamptz)'
"""


class PostgresForms:
    """See `seil.warehouse.relational.forms.SqlForms`."""

    merges_rows = False
    recursive = Sql("RECURSIVE")

    def type_name(self, kind: pa.DataType) -> Sql:
        if kind == LOCAL_TIMESTAMP:
            return Sql("TIMESTAMP")
        name = sql_type(kind)
        return Sql("DOUBLE PRECISION" if name == "DOUBLE" else name)

    def column_type(self, kind: pa.DataType) -> Sql:
        """Texts are ordered by their bytes, as in every engine."""
        return Sql('TEXT COLLATE "C"') if kind == TEXT else self.type_name(kind)

    def try_cast(self, value: Sql, kind: pa.DataType) -> Sql:
        return compose("seil.{function}({value})", function=Sql(_TRY[kind]), value=value)

    def by_bytes(self, text: Sql) -> Sql:
        return compose('{text} COLLATE "C"', text=text)

    def temporary(self, name: str) -> Sql:
        return compose("pg_temp.{name}", name=SqlName(name))

    def matches(self, value: Sql, pattern: str) -> Sql:
        return compose("{value} ~ {pattern}", value=value, pattern=pattern)

    def microseconds(self, moment: Sql) -> Sql:
        return compose("CAST(extract(epoch FROM {moment}) * 1000000 AS BIGINT)", moment=moment)

    def last_winners(self) -> Sql:
        return recursive_winners()
