"""Finds which rows leave a published table and which enter it, and writes their files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, NestedField, StringType

from seil.iceberg.data_files import write_positions, write_rows
from seil.iceberg.live_rows import FILE, POSITION, LiveRows
from seil.iceberg.schema import sql_type_of
from seil.warehouse.sql import Sql, SqlName, compose, join, quote

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from seil.iceberg.engine import EmbeddedEngine
    from seil.iceberg.source import ChangedRows, TableSource

# A delta of more rows is written faster as the whole table, and read faster (docs/iceberg.md).
_WHOLE_SHARE = 0.5

# DuckDB's hash of a row combines the 64 bits of each value's hash: two texts of the same hash make
# the same row, in whatever order. The second hash is therefore of other texts.
_HASHED = "SELECT {place}hash({columns}) AS h, hash({altered}) AS g FROM ({rows}) AS r"
_DIFFERING = """
    CREATE OR REPLACE TEMP TABLE seil_differing AS
    SELECT h, g, CAST(sum(entering) AS BIGINT) AS entering FROM (
        SELECT h, g, n AS entering, n FROM seil_new_hashes
        UNION ALL SELECT h, g, 0, -1 FROM seil_old_hashes
    ) AS hashes GROUP BY h, g HAVING sum(n) <> 0"""
_LEAVING = """
    CREATE OR REPLACE TEMP TABLE seil_leaving AS
    SELECT {file}, {pos} FROM seil_old_hashes AS o
    SEMI JOIN seil_differing AS d ON d.h = o.h AND d.g = o.g"""
_ENTERING = """
    CREATE OR REPLACE TEMP TABLE seil_entering AS SELECT r.* FROM ({rows}) AS r
    SEMI JOIN seil_differing AS d ON d.h = hash({columns}) AND d.g = hash({altered})"""
_BY_KEY = """
    CREATE OR REPLACE TEMP TABLE seil_leaving AS
    SELECT o.{file}, o.{pos} FROM ({rows}) AS o SEMI JOIN seil_keys AS k ON {same}"""
_POSITIONS = """
    SELECT p.file_path, l.{pos} AS pos FROM seil_leaving AS l JOIN seil_paths AS p
    ON p.{file} = l.{file}"""


@dataclass(frozen=True)
class WrittenRows:
    """`is_whole`: `added` are all rows of the table."""

    added: list[DataFile]
    deletes: list[DataFile]
    is_whole: bool = False

    @property
    def inserted(self) -> int:
        return sum(file.record_count for file in self.added)

    @property
    def deleted(self) -> int:
        return sum(file.record_count for file in self.deletes)


@dataclass(frozen=True)
class RowWriter:
    """Of one table; `schema` is the next one."""

    engine: EmbeddedEngine
    table: Table
    schema: Schema

    def whole(self, source: TableSource) -> WrittenRows:
        with source.rows() as reader, self._incoming(source.columns, reader) as rows:
            added = write_rows(self.engine, self.table, self.schema, rows)
            return WrittenRows(added, [], is_whole=True)

    def by_key(self, source: TableSource, changed: ChangedRows) -> WrittenRows | None:
        """None where so many rows changed that the whole table is cheaper."""
        live = LiveRows(self.table)
        keys = changed.keys()
        if keys.num_rows > _WHOLE_SHARE * _count(live):
            return None
        key = self._key_columns(keys.schema)
        with self.engine.rows("seil_keys_read", keys):
            select = self._cast(keys.schema, Sql("seil_keys_read"), key)
            self._run("CREATE OR REPLACE TEMP TABLE seil_keys AS {select}", select=select)
        keys = self.engine.run(Sql("FROM seil_keys")).to_arrow_table()
        same = join(" AND ", [_same(field.name) for field in key.fields])
        with live.relation(self.engine, key, keys=keys) as rows:
            self._run(_BY_KEY, rows=rows, same=same)
        with changed.rows() as reader, self._incoming(source.columns, reader) as incoming:
            added = write_rows(self.engine, self.table, self.schema, incoming)
        return WrittenRows(added, self._deletes(live))

    def compared(self, source: TableSource) -> WrittenRows:
        """Reads all rows of both."""
        live = LiveRows(self.table)
        columns = join(", ", [quote(field.name) for field in self.schema.fields])
        names = {
            "columns": columns,
            "altered": join(", ", map(_altered, reversed(self.schema.fields))),
        }
        place = Sql(f"{FILE}, {POSITION}, ")
        with live.relation(self.engine, self.schema) as rows:
            hashed = compose(_HASHED, **names, rows=rows, place=place)
            self._run("CREATE OR REPLACE TEMP TABLE seil_old_hashes AS {rows}", rows=hashed)
        with source.rows() as reader, self._incoming(source.columns, reader) as rows:
            hashed = compose(_HASHED, **names, rows=rows, place=Sql(""))
            counted = "SELECT h, g, CAST(count(*) AS BIGINT) AS n FROM ({rows}) AS r GROUP BY h, g"
            self._run(f"CREATE OR REPLACE TEMP TABLE seil_new_hashes AS {counted}", rows=hashed)
        self._run(_DIFFERING)
        self._run(_LEAVING)
        self._drop("seil_old_hashes", "seil_new_hashes")
        entering = self.engine.count(Sql("SELECT sum(entering) FROM seil_differing"))
        leaving = self.engine.count(Sql("SELECT count(*) FROM seil_leaving"))
        if max(entering, leaving) > _WHOLE_SHARE * _count(live):
            self._drop("seil_differing", "seil_leaving")
            return self.whole(source)
        added: list[DataFile] = []
        if entering:
            with source.rows() as reader, self._incoming(source.columns, reader) as rows:
                self._run(_ENTERING, **names, rows=rows)
            # On its own: beside a join, which holds its rows, the writer would run out of memory.
            self._drop("seil_differing")
            select = Sql("SELECT * FROM seil_entering")
            added = write_rows(self.engine, self.table, self.schema, select)
            self._drop("seil_entering")
        return WrittenRows(added, self._deletes(live))

    def _deletes(self, live: LiveRows) -> list[DataFile]:
        with self.engine.rows("seil_paths", live.paths()):
            select = compose(_POSITIONS, file=Sql(FILE), pos=Sql(POSITION))
            return write_positions(self.engine, self.table, select)

    @contextmanager
    def _incoming(self, columns: pa.Schema, reader: pa.RecordBatchReader) -> Iterator[Sql]:
        """A SELECT of a source's rows with the schema's columns and types."""
        with self.engine.rows("seil_new", reader):
            yield self._cast(columns, Sql("seil_new"), self.schema)

    def _cast(self, columns: pa.Schema, relation: Sql, schema: Schema) -> Sql:
        names = {name.lower(): name for name in columns.names}
        values = [
            compose(
                "CAST({name} AS {type}) AS {alias}",
                name=SqlName(names[field.name]),
                type=Sql(sql_type_of(field.field_type)),
                alias=SqlName(field.name),
            )
            for field in schema.fields
        ]
        return compose(
            "SELECT {values} FROM {relation}", values=join(", ", values), relation=relation
        )

    def _key_columns(self, keys: pa.Schema) -> Schema:
        return Schema(*(self.schema.find_field(name.lower()) for name in keys.names))

    def _drop(self, *tables: str) -> None:
        """Memory for what follows."""
        for table in tables:
            self._run("DROP TABLE {table}", table=SqlName(table))

    def _run(self, template: str, **parts: str) -> None:
        names = {"file": Sql(FILE), "pos": Sql(POSITION)}
        self.engine.run(compose(template, **names, **parts))


def _same(name: str) -> Sql:
    """Keys may be null."""
    return compose("o.{name} IS NOT DISTINCT FROM k.{name}", name=SqlName(name))


def _altered(field: NestedField) -> Sql:
    """Another value of what is hashed to fewer bits than it has; other hashes are bijective."""
    is_long = isinstance(field.field_type, StringType | DecimalType)
    return compose("concat({name}, '.')" if is_long else "{name}", name=SqlName(field.name))


def _count(live: LiveRows) -> int:
    deleted = sum(file.record_count for file in live.delete_files)
    return sum(file.record_count for file in live.files) - deleted
