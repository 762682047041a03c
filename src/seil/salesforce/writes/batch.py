"""What is written, and what becomes of it: batches of rows, and an outcome for each.

Cells are text as the Bulk API writes it: an Arrow null leaves the field as it is, `#N/A` clears it.
https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import pyarrow as pa

CLEAR = "#N/A"
PARENT = "_parent"
BEFORE = "_before"

WriteOperation: TypeAlias = Literal["insert", "update", "upsert", "delete"]
RowState: TypeAlias = Literal["written", "unchanged", "rejected", "missing", "retrying"]
"""`unchanged`: the org had the values already; `missing`: it has no such record; `retrying`: not
written, and worth another try.
"""


@dataclass(frozen=True)
class WriteTarget:
    """`key` is the column that identifies a row: Id to update or delete, an external id to upsert.

    To insert it is a field that tells the new record from all others: what a lost answer has done
    is looked up by it.
    """

    object: str
    operation: WriteOperation
    key: str = "Id"


@dataclass(frozen=True)
class WriteBatch:
    """Rows that are sent in one call or one job. `job_id` is empty before there is a job.

    Two columns are not sent: `_parent`, the record that Salesforce locks for a row, and `_before`,
    the values that the row replaces, as JSON.
    """

    target: WriteTarget
    rows: pa.Table
    by_job: bool = False
    job_id: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def sent(self) -> pa.Table:
        """What goes to the org."""
        return self.rows.select([n for n in self.rows.column_names if not n.startswith("_")])

    @property
    def keys(self) -> list[str]:
        return [str(key) for key in self.rows[self.target.key].to_pylist()]


@dataclass(frozen=True)
class RowOutcome:
    """`code` and `reason` are Salesforce's; `record_id` is empty where no record is known."""

    key: str
    state: RowState
    record_id: str = ""
    created: bool = False
    code: str = ""
    reason: str = ""


class WriteLog(Protocol):
    """Durable, and safe to share between threads: what was sent, and what became of it.

    Between `send` and `settle` the rows of a batch are in doubt.
    """

    def send(self, batch: WriteBatch) -> None:
        """Stores the batch before any of it leaves."""
        ...

    def start_job(self, batch_id: str, job_id: str) -> None:
        """Stores the job's id before data is uploaded."""
        ...

    def settle(self, batch_id: str, outcomes: Sequence[RowOutcome]) -> None:
        """All outcomes in one transaction; the batch is not in doubt any more."""
        ...

    def unsettled(self) -> Iterator[WriteBatch]:
        """What earlier processes sent and did not settle."""
        ...


# Uploads are measured after base64, 150 MB, so that 100 MB are the most.
_JOB_BYTES = 48 << 20


@dataclass(frozen=True)
class WritePart:
    """`follows`: shares the parent at its start with the part before, which has to end first."""

    rows: pa.Table
    follows: bool = False


def parts(tables: Iterable[pa.Table], *, rows: int, size: int = _JOB_BYTES) -> Iterator[WritePart]:
    """Cuts `tables` into parts of at most `rows` rows and about `size` bytes.

    Where they have a `_parent` they are sorted by it: a part ends where the parent changes, unless
    one parent has more rows than a part.
    """
    held: pa.Table | None = None
    last: str | None = None
    for table in tables:
        held = pa.concat_tables([held, table]) if held is not None else table
        while len(held) > (most := min(rows, max(1, len(held) * size // max(1, held.nbytes)))):
            part = held.slice(0, _cut(held, most))
            yield _part(part, last)
            last, held = _parent_at(-1, part), held.slice(len(part))
    if held is not None and len(held):
        yield _part(held, last)


def _part(rows: pa.Table, last: str | None) -> WritePart:
    return WritePart(rows, follows=last is not None and _parent_at(0, rows) == last)


def _parent_at(row: int, table: pa.Table) -> str | None:
    return table[PARENT][row].as_py() if PARENT in table.column_names else None


def _cut(table: pa.Table, most: int) -> int:
    """At most `most` rows of a longer table; no parent's rows are torn apart if it can be."""
    if PARENT not in table.column_names:
        return most
    parents = table[PARENT].slice(0, most + 1).to_pylist()
    changes = (at for at in range(most, 0, -1) if parents[at] != parents[at - 1])
    return next(changes, most)
