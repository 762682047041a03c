"""Current records in a warehouse, and files to merge into them, whatever the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seil.warehouse import MergeOutcome, Records, StagedFile, TableName, Warehouse
from seil.warehouse.commits import commit_id
from seil.warehouse.dialect import render
from seil.warehouse.merges import Holds
from seil.warehouse.types import TEXT, TIMESTAMP

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLE = TableName("salesforce", "account")
TYPES: dict[str, pa.DataType] = {
    "id": TEXT,
    "name": TEXT,
    "size": pa.int64(),
    "isdeleted": pa.bool_(),
    "systemmodstamp": TIMESTAMP,
}
OWN: dict[str, pa.DataType] = {"_extracted_at": TIMESTAMP, "_file": TEXT}

Row = Mapping[str, Any]


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


@dataclass
class Accounts:
    """A table of current records with the columns `types`. Times are minutes after NOON."""

    warehouse: Warehouse
    folder: Path
    types: Mapping[str, pa.DataType] = field(default_factory=lambda: TYPES)
    records: Records = field(default_factory=lambda: Records(TABLE, "id", timed_files="."))

    def __post_init__(self) -> None:
        with self.warehouse.commit("account") as commit:
            commit.tables.create_table(TABLE, pa.schema({**self.types, **OWN}), key="id")

    def file(self, at: int, rows: Sequence[Row], holds: Holds = "versions") -> StagedFile:
        """Read at that minute; it has the columns of its first row, `stamp` as systemmodstamp."""
        names = ["systemmodstamp" if name == "stamp" else name for name in rows[0]]
        schema = pa.schema({name: self.types[name] for name in names})
        stamped = [
            {("systemmodstamp" if n == "stamp" else n): v for n, v in row.items()} for row in rows
        ]
        for row in stamped:
            if "systemmodstamp" in row:
                row["systemmodstamp"] = minute(row["systemmodstamp"])
        name = f"{len(list(self.folder.glob('*.parquet'))):03d}-{at:03d}.parquet"
        pq.write_table(pa.Table.from_pylist(stamped, schema=schema), self.folder / name)
        columns = {column.name: column for column in schema}
        url = (self.folder / name).as_uri()
        return StagedFile(name, name, minute(at), columns, url, holds=holds)

    def merge(self, *files: StagedFile) -> list[MergeOutcome]:
        with self.warehouse.commit(commit_id("load", *(file.key for file in files))) as commit:
            outcomes = commit.merger.merge(self.records, files)
        return [outcomes[file.key] for file in files]

    def rows(self, columns: str = "id, name, size") -> list[tuple[Any, ...]]:
        return self.select(f"SELECT {columns} FROM salesforce.account ORDER BY id")

    def select(self, sql: str) -> list[tuple[Any, ...]]:
        return select(self.warehouse, sql)


def select(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a SELECT in SEIL's dialect."""
    rows = warehouse.query(render(sql, warehouse.dialect)).to_pylist()
    return [tuple(row.values()) for row in rows]
