"""Compares tables of two warehouses value by value, whichever engines serve them.

Both are streamed in the order of their keys, so that memory holds two batches, whatever the size of
the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from seil.warehouse.types import TEXT, stored_type, type_name

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableName

_MAX_SHOWN = 80


@dataclass(frozen=True)
class KeyedTable:
    """A table or view to compare. `key` are the columns that order and identify its rows; not
    `is_unique`: rows of one key are ordered by all other columns. `ignored` columns may differ.
    """

    table: TableName
    key: tuple[str, ...]
    is_unique: bool = True
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Difference:
    """The first difference of a table by the order of its key. `key` has the row's key as text,
    empty where the columns differ; `column` is empty where one warehouse lacks the row.
    """

    table: TableName
    column: str
    one: str
    other: str
    key: Mapping[str, str] = field(default_factory=dict)

    def describe(self, one: str, other: str) -> str:
        """With a name for each warehouse."""
        key = ", ".join(f"{name} = {value}" for name, value in self.key.items())
        row = f" where {key}" if key else ""
        column = f", column {self.column}" if self.column else ""
        return f"{self.table}{row}{column}: {one} has {self.one}, {other} has {self.other}"


@dataclass(frozen=True)
class ComparedTable:
    """`rows` are those that were equal before the difference, if there is one."""

    table: TableName
    rows: int
    difference: Difference | None = None


def compare_tables(
    one: Warehouse,
    other: Warehouse,
    tables: Iterable[KeyedTable],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[ComparedTable]:
    """Yields each table's result; `advance` is called with each number of rows found equal."""
    for table in tables:
        yield _compare(one, other, table, advance)


def _compare(
    one: Warehouse, other: Warehouse, keyed: KeyedTable, advance: Callable[[int], None]
) -> ComparedTable:
    table = keyed.table
    columns, others = one.columns(table), other.columns(table)
    if columns is None or others is None:
        if columns is others:
            return ComparedTable(table, 0)
        missing = Difference(table, "", _presence(columns), _presence(others))
        return ComparedTable(table, 0, missing)
    if difference := _column_difference(keyed, columns, others):
        return ComparedTable(table, 0, difference)
    names = [name for name in columns.names if name not in keyed.ignored]
    order = keyed.key if keyed.is_unique else _all_of(keyed.key, names)
    schema = pa.schema([columns.field(name) for name in names])
    keeps_nul = one.traits.keeps_nul and other.traits.keeps_nul
    rows = 0
    with (
        one.sorted_rows(table, names, order=order) as first,
        other.sorted_rows(table, names, order=order) as second,
    ):
        for rows_of_one, rows_of_other in _aligned(first, second, schema):
            batch, counterpart = rows_of_one, rows_of_other
            if not keeps_nul and not batch.equals(counterpart):
                batch, counterpart = _without_nul(batch), _without_nul(counterpart)
            equal = _equal_rows(batch, counterpart)
            rows += equal
            advance(equal)
            if equal < max(batch.num_rows, counterpart.num_rows):
                return ComparedTable(
                    table, rows, _row_difference(keyed, batch[equal:], counterpart[equal:])
                )
    return ComparedTable(table, rows)


def _presence(columns: pa.Schema | None) -> str:
    return "no such table" if columns is None else "a table"


