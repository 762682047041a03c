"""`seil status`: how far each flow is, what waits, and whether it all adds up. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from seil.cli import arguments, output, reports
from seil.cli.context import Context, opened
from seil.cli.frame import UNBALANCED, Call, command
from seil.errors import StatementError, WarehouseError

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.sf_to_dw.ledger import LedgerRow
    from seil.warehouse import Warehouse

_STATES = ("in", "processed", "error", "curated", "exceptions")


@dataclass(frozen=True)
class FlowStatus:
    """`lag` is the age of the newest record that can have been read; None before the first run."""

    object: str
    mode: str
    committed: datetime | None
    finished_at: datetime | None
    flow_run_id: str
    lag: timedelta | None
    late: bool
    running_pages: int | None


@dataclass(frozen=True)
class FileCount:
    state: str
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Ledger:
    """The last run of each object, and every run that does not balance; `problem`: unreadable."""

    rows: list[LedgerRow] = field(default_factory=list)
    problem: str = ""

    @property
    def balanced(self) -> bool:
        return all(row.balanced for row in self.rows)


def register(app: typer.Typer) -> None:
    command(app)(status)


def status(call: Call, objects: arguments.Objects = None) -> int:
    """Show flows, their last windows and lag, files by state, and the ledger."""
    with opened(call) as context:
        chosen = context.catalog.select(objects or ())
        flows = flow_statuses(context, chosen)
        files = file_counts(context, chosen if objects else ())
        ledger = read_ledger(context, [o.api_name for o in chosen] if objects else [])
        dead = _dead_letters(context)
    if call.json:
        call.answer(
            "seil.status/1",
            {
                "flows": [dict(vars(flow)) for flow in flows],
                "files": {count.state: dict(vars(count)) for count in files},
                "ledger": [reports.ledger_document(row) for row in ledger.rows],
                "ledger_problem": ledger.problem,
                "balanced": ledger.balanced,
                "dead_letters": dead,
            },
        )
    else:
        _print(flows, files, ledger, dead)
    return 0 if ledger.balanced else UNBALANCED


def flow_statuses(context: Context, objects: Sequence[SyncedObject]) -> list[FlowStatus]:
    from seil.sf_to_dw.flows import FlowStates

    states = FlowStates(context.lake)
    now = datetime.now(UTC)
    found = []
    for obj in objects:
        state = states.get(obj)
        lag = now - state.committed if state.committed else None
        found.append(
            FlowStatus(
                obj.api_name,
                obj.flow.mode,
                state.committed,
                state.finished_at,
                state.last_run_id,
                lag,
                # One missed turn can be a slow run; two are an outage.
                late=lag is not None and lag > 2 * obj.flow.schedule + obj.flow.lag,
                running_pages=len(state.running.pages) if state.running else None,
            )
        )
    return found


def file_counts(context: Context, objects: Sequence[SyncedObject]) -> list[FileCount]:
    from seil.sf_to_dw.files import list_files

    totals = {state: [0, 0] for state in _STATES}
    wanted: Sequence[SyncedObject | None] = objects or [None]
    for obj in wanted:
        for file in list_files(context.lake, None, obj):
            totals[file.state][0] += 1
            totals[file.state][1] += file.size
    return [FileCount(state, files, size) for state, (files, size) in totals.items()]


def read_ledger(context: Context, objects: Sequence[str]) -> Ledger:
    """A warehouse that a run is writing to cannot be read meanwhile, and is not waited for."""
    if not context.has_warehouse:
        return Ledger(problem="there is no warehouse yet; `seil run` makes it")
    from seil.sf_to_dw.ledger import ledger

    try:
        with context.warehouse(read_only=True, wait=timedelta(0)) as warehouse:
            runs = _telling_runs(warehouse)
            found = ledger(warehouse, objects=objects, flow_runs=runs) if runs else []
            return Ledger(found)
    except StatementError:
        raise
    except WarehouseError as error:
        return Ledger(problem=f"cannot be read now: {error}")


def _telling_runs(warehouse: Warehouse) -> set[str]:
    """The last run of each object, and every one that does not balance."""
    if "loads" not in warehouse.tables("seil"):
        return set()
    found = warehouse.query(
        "SELECT flow_run_id FROM seil.ledger WHERE NOT balanced UNION"
        " SELECT max_by(flow_run_id, last_at) FROM seil.ledger GROUP BY object"
    )
    return {str(name) for name in found.column(0).to_pylist()}


def _dead_letters(context: Context) -> int:
    if not context.has_journal:
        return 0
    from seil.events.dispatch_state import dead_letters

    return len(dead_letters(context.journal))


def _print(
    flows: Sequence[FlowStatus], files: Sequence[FileCount], ledger: Ledger, dead: int
) -> None:
    output.table(
        ("object", "mode", "read until", "lag", "now"),
        [
            (
                flow.object,
                flow.mode,
                flow.committed,
                output.Bad(flow.lag) if flow.late else flow.lag,
                _now(flow),
            )
            for flow in flows
        ],
    )
    output.line()
    output.table(
        ("files", "count", "size"),
        [(_state(count), count.files, output.size(count.bytes)) for count in files],
    )
    failed = sum(count.files for count in files if count.state == "error")
    if failed:
        output.line(
            f"{failed:,} file(s) could not be taken in: see `seil files list --state error`.",
            style="red",
        )
    output.line()
    if ledger.problem:
        output.line(f"Ledger: {ledger.problem}")
    else:
        reports.ledger(ledger.rows)
    if dead:
        output.line(f"{dead:,} dead letter(s): see `seil events dead`.", style="red")


def _state(count: FileCount) -> Any:
    return output.Bad(count.state) if count.state == "error" and count.files else count.state


def _now(flow: FlowStatus) -> str:
    if flow.running_pages is not None:
        return f"{flow.running_pages:,} pages landed, not committed"
    return "never run" if flow.committed is None else ""
