"""A table of TechOne's warehouse as batches see it: what to read, what to send."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seil.errors import ConfigurationError, Problem, UnexpectedAnswerError
from seil.salesforce.ids import full_id
from seil.settings import BillingTableSettings, SfToT1Settings
from seil.sf_to_t1.csv_file import CsvRow
from seil.sf_to_t1.rows import TableCount, csv_line, projected, row_hash
from seil.state.billing import BillingBatch
from seil.techone.envelope import WarehouseTable
from seil.techone.warehouse import ReadRows, TechOneWarehouse
from seil.techone.wire import SERVICE

# More values of `read_by` in a batch than this, and the whole table is read instead.
_MOST_VALUES = 20
# Batches that share a read of the whole table before them.
_WINDOW = 20


@dataclass(frozen=True)
class TargetTable:
    settings: BillingTableSettings

    @property
    def name(self) -> WarehouseTable:
        return WarehouseTable(self.settings.warehouse, self.settings.table)

    @property
    def place(self) -> str:
        return str(self.name)

    @property
    def is_exact(self) -> bool:
        """Whether a batch's own rows can be read."""
        return bool(self.settings.batch_column)

    @property
    def window(self) -> int:
        """How many batches are planned together, after one read of the table."""
        return 1 if self.settings.read_by else _WINDOW

    def columns(self, file_columns: Sequence[str]) -> list[str]:
        """Of an import."""
        own = self.settings.batch_column
        return [*file_columns, *([own] if own else [])]

    def lines(self, batch: BillingBatch, rows: Iterable[CsvRow]) -> list[str]:
        """The batch's rows that are still to be sent, as CSV."""
        own = [batch_name(batch)] if self.is_exact else []
        unsent = Counter(batch.hashes)
        lines = []
        for row in rows:
            if unsent[identity := row_hash(row.values)] > 0:
                unsent[identity] -= 1
                lines.append(csv_line([*row.values, *own]))
        return lines

    def criteria(
        self, batch: BillingBatch, columns: Sequence[str], rows: Sequence[CsvRow]
    ) -> tuple[tuple[str, str], ...]:
        """Columns and values by which the table is read for the batch; none for a whole read."""
        if self.is_exact:
            return ((self.settings.batch_column, batch_name(batch)),)
        if not (name := self.settings.read_by):
            return ()
        at = [column.casefold() for column in columns].index(name.casefold())
        values = dict.fromkeys(row.values[at] for row in rows)
        if len(values) > _MOST_VALUES or not all(values):
            return ()
        return tuple((name, value) for value in values)

    def count(
        self, techone: TechOneWarehouse, columns: Sequence[str], batches: Sequence[BillingBatch]
    ) -> TableCount:
        """Reads the table, or the part of it that the batches' criteria name.

        Raises LookupError for a column that it does not have.
        """
        watched = frozenset().union(*(batch.hashes for batch in batches))
        total = TableCount(watched)
        for criteria in _reads(batches):
            count = techone.read(self.name, criteria, _counting(columns, watched))
            total.total += count.total
            total.rows.update(count.rows)
        return total


def _reads(batches: Sequence[BillingBatch]) -> Sequence[Mapping[str, str]]:
    if not all(batch.criteria for batch in batches):
        return [{}]
    pairs = dict.fromkeys(pair for batch in batches for pair in batch.criteria)
    return [{column: value} for column, value in pairs]


def _counting(columns: Sequence[str], watched: frozenset[str]) -> ReadRows[TableCount]:
    def consume(table_columns: Sequence[str], rows: Iterator[list[str]]) -> TableCount:
        count = TableCount(watched)
        try:
            for values in projected(table_columns, rows, columns):
                count.add(values)
        except IndexError as error:
            reason = "a row has fewer values than the table has columns"
            raise UnexpectedAnswerError(SERVICE, reason) from error
        return count

    return consume


def batch_name(batch: BillingBatch) -> str:
    """What batch_column holds: the same at each attempt, at most 30 characters."""
    short = full_id(batch.file_id) or hashlib.sha256(batch.file_id.encode()).hexdigest()[:20]
    return f"{short}-{batch.number:05d}"


def is_read_by_name(batch: BillingBatch) -> bool:
    """Whether its criteria name its own rows only."""
    return any(value == batch_name(batch) for _, value in batch.criteria)


def target_tables(settings: SfToT1Settings) -> dict[str, TargetTable]:
    """By place; the default table first."""
    tables = [TargetTable(settings), *map(TargetTable, settings.tables.values())]
    return {table.place: table for table in reversed(tables)}


def target_table(settings: SfToT1Settings, name: str = "") -> TargetTable:
    """By its name in [sf_to_t1.tables]; the default one where it is empty."""
    if not name:
        return TargetTable(settings)
    if name in settings.tables:
        return TargetTable(settings.tables[name])
    names = ", ".join(sorted(settings.tables)) or "there are none"
    problem = Problem(f"table {name!r}", "is not in [sf_to_t1.tables]", f"known: {names}")
    raise ConfigurationError([problem])