def _all_of(key: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    return (*key, *sorted(name for name in names if name not in key))


def _column_difference(keyed: KeyedTable, one: pa.Schema, other: pa.Schema) -> Difference | None:
    for name in dict.fromkeys((*one.names, *other.names)):
        kind, counterpart = _type_in(one, name), _type_in(other, name)
        if name not in keyed.ignored and kind != counterpart:
            return Difference(keyed.table, name, kind, counterpart)
    return None


def _type_in(columns: pa.Schema, name: str) -> str:
    if name not in columns.names:
        return "no such column"
    kind = columns.field(name).type
    return type_name(stored_type(kind) or kind)


def _aligned(
    one: pa.RecordBatchReader, other: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Slices of the same rows of both; an empty one beside what only the other has."""
    empty = pa.RecordBatch.from_pylist([], schema=schema)
    sides = [_Rest(reader, schema, empty) for reader in (one, other)]
    while True:
        first, second = (side.peek() for side in sides)
        if not first.num_rows or not second.num_rows:
            if first.num_rows or second.num_rows:
                yield first, second
            return
        length = min(first.num_rows, second.num_rows)
        yield sides[0].take(length), sides[1].take(length)


class _Rest:
    """What remains of a reader's batches."""

    def __init__(
        self, reader: pa.RecordBatchReader, schema: pa.Schema, empty: pa.RecordBatch
    ) -> None:
        self._reader, self._schema, self._empty = reader, schema, empty
        self._batch = empty

    def peek(self) -> pa.RecordBatch:
        """The next rows, none at the end."""
        while not self._batch.num_rows:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                return self._empty
            columns = [
                array if array.type == field.type else _as_type(array, field.type)
                for array, field in zip(batch.columns, self._schema, strict=True)
            ]
            self._batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        return self._batch

    def take(self, length: int) -> pa.RecordBatch:
        rows, self._batch = self._batch[:length], self._batch[length:]
        return rows


def _as_type(array: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    """An engine without times of day stores and streams them as text, which Arrow cannot cast."""
    if pa.types.is_time(kind) and pa.types.is_string(array.type):
        moments = [None if text is None else f"1970-01-01 {text}" for text in array.to_pylist()]
        return pa.array(moments, pa.string()).cast(pa.timestamp("us")).cast(kind)
    return array.cast(kind)


def _without_nul(rows: pa.RecordBatch) -> pa.RecordBatch:
    """As an engine stores texts that cannot hold it."""
    columns = [
        pc.replace_substring(array, "\0", "\ufffd") if array.type == TEXT else array
        for array in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def _equal_rows(one: pa.RecordBatch, other: pa.RecordBatch) -> int:
    """How many rows from the first on are equal."""
    length = min(one.num_rows, other.num_rows)
    if length == one.num_rows == other.num_rows and one.equals(other):
        return length
    for array, counterpart in zip(one.columns, other.columns, strict=True):
        unequal = pc.index(_differs(array[:length], counterpart[:length]), value=True).as_py()
        length = unequal if unequal >= 0 else length
    return length


def _differs(one: pa.Array[Any], other: pa.Array[Any]) -> pa.Array[Any]:
    """Nulls are equal, and so are NaNs."""
    differs = _filled(pc.not_equal(one, other))
    if pa.types.is_floating(one.type):
        both_nan = pc.and_(_filled(pc.is_nan(one)), _filled(pc.is_nan(other)))
        differs = pc.and_not(differs, both_nan)
    unequal: pa.Array[Any] = pc.or_(differs, pc.xor(one.is_null(), other.is_null()))
    return unequal


def _filled(flags: pa.Array[Any]) -> pa.Array[Any]:
    filled: pa.Array[Any] = flags.fill_null(fill_value=False)
    return filled


def _row_difference(keyed: KeyedTable, one: pa.RecordBatch, other: pa.RecordBatch) -> Difference:
    """Between the first rows; an empty batch is the end of a table."""
    sides = [batch[:1].to_pylist() for batch in (one, other)]
    keys = [[_rank(row[name]) for name in keyed.key] for rows in sides for row in rows[:1]]
    if not sides[1] or (sides[0] and keys[0] < keys[1]):
        row = sides[0][0]
        return Difference(keyed.table, "", "a row", "no row", key=_key_of(keyed, row))
    if not sides[0] or keys[1] < keys[0]:
        row = sides[1][0]
        return Difference(keyed.table, "", "no row", "a row", key=_key_of(keyed, row))
    (row,), (counterpart,) = sides
    column = next(
        name
        for name in one.schema.names
        if _equal_rows(one.select([name])[:1], other.select([name])[:1]) == 0
    )
    return Difference(
        keyed.table,
        column,
        _text(row[column]),
        _text(counterpart[column]),
        key=_key_of(keyed, row),
    )


def _key_of(keyed: KeyedTable, row: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(row[name]) for name in keyed.key}


def _rank(value: Any) -> tuple[bool, Any]:
    """Compares as the rows are ordered."""
    return (value is not None, value.encode() if isinstance(value, str) else value)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.isoformat()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}... ({len(text):,} characters)"
