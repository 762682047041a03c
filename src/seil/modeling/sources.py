"""The tables that models read but do not build, as their loader describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SourceColumn:
    """`label` is the column's name in the source system."""

    type: pa.DataType
    label: str


@dataclass(frozen=True)
class Source:
    """A table in a schema of its own. `key` is the column that identifies a row.

    `label` is its name in the source system, `aliases` are other names for people, `landing` is the
    folder its values arrive in. `describe` returns the columns by lower-case name; it is called
    once, on first use.
    """

    table: TableName
    key: str
    label: str
    aliases: tuple[str, ...] = ()
    landing: str = ""
    describe: Callable[[], Mapping[str, SourceColumn]] = field(default=dict, repr=False)

    @cached_property
    def columns(self) -> Mapping[str, SourceColumn]:
        return self.describe()


Sources = Mapping[TableName, Source]
