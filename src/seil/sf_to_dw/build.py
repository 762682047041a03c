"""The tables, built from the current records: all of them in one transaction.

Each is made under a working name and tested; then those that passed take the place of the old ones
together. A table that fails keeps its old content, and so do the tables that read it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from seil.errors import ConfigurationError, StatementError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.observe.progress import SILENT, Progress, Step
from seil.sf_to_dw.build_select import runnable_select
from seil.sf_to_dw.build_tests import TestFailure, broken_tests
from seil.sf_to_dw.ledger import BUILDS, ledger_schema, prepare_ledger
from seil.sf_to_dw.model import Model, Models
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import translated

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

SOURCE = "seil.sf-to-dw"
State = Literal["built", "failed", "skipped"]


@dataclass(frozen=True)
class TableBuild:
    """One table: `notes` say what was read as null, `message` why it is not built."""

    table: str
    state: State
    rows: int = 0
    seconds: float = 0.0
    message: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[TestFailure, ...] = ()

    @property
    def is_built(self) -> bool:
        return self.state == "built"

    @property
    def warnings(self) -> tuple[TestFailure, ...]:
        return tuple(failure for failure in self.failures if failure.level == "warning")


@dataclass(frozen=True)
class BuildReport:
    """`loads` is how many loaded files the tables hold, the last at `last_loaded_at`."""

    build_id: str
    tables: tuple[TableBuild, ...]
    loads: int = 0
    last_loaded_at: datetime | None = None

    @property
    def ok(self) -> bool:
        return all(table.is_built for table in self.tables)


def build(
    warehouse: Warehouse,
    models: Models,
    *,
    tables: Iterable[str] = (),
    bus: Bus | None = None,
    progress: Progress = SILENT,
) -> BuildReport:
    """Rebuilds the named tables, all when none is named.

    Raises ConfigurationError for a name that is no table. A model that fails is in the report.
    """
    selected = models.select(tables)
    prepare_ledger(warehouse)
    started = datetime.now(UTC)
    with progress.step("build") as step:
        report = _Build(warehouse, models, selected, started).run(step)
    for table in report.tables:
        level = logging.INFO if table.is_built else logging.WARNING
        log.log(level, "%s: %s, %d rows. %s", table.table, table.state, table.rows, table.message)
    if bus:
        bus.publish([_event(report)])
    return report


class _FailedStatementError(Exception):
    """A statement failed, and with it the transaction: it is done again without that table."""


@dataclass
class _Build:
    """`refused` are the tables whose statements the warehouse refused, with its reason."""

    warehouse: Warehouse
    models: Models
    selected: Sequence[Model]
    started: datetime
    refused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = cache(self.warehouse.columns)

    def run(self, step: Step) -> BuildReport:
        while True:
            try:
                with self.warehouse.transaction():
                    return self._attempt(step)
            except _FailedStatementError:
                log.info("building again without %s", ", ".join(self.refused))

    def _attempt(self, step: Step) -> BuildReport:
        tables: dict[str, TableBuild] = {}
        for model in self.selected:
            tables[model.name] = self._made(model, tables)
            step.advance(tables[model.name].rows)
        working = {name: _working(name) for name, table in tables.items() if table.is_built}
        for model in self.selected:
            if tables[model.name].is_built:
                tables[model.name] = self._tested(model, tables[model.name], working)
        for model in self.selected:
            if model.name in working:
                tables[model.name] = self._settled(model, tables)
        return self._recorded(tuple(tables.values()))

    def _made(self, model: Model, tables: Mapping[str, TableBuild]) -> TableBuild:
        if reason := self.refused.get(model.name):
            return TableBuild(model.name, "failed", message=reason)
        if blocked := self._blocked(model, tables):
            return blocked
        working = {name: _working(name) for name in tables}
        begun = time.monotonic()
        try:
            select = runnable_select(
                model,
                self.warehouse.dialect,
                sources=self.models.sources,
                columns=self.columns,
                working=working,
            )
        except ConfigurationError as error:
            reasons = "; ".join(map(str, error.problems))
            return TableBuild(model.name, "failed", message=reasons)
        with self._refusable(model):
            rows = self.warehouse.replace(TableName("", _working(model.name)), select.sql)
        seconds = time.monotonic() - begun
        return TableBuild(model.name, "built", rows=rows, seconds=seconds, notes=select.notes)

    def _tested(self, model: Model, made: TableBuild, working: Mapping[str, str]) -> TableBuild:
        with self._refusable(model):
            failures = tuple(broken_tests(model, self.warehouse, working))
        errors = [str(failure) for failure in failures if failure.level == "error"]
        state: State = "failed" if errors else "built"
        return replace(made, state=state, message="; ".join(errors), failures=failures)

    def _settled(self, model: Model, tables: Mapping[str, TableBuild]) -> TableBuild:
        """Puts a table that passed in its place, and lets go of one that did not."""
        table = tables[model.name]
        if table.is_built and (blocked := self._blocked(model, tables)):
            table = replace(blocked, notes=table.notes, failures=table.failures)
        made = TableName("", _working(model.name))
        if not table.is_built:
            self.warehouse.drop(made)
            return table
        self.warehouse.rename(made, model.name)
        described = model.described
        texts = {c.name: c.description for c in described.columns if c.description}
        self.warehouse.comment(
            TableName("", model.name), f"{described.description} {described.grain}".strip(), texts
        )
        return table

    def _blocked(self, model: Model, tables: Mapping[str, TableBuild]) -> TableBuild | None:
        upstream = sorted(self.models.upstream(model.name))
        failed = [name for name in upstream if name in tables and not tables[name].is_built]
        if not failed:
            return None
        reason = f"reads {', '.join(failed)}, which was not built"
        return TableBuild(model.name, "skipped", message=reason)

    @contextmanager
    def _refusable(self, model: Model) -> Iterator[None]:
        try:
            yield
        except StatementError as error:
            self.refused[model.name] = error.reason
            raise _FailedStatementError from error

    def _recorded(self, tables: tuple[TableBuild, ...]) -> BuildReport:
        select = "SELECT count(*) AS loads, max(loaded_at) AS last_loaded_at FROM seil.loads"
        included = self.warehouse.query(translated(select, self.warehouse.dialect)).to_pylist()[0]
        report = BuildReport(f"{self.started:%Y%m%dT%H%M%S.%fZ}", tables, **included)
        rows = [
            {
                "build_id": report.build_id,
                "table_name": table.table,
                "state": table.state,
                "row_count": table.rows,
                "message": table.message,
                **included,
                "started_at": self.started,
                "finished_at": datetime.now(UTC),
            }
            for table in tables
        ]
        self.warehouse.append(BUILDS, pa.Table.from_pylist(rows, schema=ledger_schema(BUILDS)))
        return report


def _working(name: str) -> str:
    """The name a table has until the build ends."""
    return f"{name}__new"


def _event(report: BuildReport) -> Event:
    tables = [
        {"table": t.table, "state": t.state, "rows": t.rows, "message": t.message}
        for t in report.tables
    ]
    detail = {
        "state": "success" if report.ok else "error",
        "build_id": report.build_id,
        "loads": report.loads,
        "tables": tables,
        "warnings": [str(failure) for t in report.tables for failure in t.warnings],
    }
    return Event(SOURCE, "build", detail)
