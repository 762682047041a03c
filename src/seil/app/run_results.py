"""What a run processed, and what of it went well or failed: for its outcome and `seil status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seil.errors import SeilError, error_type
from seil.state.runs import RunRecord
from seil.state.troubles import Trouble, TroubleStep

if TYPE_CHECKING:
    from seil.modeling.build import BuildReport
    from seil.sf_to_dw.extract.flow_context import FlowResult
    from seil.sf_to_dw.ingest.ingestor import IngestReport
    from seil.sf_to_dw.load.loader import LoadReport
    from seil.sf_to_dw.pipeline import ChangedReport, RunReport

# What ended a run is over when a command that meets the same far end gets through; each command
# takes the lock, reads the lake and writes the journal.
USES_ORG = frozenset({"run", "extract", "reconcile", "subscribe"})
ROUNDS = frozenset({"listen", "handle-landed", "handle-curated", "subscribe"})
COMMANDS = (
    "run",
    "extract",
    "ingest",
    "load",
    "build",
    "rebuild",
    "move",
    "warehouse upkeep",
    "reconcile",
    "listen",
    "handle-landed",
    "handle-curated",
    "subscribe",
    "sync gam-to-sf",
    "sync sf-to-t1",
    "export feed",
    "publish iceberg",
    "publish upkeep",
    "push plan",
    "push apply",
    "push undo",
)
# Recorded by `seil start` alone: their configuration is the site's, not what somebody typed.
UNATTENDED = frozenset({"export feed", "push plan"})
_WAREHOUSE = frozenset(
    {
        "run",
        "load",
        "build",
        "rebuild",
        "move",
        "warehouse upkeep",
        "reconcile",
        "handle-curated",
        "subscribe",
    }
)
_ANY = USES_ORG | _WAREHOUSE | ROUNDS | {"ingest"}
_CLEARED_BY: dict[str, frozenset[str]] = {
    **dict.fromkeys(("login", "quota_exhausted", "unavailable", "too_slow"), USES_ORG),
    **dict.fromkeys(("unexpected_answer", "request_rejected"), USES_ORG),
    **dict.fromkeys(("warehouse", "statement"), _WAREHOUSE),
    **dict.fromkeys(("lake", "journal", "already_running", "conflict", "lease_lost"), _ANY),
    "state": _ANY,
}


@dataclass
class RunResults:
    """`processed` is every (step, about) that went well or failed; `counts` are totals by name."""

    processed: set[tuple[str, str]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    has_build: bool = False
    _troubles: dict[tuple[str, str], Trouble] = field(default_factory=dict)
    _problems: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> list[Trouble]:
        return list(self._troubles.values())

    @property
    def unpublished(self) -> str:
        """Why tables that others read are not up to date."""
        return "; ".join(t.message for t in self.troubles if t.step == "publish")

    @property
    def problems(self) -> list[str]:
        """Why the run is incomplete, a line each."""
        steps = [f"{trouble.step} {trouble.about}: {trouble.message}" for trouble in self.troubles]
        files, records = self.counts["failed_files"], self.counts["set_aside"]
        counts = [f"{files:,} file(s) rejected: `seil files --state error`"] if files else []
        if records:
            counts.append(f"{records:,} record(s) set aside: `seil files show`")
        return [*steps, *counts, *self._problems]

    def add_problem(self, problem: str) -> None:
        self._problems.append(problem)

    def add_flows(self, flows: Iterable[FlowResult]) -> None:
        """Flows, and each comparison under its own mode."""
        for flow in flows:
            whole = flow.mode in (None, "full", "delta")
            about = flow.object if whole else f"{flow.object} {flow.mode}"
            self.note("extract", about, flow.error)
            self.counts["rows"] += flow.landed

    def add_comparisons(self, compared: Iterable[tuple[str, str]]) -> None:
        """Objects and modes. A comparison without a difference has no flow."""
        self.processed.update(("extract", f"{name} {mode}") for name, mode in compared)

    def add_ingest(self, report: IngestReport) -> None:
        """A rejected file is in error/, where status finds it; a blocked one stays in in/."""
        for file in report.succeeded:
            self.note("ingest", file.object)
        for name, file in {file.object: file for file in report.blocked}.items():
            blocked = Trouble("ingest", name, "configuration", file.message, file.hint)
            self.note("ingest", name, blocked)
        self.counts["files"] += len(report.succeeded)
        self.counts["failed_files"] += len(report.failed)
        self.counts["set_aside"] += report.rejected_rows

    def add_load(self, report: LoadReport) -> None:
        for entry in report.objects:
            self.note("load", entry.object, "; ".join(entry.errors))
            self.counts["loaded_rows"] += entry.rows

    def add_build(self, report: BuildReport) -> None:
        self.has_build = self.has_build or bool(report.build_id)
        for table in report.tables:
            kind = "blocked" if table.state == "skipped" else ""
            problem = "" if table.is_built else table.message or table.state
            self.note("build", table.table, problem, kind=kind)

    def add_changed(self, report: ChangedReport) -> None:
        self.add_flows(report.flows)
        self.add_ingest(report.ingest)
        self.add_load(report.load)
        self.add_build(report.build)
        if report.publish_problem:
            self.add_problem(f"publish: {report.publish_problem}")

    def add_run(self, report: RunReport) -> None:
        self.add_flows([*report.extract.flows, *report.reconciliation])
        self.add_comparisons(report.comparisons)
        self.add_ingest(report.ingest)
        self.add_load(report.load)
        self.add_build(report.build)
        for problem in report.ledger_problems:
            self.add_problem(problem)

    def note(
        self,
        step: TroubleStep,
        about: str,
        error: Trouble | SeilError | str | None = None,
        *,
        kind: str = "",
    ) -> None:
        """A step that went well, or its error. The last one of a step counts."""
        self.processed.add((step, about))
        if isinstance(error, SeilError):
            error = Trouble(step, about, error_type(error), error.message, error.hint)
        elif isinstance(error, str) and error:
            error = Trouble(step, about, kind or step, error)
        if error:
            self._troubles[step, about] = error
        else:
            self._troubles.pop((step, about), None)

    def settles(self, trouble: Trouble, run: RunRecord) -> bool:
        """Whether the run, which has ended, shows that the trouble of an earlier one is over."""
        if trouble.step != "stop":
            return (trouble.step, trouble.about) in self.processed
        if run.outcome not in ("success", "incomplete"):
            return False
        if trouble.command not in _ANY:
            # The far end of a way back is met by that way alone.
            return run.command == trouble.command
        return run.command in _CLEARED_BY.get(trouble.kind, {"run", trouble.command})


def stop_of(run: RunRecord) -> Iterator[Trouble]:
    """The error that ended the run early. A refusal while another run held the lock is no trouble
    of the site.
    """
    if run.outcome == "error":
        yield Trouble("stop", run.error, run.error, run.message, run.hint)
