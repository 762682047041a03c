"""Brings published tables up to date with their sources, each exactly once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from seil.errors import IcebergError, SeilError
from seil.iceberg.catalog import CommitDoubtError, CommitRefusedError, IcebergCatalog
from seil.iceberg.changes import RowWriter, WrittenRows
from seil.iceberg.published import PublishedState, has_commit, published_state
from seil.iceberg.schema import SchemaPlan, new_schema, next_schema
from seil.iceberg.snapshot import COMMIT, VERSION, NextContent, StagedCommit, stage_snapshot
from seil.observe.progress import SILENT, Progress
from seil.warehouse.commits import commit_id

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    from seil.iceberg.engine import EmbeddedEngine
    from seil.iceberg.source import TableSource

log = logging.getLogger(__name__)

PublishMode = Literal["changes", "check", "full"]
TableState = Literal["published", "unchanged", "failed"]
HowWritten = Literal["", "first", "delta", "compared", "whole"]
_ATTEMPTS = 5
_FIRST_PAUSE = 0.2


@dataclass(frozen=True)
class TableOutcome:
    """`how` says how the rows were found and written, `reason` why so; `schema_changes` name the
    columns that differ; `message` is why it failed.
    """

    table: str
    published_as: str
    state: TableState
    how: HowWritten = ""
    reason: str = ""
    inserted: int = 0
    deleted: int = 0
    seconds: float = 0.0
    version: str = ""
    commit: str = ""
    snapshot_id: int | None = None
    schema_changes: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class _Staged:
    source: TableSource
    outcome: TableOutcome
    commit: StagedCommit | None = None


@dataclass(frozen=True)
class TablePublisher:
    """`check` raises once this process has lost the publisher's lock; `pause` waits some seconds
    after a lost answer.
    """

    catalog: IcebergCatalog
    engine: EmbeddedEngine
    mode: PublishMode = "changes"
    check: Callable[[], None] = lambda: None
    pause: Callable[[float], None] = time.sleep
    progress: Progress = field(default=SILENT, compare=False)

    def publish(self, sources: Iterable[TableSource]) -> list[TableOutcome]:
        """A table that fails is in its outcome; the others are published all the same, at one
        moment where the catalog can.
        """
        chosen = list(sources)
        if self.catalog.moves_together:
            return self._together(chosen)
        return [self._one(source) for source in chosen]

    def _one(self, source: TableSource) -> TableOutcome:
        started = time.monotonic()
        with self.progress.step(f"publish {source.name}") as step:
            try:
                outcome = self._committed(source)
            except SeilError as error:
                outcome = _failure(source, error)
            outcome = replace(outcome, seconds=time.monotonic() - started)
            step.advance(outcome.inserted)
            step.conclude(_summary(outcome), ok=outcome.state != "failed")
        return outcome

    def _committed(self, source: TableSource) -> TableOutcome:
        """Stages anew after a refusal, as positions hold for one snapshot only."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            staged = self._stage(source)
            if staged.commit is None:
                return staged.outcome
            self.check()
            try:
                self.catalog.commit(staged.commit)
            except (CommitRefusedError, CommitDoubtError) as error:
                reason = str(error)
                log.warning("%s: the commit was not confirmed: %s", source.name, reason)
                if self._landed(staged.commit):
                    return staged.outcome
                if isinstance(error, CommitDoubtError):
                    self.pause(_FIRST_PAUSE * 2**attempt)
            else:
                return staged.outcome
        raise self._given_up(source, reason)

    def _together(self, sources: Sequence[TableSource]) -> list[TableOutcome]:
        outcomes: dict[str, TableOutcome] = {}
        waiting, reason = list(sources), ""
        for attempt in range(_ATTEMPTS):
            staged = [self._staged_or_failed(source) for source in waiting]
            outcomes |= {one.source.name: one.outcome for one in staged}
            commits = {one.source.name: one.commit for one in staged if one.commit is not None}
            if not commits:
                break
            self.check()
            try:
                self.catalog.commit_together(list(commits.values()))
                break
            except (CommitRefusedError, CommitDoubtError) as error:
                reason = str(error)
                log.warning("the commit of %d tables was not confirmed: %s", len(commits), reason)
                waiting = [
                    one.source
                    for one in staged
                    if one.commit is not None and not self._landed(one.commit)
                ]
                if not waiting:
                    break
                if isinstance(error, CommitDoubtError):
                    self.pause(_FIRST_PAUSE * 2**attempt)
            except SeilError as error:
                outcomes |= {
                    one.source.name: _failure(one.source, error)
                    for one in staged
                    if one.commit is not None
                }
                break
        else:
            outcomes |= {
                source.name: _failure(source, self._given_up(source, reason)) for source in waiting
            }
        return [outcomes[source.name] for source in sources]

    def _staged_or_failed(self, source: TableSource) -> _Staged:
        started = time.monotonic()
        with self.progress.step(f"publish {source.name}") as step:
            try:
                staged = self._stage(source)
            except SeilError as error:
                staged = _Staged(source, _failure(source, error))
            outcome = replace(staged.outcome, seconds=time.monotonic() - started)
            step.advance(outcome.inserted)
            step.conclude(_summary(outcome), ok=outcome.state != "failed")
        return replace(staged, outcome=outcome)

    def _landed(self, commit: StagedCommit) -> bool:
        name = commit.table.name()
        table = self.catalog.find((name[0], name[1]))
        return table is not None and has_commit(table, commit.id)

    def _given_up(self, source: TableSource, reason: str) -> IcebergError:
        hint = "The next run publishes it again"
        return IcebergError(
            source.name, f"{_ATTEMPTS} attempts to commit it failed: {reason}", hint=hint
        )

    def _stage(self, source: TableSource) -> _Staged:
        table = self.catalog.find(source.identifier)
        if table is None:
            plan = new_schema(source.name, source.columns)
            table = self.catalog.create(source.identifier, plan.schema, source.description)
        _refuse_others_layout(source, table)
        with self.catalog.translated(".".join(source.identifier)):
            return self._plan_table(source, table)

    def _plan_table(self, source: TableSource, table: Table) -> _Staged:
        state = published_state(table)
        plan = next_schema(
            source.name, table.schema(), table.metadata.last_column_id, source.columns
        )
        if self._is_current(source, state, plan):
            self.catalog.point(table)
            outcome = _outcome(source, state=state, table_state="unchanged")
            return _Staged(source, outcome)
        return self._written(source, table, state, plan)

    def _is_current(self, source: TableSource, state: PublishedState, plan: SchemaPlan) -> bool:
        is_same = bool(source.version) and state.version == source.version
        return is_same and not plan.changes and self.mode == "changes"

    def _written(
        self, source: TableSource, table: Table, state: PublishedState, plan: SchemaPlan
    ) -> _Staged:
        how, reason, rows = self._rows(source, table, state, plan)
        is_equal = not (rows.added or rows.deletes or rows.is_whole)
        if is_equal and state.version == source.version and not plan.changes:
            return _Staged(source, _outcome(source, state=state, table_state="unchanged"))
        commit = commit_id("publish", source.name, source.version, str(state.snapshot_id))
        content = NextContent(
            added=rows.added,
            deletes=rows.deletes,
            keeps=not rows.is_whole,
            schema=_stored_schema(table, plan),
        )
        staged = stage_snapshot(table, content, {COMMIT: commit, VERSION: source.version})
        outcome = TableOutcome(
            source.name,
            ".".join(source.identifier),
            "published",
            how=how,
            reason=reason,
            inserted=rows.inserted,
            deleted=rows.deleted,
            version=source.version,
            commit=commit,
            snapshot_id=staged.snapshot_id,
            schema_changes=plan.changes,
        )
        return _Staged(source, outcome, staged)

    def _rows(
        self, source: TableSource, table: Table, state: PublishedState, plan: SchemaPlan
    ) -> tuple[HowWritten, str, WrittenRows]:
        writer = RowWriter(self.engine, table, plan.schema)
        if state.snapshot_id is None:
            return "first", "nothing was published yet", writer.whole(source)
        if plan.rewrites:
            reason = f"Iceberg has no change of {', '.join(plan.rewrites)}"
            return "whole", reason, writer.whole(source)
        if self.mode == "full":
            return "whole", "asked for", writer.whole(source)
        reason = _why_compared(self.mode, state)
        if not reason and (changed := source.changed_since(state.version)):
            rows = writer.by_key(source, changed)
            if rows is None:
                return "whole", "most rows changed", writer.whole(source)
            return "delta", "", rows
        rows = writer.compared(source)
        reason = reason or "the changes since are not known"
        return ("whole", "most rows changed", rows) if rows.is_whole else ("compared", reason, rows)


