"""A commit over several tables: written on a branch of each, published at the end.

See `seil.warehouse.spark.commit_log` for what happens when one is killed.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from seil.errors import WarehouseError
from seil.warehouse.bookkeeping_tables import LOADS, SCHEMA_CHANGES
from seil.warehouse.spark.commit_log import (
    BRANCH_PREFIX,
    CREATED_ON,
    CommitLog,
    Intent,
    PublicationStep,
)
from seil.warehouse.spark.iceberg import MAIN
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.spark.database import IcebergDatabase

# Published in this order, others before them: what records a change follows it.
_LAST_SCHEMAS = ("seil_changes", "seil")
_GAPS = "seil_gaps"


@dataclass
class OpenCommit:
    """What one commit has done so far.

    head: the last commit before it. published: tables that were not left to the end, by the
    snapshot before. places: tables that are to be replaced, by the table beside
    them that takes their place.
    """

    id: str
    head: int
    branch: str = field(default_factory=lambda: f"{BRANCH_PREFIX}{uuid4().hex}")
    token: int | None = None
    written: set[TableName] = field(default_factory=set)
    created: list[TableName] = field(default_factory=list)
    added: list[tuple[TableName, str]] = field(default_factory=list)
    published: dict[TableName, int | None] = field(default_factory=dict)
    dropped: set[TableName] = field(default_factory=set)
    places: dict[TableName, TableName] = field(default_factory=dict)
    is_decided: bool = False

    def steps(self) -> list[PublicationStep]:
        beside = set(self.places.values())
        steps = [
            PublicationStep("publish", table) for table in self.written - beside - self.dropped
        ]
        steps += [
            PublicationStep("replace", table, place.name) for table, place in self.places.items()
        ]
        steps += [PublicationStep("drop", table) for table in self.dropped]
        return sorted(steps, key=_order)


def _order(step: PublicationStep) -> tuple[int, bool, TableName]:
    schema = step.table.schema
    place = _LAST_SCHEMAS.index(schema) + 1 if schema in _LAST_SCHEMAS else 0
    return place, step.table == LOADS, step.table


@dataclass(frozen=True)
class Publisher:
    database: IcebergDatabase
    log: CommitLog

    def recover(self) -> None:
        """Finishes a commit that was decided, and removes what an undecided one created."""
        intent = self.log.intent()
        if intent:
            self._finish(intent)
        branch, created = self.log.opened()
        if branch:
            if branch != self.log.last_branch():
                self._remove(created, branch)
            self.log.close()

    def publish(self, commit: OpenCommit) -> None:
        steps = commit.steps()
        stored = self.log.token()
        if steps or commit.created or commit.token != stored:
            intent = Intent(commit.id, commit.branch, steps)
            token = stored if commit.token is None else commit.token
            self.log.decide(intent, head=commit.head, token=token)
            commit.is_decided = True
            if steps:
                self._finish(intent)
        if commit.created:
            self.log.close()

    def publish_shape(self, commit: OpenCommit) -> None:
        """Call it before a table's columns change, which all see at once: a repeat of this commit
        could not tell the change from the table any more.
        """
        for table in list(commit.written):
            if table == SCHEMA_CHANGES or table.schema == _GAPS:
                loaded = self.database.load(table)
                if loaded and table not in commit.created:
                    commit.published.setdefault(table, loaded.head())
                self._publish(table, commit.branch)
                commit.written.remove(table)

    def roll_back(self, commit: OpenCommit) -> None:
        """What fails here is undone by the next commit, or stays unseen."""
        with suppress(WarehouseError):
            for table in commit.written - set(commit.created):
                self.remove_branches(table, commit.branch)
            for table, head in commit.published.items():
                self._return_to(table, head)
            for table, column in commit.added:
                self.database.drop_column(table, column)
            self._remove(commit.created, commit.branch)
            if commit.created:
                self.log.close()

    def _remove(self, tables: Iterable[TableName], branch: str) -> None:
        """Those that another commit has created meanwhile are not touched."""
        for table in tables:
            loaded = self.database.load(table)
            if loaded and loaded.properties().get(CREATED_ON) == branch:
                self.database.drop_bare(table)

    def _finish(self, intent: Intent) -> None:
        """Each step has no effect where it was done before."""
        for step in intent.steps:
            if step.kind == "publish":
                self._publish(step.table, intent.branch)
            elif step.kind == "replace":
                self._replace(step, intent)
            else:
                self.database.drop_bare(step.table)
        self.log.finish()

    def _publish(self, table: TableName, branch: str) -> None:
        loaded = self.database.load(table)
        if loaded is None:
            return
        branches = {name for name in loaded.refs() if name.startswith(BRANCH_PREFIX)}
        if not branches:
            return
        changes = loaded.java.manageSnapshots()
        if branch in branches:
            changes = changes.fastForwardBranch(MAIN, branch)
        for name in sorted(branches):
            changes = changes.removeBranch(name)
        with self.database.errors():
            changes.commit()

    def remove_branches(self, table: TableName, prefix: str = BRANCH_PREFIX) -> int:
        """Those of commits that were not decided; call `recover` first. Returns how many."""
        loaded = self.database.load(table)
        names = [name for name in loaded.refs() if name.startswith(prefix)] if loaded else []
        if loaded and names:
            changes = loaded.java.manageSnapshots()
            for name in sorted(names):
                changes = changes.removeBranch(name)
            with self.database.errors():
                changes.commit()
        return len(names)

    def _return_to(self, table: TableName, head: int | None) -> None:
        loaded = self.database.load(table)
        if loaded and head is not None:
            with self.database.errors():
                loaded.java.manageSnapshots().setCurrentSnapshot(head).commit()
        elif loaded:
            self.database.empty(table)

    def _replace(self, step: PublicationStep, intent: Intent) -> None:
        source = TableName(step.table.schema, step.source)
        if self.database.load(source) is None:
            return
        self._publish(source, intent.branch)
        with self.database.stamped(intent.commit_id):
            self.database.replace_bare(step.table, source)
        self.database.drop_bare(source)
