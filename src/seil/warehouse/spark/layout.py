"""How a table's rows lie in its files: hidden partitions, sort order, size of files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.warehouse.spark.columns import name_of

if TYPE_CHECKING:
    from seil.settings import SparkSettings
    from seil.warehouse.tables import TableName

_FIELD = re.compile(r"(?:(\w+)\((?:(\d+), *)?)?(\w+)\)?(?: +(asc|desc))?")


@dataclass(frozen=True)
class TableLayout:
    """Fields in Spark's words: `region`, `months(day)`, `bucket(16, id)`, `day desc` in `order`."""

    partitions: Sequence[str] = ()
    order: Sequence[str] = ()

    def of_columns(self, columns: Collection[str]) -> TableLayout:
        """What of it these columns allow."""
        return TableLayout(
            [field for field in self.partitions if _column(field) in columns],
            [field for field in self.order if _column(field) in columns],
        )

    def partition_clause(self) -> str:
        fields = ", ".join(map(quoted, self.partitions))
        return f"PARTITIONED BY ({fields})" if fields else ""

    def order_clause(self) -> str:
        """Of ALTER TABLE. Within partitions no further shuffle is needed."""
        fields = ", ".join(map(quoted, self.order))
        if not fields:
            return "WRITE DISTRIBUTED BY PARTITION" if self.partitions else "WRITE UNORDERED"
        if self.partitions:
            return f"WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY {fields}"
        return f"WRITE ORDERED BY {fields}"


@dataclass(frozen=True)
class TableLayouts:
    """By the tables' names, as in settings; `file_bytes` for all."""

    partitions: Mapping[str, str]
    orders: Mapping[str, str]
    file_bytes: int

    @classmethod
    def of(cls, settings: SparkSettings) -> TableLayouts:
        return cls(settings.partition_by, settings.sort_by, settings.file_mb * 2**20)

    def layout(self, table: TableName, existing: TableLayout) -> TableLayout:
        """`existing` counts where the settings say nothing."""
        name = str(table)
        partitions, order = self.partitions.get(name), self.orders.get(name)
        return TableLayout(
            existing.partitions if partitions is None else fields_of(partitions),
            existing.order if order is None else fields_of(order),
        )


def fields_of(text: str) -> list[str]:
    """Split at the commas that are not within parentheses, in one spelling."""
    parts = (part.strip().lower() for part in re.split(r",(?![^(]*\))", text))
    return [_spelled(part) for part in parts if part]


def field_of(transform: str, column: str) -> str:
    """A partition field from Iceberg's name of its transform: `month`, `bucket[16]`."""
    name, _, number = transform.removesuffix("]").partition("[")
    if name == "identity":
        return column
    return f"{name}({number}, {column})" if number else f"{name}s({column})"


def quoted(field: str) -> str:
    """As an expression in Spark's dialect."""
    function, number, column, direction = _parts(field)
    value = str(name_of(column))
    if function:
        value = f"{function}({number}, {value})" if number else f"{function}({value})"
    return f"{value} {direction}" if direction else value


def _spelled(field: str) -> str:
    function, number, column, direction = _parts(field)
    if function:
        return f"{function}({number}, {column})" if number else f"{function}({column})"
    return f"{column} desc" if direction == "desc" else column


def _column(field: str) -> str:
    return _parts(field)[2]


def _parts(field: str) -> tuple[str, str, str, str]:
    match = _FIELD.fullmatch(field)
    if match is None:
        raise ValueError(field)
    function, number, column, direction = match.groups(default="")
    return function, number, column, direction
