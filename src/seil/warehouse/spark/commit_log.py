"""The table `seil.commits`: its snapshots are the warehouse's commits, and hold the fencing token.

A commit writes on a branch of each table. Then it is decided in one step, by a snapshot of this
table that names the branch and what is left to do; the tag `publishing` stays on it until that is
done. So a killed commit is finished by the next writer if it was decided, and undone if not. The
step fails if another one came in between: only one of two writers gets on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from seil.errors import WarehouseError
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.spark.database import IcebergDatabase
    from seil.warehouse.spark.iceberg import IcebergTable

COMMITS = TableName("seil", "commits")
COMMIT_ID = "seil.commit"
"""In the summary of every snapshot of a commit."""
CREATED_ON = "seil.created-on"
"""A table's property: the branch of the commit that created it."""
BRANCH_PREFIX = "seil_"

_COLUMNS = pa.schema([pa.field("id", pa.string())])
_PUBLISHING = "publishing"
_INTENT, _TOKEN, _BRANCH, _OPEN = "seil.intent", "seil.token", "seil.branch", "seil.open"

StepKind = Literal["publish", "replace", "drop"]


class PublicationStep(NamedTuple):
    """What is left to do with a table once its commit is decided.

    publish: its branch becomes the current state. replace: it becomes what `source` is, a table
    beside it. drop: it is removed.
    """

    kind: StepKind
    table: TableName
    source: str = ""


@dataclass(frozen=True)
class Intent:
    commit_id: str
    branch: str
    steps: Sequence[PublicationStep]

    def to_json(self) -> str:
        return json.dumps([self.commit_id, self.branch, [list(map(_plain, s)) for s in self.steps]])

    @classmethod
    def from_json(cls, text: str) -> Intent:
        commit_id, branch, steps = json.loads(text)
        return cls(commit_id, branch, [PublicationStep(k, TableName(*t), s) for k, t, s in steps])


@dataclass(frozen=True)
class CommitLog:
    database: IcebergDatabase

    def prepare(self) -> int:
        """Creates the table where it is missing. Returns the id of its last snapshot."""
        table = self._table()
        if table is None:
            self.database.create_bare(COMMITS, _COLUMNS)
            table = self._loaded()
        head = table.head()
        if head is not None:
            return head
        table.java.newFastAppend().commit()
        return self.prepare()

    def token(self) -> int | None:
        """The fencing token of the last commit; None where none is stored."""
        table = self._table()
        stored = table.summary().get(_TOKEN) if table else None
        return int(stored) if stored else None

    def intent(self) -> Intent | None:
        """Of a commit that was decided and not finished."""
        table = self._table()
        summary = table.summary(_PUBLISHING) if table else {}
        return Intent.from_json(summary[_INTENT]) if _INTENT in summary else None

    def last_branch(self) -> str:
        """Of the last decided commit."""
        table = self._table()
        return table.summary().get(_BRANCH, "") if table else ""

    def opened(self) -> tuple[str, list[TableName]]:
        """The branch of a commit that was not ended, and the tables that it created."""
        table = self._table()
        text = table.properties().get(_OPEN) if table else None
        branch, tables = json.loads(text) if text else ("", [])
        return branch, [TableName(*name) for name in tables]

    def open(self, branch: str, created: Sequence[TableName]) -> None:
        """Notes the tables that a commit creates, before it does."""
        text = json.dumps([branch, [list(name) for name in created]])
        self._loaded().java.updateProperties().set(_OPEN, text).commit()

    def close(self) -> None:
        """The commit is over, its tables stay or are gone."""
        table = self._loaded()
        if _OPEN in table.properties():
            table.java.updateProperties().remove(_OPEN).commit()

    def decide(self, intent: Intent, *, head: int, token: int | None) -> None:
        """Raises WarehouseError if another commit was decided since `head`."""
        summary = {
            COMMIT_ID: intent.commit_id,
            _INTENT: intent.to_json(),
            _BRANCH: intent.branch,
        }
        if token is not None:
            summary[_TOKEN] = str(token)
        try:
            self._append(intent, head, summary)
        except (Py4JJavaError, PySparkException):
            # The answer of a catalog far away may be lost, and the commit decided.
            if self._loaded().summary().get(_BRANCH) == intent.branch:
                return
            if self._loaded().head() == head:
                raise
            reason = "another run has committed meanwhile"
            hint = "Nothing was changed. Run the same command again, once the other has ended"
            raise WarehouseError(self.database.url, reason, hint=hint) from None

    def _append(self, intent: Intent, head: int, summary: Mapping[str, str]) -> None:
        change = self._loaded().java.newTransaction()
        branch = intent.branch
        change.manageSnapshots().createBranch(branch, head).commit()
        append = change.newFastAppend().toBranch(branch)
        for name, value in summary.items():
            append.set(name, value)
        append.commit()
        decided = change.table().refs().get(branch).snapshotId()
        refs = change.manageSnapshots().fastForwardBranch("main", branch).removeBranch(branch)
        if intent.steps:
            refs = refs.createTag(_PUBLISHING, decided)
        refs.commit()
        change.commitTransaction()

    def finish(self) -> None:
        """All steps of the decided commit are done."""
        self._loaded().java.manageSnapshots().removeTag(_PUBLISHING).commit()

    def _table(self) -> IcebergTable | None:
        return self.database.load(COMMITS)

    def _loaded(self) -> IcebergTable:
        table = self._table()
        if table is None:
            raise WarehouseError(self.database.url, f"there is no table {COMMITS}")
        return table


def _plain(part: str | TableName) -> str | list[str]:
    return list(part) if isinstance(part, TableName) else part
