"""Schema drift: how a current-record table changes to take in new files.

| in the table | in the file | what happens |
|---|---|---|
| no such column | any | the column is added |
| any | no such column | its values stay as last read; null in new records |
| narrower | wider | the column is widened: bigint, decimal; date, timestamp; bigint, double |
| wider | narrower | the file's values are widened |
| text | any | the file's values become text (*) |
| not text | text | its values are cast to the column's type; if one does not fit, it is left out |
| not text | another kind | the file is left out |

(*) A provisional column, text only because nothing described it, is narrowed to the new type
instead, where every value in it fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.errors import FileRejectedError
from seil.sf_to_dw.load.files import CuratedFile
from seil.warehouse.bookkeeping import SchemaChange
from seil.warehouse.types import TEXT, common_type, stored_type, type_name

if TYPE_CHECKING:
    from seil.warehouse.merges import StagedFile
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableName


@dataclass
class _PlannedColumn:
    """A column's new state. `texts` are the table and files that hold it as text; `since` is the
    key of the file that set its type.
    """

    type: pa.DataType
    provisional: bool
    since: str = ""
    texts: list[TableName | StagedFile] = field(default_factory=list)


@dataclass
class ColumnPlan:
    """The table's columns once every accepted file is merged.

    `current` are its columns now, None while there is no table; `provisional` those that are text
    only because nothing described them; `as_text` those that may become text by a decision.
    """

    warehouse: Warehouse
    table: TableName
    current: pa.Schema | None
    provisional: Collection[str] = ()
    as_text: Collection[str] = ()

    def __post_init__(self) -> None:
        self._columns: dict[str, _PlannedColumn] = {}
        for column in self.current or ():
            planned = _PlannedColumn(column.type, column.name in self.provisional)
            if column.type == TEXT:
                planned.texts.append(self.table)
            self._columns[column.name] = planned

    def accept(self, file: CuratedFile) -> None:
        """Adds a file to the plan. Raises FileRejectedError, and then the plan is unchanged."""
        changed = {name: self._plan_column(file, name) for name in file.columns}
        for name, planned in changed.items():
            if stored_type(file.columns[name].type) == TEXT:
                planned.texts.append(file.staged)
            self._columns[name] = planned

    @property
    def columns(self) -> pa.Schema:
        return pa.schema([pa.field(name, planned.type) for name, planned in self._columns.items()])

    def changes(self) -> list[SchemaChange]:
        """In the table's order. Of a new table its provisional columns, for the next load."""
        types: Mapping[str, pa.DataType] = {c.name: c.type for c in self.current or ()}
        is_new = self.current is None
        return [
            SchemaChange(
                table=str(self.table),
                column=name,
                change="new-type" if name in types else "new-column",
                old_type=type_name(types[name]) if name in types else "",
                new_type=type_name(planned.type),
                curated_key=planned.since,
                provisional=planned.provisional,
            )
            for name, planned in self._columns.items()
            if types.get(name) != planned.type and (planned.provisional or not is_new)
        ]

    def _plan_column(self, file: CuratedFile, name: str) -> _PlannedColumn:
        arriving = stored_type(file.columns[name].type) or TEXT
        current = self._columns.get(name)
        if current is None:
            return _PlannedColumn(arriving, arriving == TEXT and _is_untyped(file, name), file.key)
        if current.type == arriving:
            provisional = current.provisional and _is_untyped(file, name)
            return _PlannedColumn(current.type, provisional, current.since, [*current.texts])
        new = self._common(file, name, current)
        since = current.since if new == current.type else file.key
        return _PlannedColumn(new, current.provisional and new == TEXT, since, [*current.texts])

    def _common(self, file: CuratedFile, name: str, current: _PlannedColumn) -> pa.DataType:
        arriving = stored_type(file.columns[name].type) or TEXT
        if name in self.as_text:
            return TEXT
        if current.type == TEXT:
            narrowed = current.provisional and self._can_cast(current, name, arriving)
            return arriving if narrowed else TEXT
        if arriving == TEXT:
            misfits = self.warehouse.misfits(file.staged, name, current.type)
            if not misfits.count:
                return current.type
            detail = f"; {misfits.count} do not, such as {misfits.example!r}"
            raise self._incompatible(file, name, current, detail)
        wider = common_type(current.type, arriving)
        if wider is None:
            raise self._incompatible(file, name, current, "")
        return wider

    def _can_cast(self, current: _PlannedColumn, name: str, kind: pa.DataType) -> bool:
        return not any(self.warehouse.misfits(text, name, kind).count for text in current.texts)

    def _incompatible(
        self, file: CuratedFile, name: str, current: _PlannedColumn, detail: str
    ) -> FileRejectedError:
        column = f"{self.table.name}.{name}"
        return FileRejectedError(
            file.key,
            "column-type",
            f"column {self.table}.{name} is {type_name(current.type)}, "
            f"but the file has {type_name(file.columns[name].type)} there, "
            f"which cannot be stored without loss{detail}",
            hint=f"Correct the data and deliver it again; if the field's type was changed in "
            f"Salesforce, let the column become text with `seil load --as-text {column}`",
        )


def _is_untyped(file: CuratedFile, name: str) -> bool:
    return file.untyped or pa.types.is_null(file.columns[name].type)