def _why_compared(mode: PublishMode, state: PublishedState) -> str:
    if state.is_foreign:
        return "another writer changed it"
    if mode == "check":
        return "asked for"
    return "" if state.version else "its version is not known"


def _stored_schema(table: Table, plan: SchemaPlan) -> Schema | None:
    """With an id of its own; None where the schema stays."""
    if not plan.changes:
        return None
    number = max(schema.schema_id for schema in table.metadata.schemas) + 1
    return plan.schema.model_copy(update={"schema_id": number})


def _refuse_others_layout(source: TableSource, table: Table) -> None:
    name = ".".join(source.identifier)
    if table.format_version != 2 or not table.spec().is_unpartitioned():
        reason = f"{name} is of format {table.format_version} and {table.spec()}"
        hint = "SEIL writes unpartitioned tables of format 2: drop it, or set [publish] namespace"
        raise IcebergError(source.name, reason, hint=hint)


def _outcome(
    source: TableSource, *, state: PublishedState, table_state: TableState
) -> TableOutcome:
    return TableOutcome(
        source.name,
        ".".join(source.identifier),
        table_state,
        version=state.version,
        commit=state.commit,
        snapshot_id=state.snapshot_id,
    )


def _failure(source: TableSource, error: SeilError) -> TableOutcome:
    name = ".".join(source.identifier)
    return TableOutcome(source.name, name, "failed", message=error.without(source.name))


def _summary(outcome: TableOutcome) -> str:
    if outcome.state != "published":
        return outcome.message or outcome.state
    reason = f" ({outcome.reason})" if outcome.reason else ""
    counts = f"{outcome.inserted:,} rows inserted, {outcome.deleted:,} deleted"
    return f"{outcome.how}{reason}: {counts}"
