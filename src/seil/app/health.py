"""What went wrong and has not gone right since, and which runs there are: what `seil status` reads.

Documents in staging, each written by one writer and whole, so that two runs never lose one
another's: `health/last_run.json`; `health/under-way/<run id>.json` from a run's start to its end,
which a run that died leaves behind; `health/troubles/<step>/<about>.json` for what failed, removed
by the run in which it goes well again. Each run is an event, too, detail type `run`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from seil.errors import AlreadyRunningError, ConfigurationError, SeilError, error_type
from seil.events.envelope import Event
from seil.observe.run_context import in_run, new_run_id

if TYPE_CHECKING:
    from seil.events.bus import Bus
    from seil.lake import Bucket, Lake
    from seil.modeling.build import BuildReport
    from seil.sf_to_dw.extract.flow_run import FlowResult
    from seil.sf_to_dw.ingest.ingestor import IngestReport
    from seil.sf_to_dw.load.loader import LoadReport
    from seil.sf_to_dw.pipeline import RunReport

log = logging.getLogger(__name__)

Outcome = Literal["running", "success", "incomplete", "error", "interrupted", "refused", "misused"]
Step = Literal["stop", "extract", "ingest", "load", "build"]

_LAST_RUN = "health/last_run.json"
_UNDER_WAY = "health/under-way/"
_TROUBLES = "health/troubles/"

# What ended a run is over when a command that meets the same far end gets through; each command
# takes the lock, reads the lake and writes the journal.
_ORG = frozenset({"run", "extract", "reconcile"})
_LOGIN = frozenset({"login", "other_org"})
_WAREHOUSE = frozenset({"run", "load", "build", "rebuild", "reconcile"})
_ANY = _ORG | _WAREHOUSE | {"ingest"}
_CLEARED_BY: dict[str, frozenset[str]] = {
    **dict.fromkeys(("login", "quota_exhausted", "unavailable", "too_slow"), _ORG),
    **dict.fromkeys(("unexpected_answer", "request_rejected"), _ORG),
    **dict.fromkeys(("warehouse", "statement"), _WAREHOUSE),
    **dict.fromkeys(("lake", "journal", "already_running", "conflict", "lease_lost"), _ANY),
}


@dataclass(frozen=True)
class Trouble:
    """Something that failed: `about` is the object, the table, or the kind of what ended a run.

    `since` is when it failed first without having gone well in between.
    """

    step: Step
    about: str
    kind: str
    message: str
    hint: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: str = ""
    command: str = ""

    @property
    def key(self) -> str:
        return f"{_TROUBLES}{self.step}/{quote(self.about, safe='')}.json"


@dataclass(frozen=True)
class RunRecord:
    """One run of one command. `ended_at` is None while it is under way, and where it died."""

    run_id: str
    command: str
    started_at: datetime
    outcome: Outcome = "running"
    ended_at: datetime | None = None
    message: str = ""
    hint: str = ""
    error: str = ""
    exit_code: int = 0
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    process_start: str = field(default_factory=lambda: _process_start(os.getpid()))

    @classmethod
    def begin(cls, command: str) -> Self:
        now = datetime.now(UTC)
        return cls(new_run_id(now), command, now)

    def ended(self, outcome: Outcome, error: BaseException | None = None) -> Self:
        said = replace(self, outcome=outcome, ended_at=datetime.now(UTC))
        if isinstance(error, SeilError):
            facts = (error.message, error.hint, error_type(error), error.exit_code)
            return replace(
                said, message=facts[0], hint=facts[1], error=facts[2], exit_code=facts[3]
            )
        if error is not None:
            return replace(said, message=str(error), error=type(error).__name__, exit_code=1)
        return said

    @property
    def is_alive(self) -> bool:
        """Of another machine nothing is known: its run counts until a later one has ended."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # Somebody else's.
            return True
        return self.process_start in ("", _process_start(self.pid))


