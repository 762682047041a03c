"""Batches of rows to write, and the outcome of each row.

Cells are text in the Bulk API's format: an Arrow null leaves the field unchanged, `#N/A` clears it.
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
# The code of a row that may have been written: its answer was lost.
ANSWER_LOST = "ANSWER_LOST"
NOT_SENT = "NOT_SENT"

WriteOperation: TypeAlias = Literal["insert", "update", "upsert", "delete"]
RowState: TypeAlias = Literal["written", "unchanged", "rejected", "missing", "retrying"]
"""`unchanged`: the org had the values already; `missing`: it has no such record; `retrying`: not
written, for a transient reason.
"""


@dataclass(frozen=True)
class WriteTarget:
    """`key` is the column that identifies a row: Id to update or delete, an external id to upsert.

    To insert, it is a field with unique values: after a lost response, records are looked up by it.
    """

    object: str
    operation: WriteOperation
    key: str = "Id"


@dataclass(frozen=True)
class WriteBatch:
    """Rows that are sent in one call or one job. `job_id` is empty until the job is created.

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
        """The rows without the columns that are not sent."""
        return self.rows.select([n for n in self.rows.column_names if not n.startswith("_")])

    @property
    def keys(self) -> list[str]:
        return [str(key) for key in self.rows[self.target.key].to_pylist()]


@dataclass(frozen=True)
class RowOutcome:
    """`code` and `reason` are mostly Salesforce's; `record_id` is empty if unknown."""

    key: str
    state: RowState
    record_id: str = ""
    created: bool = False
    code: str = ""
    reason: str = ""


class WriteLog(Protocol):
    """A durable, thread-safe log of batches and outcomes.

    Between `send` and `settle` the rows of a batch are in doubt.
    """

    def send(self, batch: WriteBatch) -> None:
        """Stores the batch; called before anything is sent."""
        ...

    def start_job(self, batch_id: str, job_id: str) -> None:
        """Stores the job's id; called before data is uploaded."""
        ...

    def settle(self, batch_id: str, outcomes: Sequence[RowOutcome]) -> None:
        """Stores all outcomes in one transaction; the batch is no longer in doubt."""
        ...

    def unsettled(self) -> Iterator[WriteBatch]:
        """Batches that earlier processes sent and did not settle; `rows` has the keys only."""
        ...


# Half of the limit: 150 MB after base64, so 100 MB of CSV.
_JOB_BYTES = 48 << 20


@dataclass(frozen=True)
class WritePart:
    """`follows`: its first row shares a parent with the previous part, which must finish first."""

    rows: pa.Table
    follows: bool = False


def parts(tables: Iterable[pa.Table], *, rows: int, size: int = _JOB_BYTES) -> Iterator[WritePart]:
    """Cuts `tables` into parts of at most `rows` rows and about `size` bytes.

    Tables with a `_parent` column have to be sorted by it: a parent's rows share a part, unless
    they exceed it.
    """
    rest: pa.Table | None = None
    last: str | None = None
    for table in tables:
        rest = pa.concat_tables([rest, table]) if rest is not None else table
        while len(rest) > (most := min(rows, max(1, len(rest) * size // max(1, rest.nbytes)))):
            part = rest.slice(0, _cut(rest, most))
            yield _part(part, last)
            last, rest = _parent_at(-1, part), rest.slice(len(part))
    if rest is not None and len(rest):
        yield _part(rest, last)


def _part(rows: pa.Table, last: str | None) -> WritePart:
    return WritePart(rows, follows=last is not None and _parent_at(0, rows) == last)


def _parent_at(row: int, table: pa.Table) -> str | None:
    return table[PARENT][row].as_py() if PARENT in table.column_names else None


def _cut(table: pa.Table, most: int) -> int:
    """Where to cut a longer table: at most `most` rows, between two parents if possible."""
    if PARENT not in table.column_names:
        return most
    parents = table[PARENT].slice(0, most + 1).to_pylist()
    changes = (at for at in range(most, 0, -1) if parents[at] != parents[at - 1])
    return next(changes, most)
