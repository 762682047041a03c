"""What a run looked at, and what of it went well or failed: for its outcome and `seil status`."""

from __future__ import annotations

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
    from seil.sf_to_dw.pipeline import RunReport

# What ended a run is over when a command that meets the same far end gets through; each command
# takes the lock, reads the lake and writes the journal.
USES_ORG = frozenset({"run", "extract", "reconcile"})
_WAREHOUSE = frozenset({"run", "load", "build", "rebuild", "reconcile"})
_ANY = USES_ORG | _WAREHOUSE | {"ingest"}
_CLEARED_BY: dict[str, frozenset[str]] = {
    **dict.fromkeys(("login", "quota_exhausted", "unavailable", "too_slow"), USES_ORG),
    **dict.fromkeys(("unexpected_answer", "request_rejected"), USES_ORG),
    **dict.fromkeys(("warehouse", "statement"), _WAREHOUSE),
    **dict.fromkeys(("lake", "journal", "already_running", "conflict", "lease_lost"), _ANY),
    "state": _ANY,
}


@dataclass
class RunResults:
    """`known` is every (step, about) that went well or failed."""

    known: set[tuple[str, str]] = field(default_factory=set)
    troubles: list[Trouble] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def extracted(self, flows: Iterable[FlowResult]) -> None:
        """Flows and what was read besides them, each for itself."""
        for flow in flows:
            whole = flow.mode in (None, "full", "delta")
            about = flow.object if whole else f"{flow.object} {flow.mode}"
            self._note("extract", about, flow.error)
            self._count("rows", flow.landed)

    def checked(self, compared: Iterable[tuple[str, str]]) -> None:
        """Objects and modes that were compared: mostly there is nothing to read, and no flow."""
        self.known.update(("extract", f"{name} {mode}") for name, mode in compared)

    def ingested(self, report: IngestReport) -> None:
        """A file that failed lies in error/, where it is seen; one that is blocked lies in in/."""
        self.known.update(("ingest", file.object) for file in report.taken_in)
        for name, file in {file.object: file for file in report.blocked}.items():
            self.known.add(("ingest", name))
            self.troubles.append(Trouble("ingest", name, "configuration", file.message, file.hint))
        self._count("files", len(report.taken_in))
        self._count("failed_files", len(report.failed))
        self._count("set_aside", report.rejected_rows)

    def loaded(self, report: LoadReport) -> None:
        for entry in report.objects:
            self._note("load", entry.object, "; ".join(entry.errors))
            self._count("loaded_rows", entry.rows)

    def built(self, report: BuildReport) -> None:
        for table in report.tables:
            kind = "blocked" if table.state == "skipped" else ""
            problem = "" if table.is_built else table.message or table.state
            self._note("build", table.table, problem, kind=kind)

    def ran(self, report: RunReport) -> None:
        self.extracted([*report.extract.flows, *report.beside])
        self.checked(report.checked)
        self.ingested(report.ingest)
        self.loaded(report.load)
        self.built(report.build)

    def settles(self, trouble: Trouble, run: RunRecord) -> bool:
        """Whether the run, which has ended, shows that the trouble of an earlier one is over."""
        if trouble.step != "stop":
            return (trouble.step, trouble.about) in self.known
        if run.outcome not in ("success", "incomplete"):
            return False
        return run.command in _CLEARED_BY.get(trouble.kind, {"run", trouble.command})

    def _note(
        self, step: TroubleStep, about: str, error: SeilError | str | None, *, kind: str = ""
    ) -> None:
        self.known.add((step, about))
        if isinstance(error, SeilError):
            facts = (error_type(error), error.message, error.hint)
            self.troubles.append(Trouble(step, about, *facts))
        elif error:
            self.troubles.append(Trouble(step, about, kind or step, error))

    def _count(self, name: str, more: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + more


def stop_of(run: RunRecord) -> Iterator[Trouble]:
    """What ended the run, where it ended before its time."""
    if run.outcome in ("error", "refused"):
        yield Trouble("stop", run.error, run.error, run.message, run.hint)