@dataclass
class RunResults:
    """What a run looked at: `known` is every (step, about) that went well or failed."""

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

    def _note(
        self, step: Step, about: str, error: SeilError | str | None, *, kind: str = ""
    ) -> None:
        self.known.add((step, about))
        if isinstance(error, SeilError):
            found = (error_type(error), error.message, error.hint)
            self.troubles.append(Trouble(step, about, *found))
        elif error:
            self.troubles.append(Trouble(step, about, kind or step, error))

    def _count(self, name: str, more: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + more


@dataclass(frozen=True)
class Health:
    """The documents, in the lake's staging bucket."""

    lake: Lake

    @property
    def _bucket(self) -> Bucket:
        return self.lake.staging

    def troubles(self) -> list[Trouble]:
        """Oldest first."""
        found = [Trouble(**_known_fields(Trouble, body)) for body in self._read(_TROUBLES)]
        return sorted(found, key=lambda trouble: trouble.since)

    def last_run(self) -> RunRecord | None:
        body = self.lake.document(_LAST_RUN).read()
        return _record(body) if body else None

    def under_way(self) -> list[RunRecord]:
        """Those that have not ended: alive or dead; a later run that ended outlives them."""
        last = self.last_run()
        records = [_record(body) for body in self._read(_UNDER_WAY)]
        return [run for run in records if last is None or run.started_at >= last.started_at]

    def begin(self, run: RunRecord) -> None:
        self._store(f"{_UNDER_WAY}{run.run_id}.json", lambda _: vars(run))

    def end(self, run: RunRecord, results: RunResults) -> None:
        """Its outcome last: until then it counts as under way. What its successor has written while
        it was paused stays.
        """
        if not self._is_succeeded(run):
            self._write_down(run, results)
        for other in [_record(body) for body in self._read(_UNDER_WAY)]:
            if other.run_id == run.run_id or not other.is_alive:
                self._bucket.delete(f"{_UNDER_WAY}{other.run_id}.json")

    def note_stop(self, command: str, error: SeilError) -> None:
        """Of a command that goes on by itself, until `clear_stops`."""
        kind = error_type(error)
        self._keep(Trouble("stop", kind, kind, error.message, error.hint, command=command))

    def clear_stops(self, command: str) -> None:
        for trouble in self.troubles():
            if trouble.step == "stop" and trouble.command == command:
                self._bucket.delete(trouble.key)

    def clear_login(self) -> None:
        """The login works, to the site's own org: said at once, since a run can take hours yet."""
        for trouble in self.troubles():
            if trouble.step == "stop" and trouble.kind in _LOGIN:
                self._bucket.delete(trouble.key)

    def _is_succeeded(self, run: RunRecord) -> bool:
        last = self.last_run()
        return bool(run.error == "lease_lost" and last and last.started_at > run.started_at)

    def _write_down(self, run: RunRecord, results: RunResults) -> None:
        new = [*results.troubles, *_stop(run)]
        again = {trouble.key for trouble in new}
        for trouble in self.troubles():
            if trouble.key not in again and _is_over(trouble, run, results):
                self._bucket.delete(trouble.key)
        for trouble in new:
            self._keep(replace(trouble, run_id=run.run_id, command=run.command))
        if run.outcome not in ("refused", "misused"):
            self._store(_LAST_RUN, lambda _: vars(run))

    def _keep(self, trouble: Trouble) -> None:
        def edit(body: dict[str, Any] | None) -> dict[str, Any]:
            held = Trouble(**_known_fields(Trouble, body)) if body else trouble
            since = held.since if held.kind == trouble.kind else trouble.since
            return vars(replace(trouble, since=since))

        self._store(trouble.key, edit)

    def _read(self, prefix: str) -> Iterator[dict[str, Any]]:
        for entry in self._bucket.list(prefix):
            if body := self._bucket.find(entry.key):
                yield json.loads(body)

    def _store(self, key: str, edit: Callable[[dict[str, Any] | None], dict[str, Any]]) -> None:
        self.lake.document(key).change(edit)


@contextmanager
def recorded_run(lake: Lake, bus: Bus, command: str) -> Iterator[RunResults]:
    """Writes down how a run ends, however it ends; fill in what it yields with what went well."""
    health, run, results = Health(lake), RunRecord.begin(command), RunResults()
    health.begin(run)
    bus.publish([_event(run, results)])
    try:
        with in_run(run.run_id, command):
            yield results
    except AlreadyRunningError as error:
        _write_down(health, bus, run.ended("refused", error), results)
        raise
    except ConfigurationError as error:
        # The commands that work on one machine alone meet it only in what was typed.
        outcome: Outcome = "error" if command in _ORG else "misused"
        _write_down(health, bus, run.ended(outcome, error), results)
        raise
    except Exception as error:
        _write_down(health, bus, run.ended("error", error), results)
        raise
    except BaseException:
        _write_down(health, bus, run.ended("interrupted"), results)
        raise
    outcome = "incomplete" if results.troubles else "success"
    _write_down(health, bus, run.ended(outcome), results)


def _write_down(health: Health, bus: Bus, run: RunRecord, results: RunResults) -> None:
    """Where that fails, a full disk say, what ended the run is what is told."""
    writes: tuple[Callable[[], None], ...] = (
        lambda: health.end(run, results),
        lambda: bus.publish([_event(run, results)]),
    )
    for write in writes:
        try:
            write()
        except SeilError as error:
            log.warning("how the run ended cannot be written down: %s", error)


def _event(run: RunRecord, results: RunResults) -> Event:
    told = {"message": run.message, "hint": run.hint, "error": run.error}
    detail = {
        "state": "started" if run.outcome == "running" else run.outcome,
        "run_id": run.run_id,
        "command": run.command,
        **{name: text for name, text in told.items() if text},
        **({"exit_code": run.exit_code} if run.exit_code else {}),
        **results.counts,
        **({"failed": [f"{t.step} {t.about}" for t in results.troubles]} if run.ended_at else {}),
    }
    return Event("seil.sf-to-dw", "run", detail)


def _stop(run: RunRecord) -> Iterable[Trouble]:
    if run.outcome in ("error", "refused"):
        yield Trouble("stop", run.error, run.error, run.message, run.hint)


def _is_over(trouble: Trouble, run: RunRecord, results: RunResults) -> bool:
    if trouble.step != "stop":
        return (trouble.step, trouble.about) in results.known
    if run.outcome not in ("success", "incomplete"):
        return False
    return run.command in _CLEARED_BY.get(trouble.kind, {"run", trouble.command})


def _known_fields(kind: type, body: dict[str, Any]) -> dict[str, Any]:
    """What a later version has written besides is left out."""
    names = {part.name for part in fields(kind)}
    times = {"since", "started_at", "ended_at"}
    return {
        name: datetime.fromisoformat(value) if name in times and value else value
        for name, value in body.items()
        if name in names
    }


def _record(body: dict[str, Any]) -> RunRecord:
    return RunRecord(**_known_fields(RunRecord, body))


def _process_start(pid: int) -> str:
    """When the kernel started it (proc(5), stat, field 22); empty where that cannot be told."""
    with suppress(OSError, IndexError):
        return re.sub(r".*\)", "", Path(f"/proc/{pid}/stat").read_text("utf-8")).split()[19]
    return ""
