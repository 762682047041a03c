"""Landing -> curated: checks, cleans and archives landed files.

The order of effects makes a kill harmless: exceptions file, clean copy, intent, move, event. A
repeat writes the same keys, and completes a move from its intent.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from seil import __version__
from seil.arrow_memory import use_frugal_pool
from seil.catalog import Catalog, SyncedObject
from seil.errors import ConfigurationError, LakeError
from seil.events.bus import Bus
from seil.events.file_events import drift_event, file_event
from seil.lake import Entry, Lake, LandedFile, landed_file
from seil.lake.keys import LANDING_PREFIX, UNRECOGNISED_PREFIX
from seil.observe.fields import log_fields
from seil.observe.progress import SILENT, Progress, Step
from seil.observe.workers import Workers
from seil.settings import IngestSettings
from seil.sf_to_dw.ingest.checks import UnfitError, check_object
from seil.sf_to_dw.ingest.cleaning import ChangedError, CleanCopy, Cleaner, Task
from seil.sf_to_dw.ingest.curated import exceptions_key
from seil.sf_to_dw.ingest.deliveries import free_key, settle, settle_pending
from seil.sf_to_dw.schema.registry import SchemaDiff, SchemaRegistry
from seil.state.decisions import NO_DECISIONS, DecisionStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestResult:
    """The outcome for one landed file.

    success: its clean copy is in curated. error: moved to error/; `check` and `message` say why.
    waiting: still being written, stays in in/. blocked: stays in in/ until a rule or mapping of its
    object is corrected. gone: no longer in in/.
    """

    key: str
    state: Literal["success", "error", "waiting", "blocked", "gone"]
    message: str
    object: str = ""
    flow_run_id: str = ""
    check: str = ""
    hint: str = ""
    archived_key: str = ""
    curated_key: str = ""
    exceptions_key: str = ""
    landed_rows: int = 0
    curated_rows: int = 0
    rejected_rows: int = 0
    rules: tuple[Mapping[str, Any], ...] = ()
    drift: SchemaDiff = field(default_factory=SchemaDiff)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.state not in ("error", "blocked") and not self.rejected_rows

    def __str__(self) -> str:
        hint = f". {self.hint}" if self.hint else ""
        return f"{self.state}: {self.key}: {self.message}{hint}"


@dataclass(frozen=True)
class IngestReport:
    """One result per file, in the order of their keys."""

    files: list[IngestResult]

    def __add__(self, other: IngestReport) -> IngestReport:
        return IngestReport([*self.files, *other.files])

    @property
    def ok(self) -> bool:
        return all(file.ok for file in self.files)

    @property
    def succeeded(self) -> list[IngestResult]:
        return [file for file in self.files if file.state == "success"]

    @property
    def failed(self) -> list[IngestResult]:
        return [file for file in self.files if file.state == "error"]

    @property
    def blocked(self) -> list[IngestResult]:
        return [file for file in self.files if file.state == "blocked"]

    @property
    def summary(self) -> str:
        """The files that failed first, then the counts."""
        counts = f"{len(self.succeeded):,} of {len(self.files):,} files ingested"
        aside = f"{self.rejected_rows:,} records set aside"
        parts = [*map(str, self.failed), *map(str, self.blocked), *([counts] if self.files else [])]
        return "; ".join([*parts, *([aside] if self.rejected_rows else [])])

    @property
    def curated_rows(self) -> int:
        return sum(file.curated_rows for file in self.files)

    @property
    def rejected_rows(self) -> int:
        return sum(file.rejected_rows for file in self.files)


class Ingestor:
    """Thread-safe; one process at a time on a lake."""

    def __init__(
        self,
        lake: Lake,
        catalog: Catalog,
        *,
        settings: IngestSettings,
        bus: Bus,
        registry: SchemaRegistry,
        decisions: DecisionStore = NO_DECISIONS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        function_name: str = "seil-ingest",
        function_version: str = __version__,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        use_frugal_pool()
        self._lake = lake
        self._catalog = catalog
        self._workers = settings.workers
        self._bus = bus
        self._cleaner = Cleaner(lake, catalog, registry, settings, decisions)
        self._clock = clock
        self._function = {"function_name": function_name, "function_version": function_version}
        self._new_id = new_id

    def sweep(
        self,
        objects: Sequence[SyncedObject] = (),
        progress: Progress = SILENT,
        *,
        on_file: Callable[[IngestResult], None] = lambda _: None,
    ) -> IngestReport:
        """Ingests all files in in/, or those of `objects`.

        A rejected file is reported, and the others continue. `on_file` is called in the caller's
        thread as each file ends. Files of an object with a rule that cannot be evaluated stay in
        in/. Raises LakeError; files not yet ingested stay, too.
        """
        settle_pending(self._lake, self._bus)
        keys = [entry.key for entry in self._list_landed(objects)]
        names = [obj.api_name for obj in objects] if len(objects) == 1 else []
        results: dict[str, IngestResult] = {}
        with (
            progress.step(" ".join(["ingest", *names])) as step,
            Workers(self._workers, "ingest") as workers,
        ):
            running = [workers.submit(self._ingest_or_block, key, step) for key in keys]
            for future in as_completed(running):
                result = future.result()
                results[result.key] = result
                on_file(result)
            report = IngestReport([results[key] for key in keys])
            step.conclude(report.summary, ok=not report.failed and not report.blocked)
        return report

    def _list_landed(self, objects: Sequence[SyncedObject]) -> Iterator[Entry]:
        names = {obj.landing_name.lower() for obj in objects}
        for entry in self._lake.landing.list(LANDING_PREFIX):
            landed = landed_file(entry.key)
            if not names or (landed and landed.landing_name.lower() in names):
                yield entry

    def _ingest_or_block(self, key: str, step: Step) -> IngestResult:
        try:
            return self.ingest(key, step)
        except ConfigurationError as error:
            log.warning("ingest blocked: %s: %s", key, error, extra={"file": key})
            return self._block(key, error)

    def _block(self, key: str, error: ConfigurationError) -> IngestResult:
        landed = landed_file(key)
        obj = self._catalog.by_landing_name(landed.landing_name) if landed else None
        return IngestResult(
            key,
            "blocked",
            "; ".join(map(str, error.problems)),
            object=obj.api_name if obj else "",
            flow_run_id=landed.flow_run_id if landed else "",
            hint="Correct it in objects.toml, as `seil doctor` shows, then run `seil ingest`",
        )

    def ingest(self, key: str, step: Step | None = None) -> IngestResult:
        """One file. Raises LakeError and ConfigurationError; the file then stays in in/."""
        with log_fields(file=key), SILENT.step("ingest") as silent:
            settle_pending(self._lake, self._bus, key)
            entry = self._lake.landing.head(key)
            if entry is None:
                return _gone_result(key, "it is not in in/ any more")
            try:
                result = self._ingest(entry, step or silent)
            except LakeError as error:
                is_missing = isinstance(error.__cause__, FileNotFoundError)
                if not is_missing or self._lake.landing.head(key):
                    raise
                result = _gone_result(key, "it was removed while it was read")
            level = logging.WARNING if result.state == "error" else logging.INFO
            log.log(level, "ingest %s", result, extra=_log_fields(result))
            return result

    def _ingest(self, entry: Entry, step: Step) -> IngestResult:
        landed = landed_file(entry.key)
        if landed is None or landed.env != self._lake.env:
            return self._reject_unrecognised(entry)
        try:
            obj = check_object(landed, self._catalog)
            landed = replace(landed, landing_name=obj.landing_name)
            task = self._task(entry, landed, obj, step)
            return self._succeed(task, self._cleaner.clean(task))
        except UnfitError as error:
            # A file that is still being copied into in/ looks truncated.
            if self._lake.landing.head(entry.key) != entry:
                return _waiting(landed, entry.key)
            return self._reject(entry, landed, error)
        except ChangedError:
            return _waiting(landed, entry.key)
        except pa.ArrowException as error:
            # An unforeseen error of pyarrow about one file must not stop the others.
            if isinstance(error, MemoryError):
                raise
            log.warning("%s", entry.key, exc_info=True)
            reason = f"the file cannot be read: {str(error).strip().partition(chr(10))[0]}"
            return self._reject(entry, landed, UnfitError("whole", reason))

    def _task(self, entry: Entry, landed: LandedFile, obj: SyncedObject, step: Step) -> Task:
        lineage = {
            "filename": self._lake.landing.uri(entry.key),
            **self._function,
            "aws_request_id": self._new_id(),
            "appflow_id": landed.flow_run_id,
            "processed_ts": self._clock(),
        }
        return Task(entry, landed, obj, lineage, step)

    def _succeed(self, task: Task, copy: CleanCopy) -> IngestResult:
        result = IngestResult(
            task.entry.key,
            "success",
            _success_message(task.obj, copy),
            object=task.obj.api_name,
            flow_run_id=task.landed.flow_run_id,
            archived_key=copy.delivery.archived_key,
            curated_key=copy.delivery.curated_key,
            exceptions_key=exceptions_key(copy.delivery.curated_key) if copy.rejected_rows else "",
            landed_rows=copy.landed_rows,
            curated_rows=copy.curated_rows,
            rejected_rows=copy.rejected_rows,
            rules=tuple(count.to_dict() for count in copy.rules),
            drift=copy.drift,
            notes=tuple(copy.notes),
        )
        at = self._clock()
        detail = {
            **_detail(result),
            "processing_id": task.lineage["aws_request_id"],
            **self._function,
            "digest": copy.delivery.digest,
            "mode": copy.metadata.get("seil.mode", ""),
            "set_aside": dict(copy.reasons),
            "missing": copy.plan.missing,
            "left_out": dict(copy.plan.left_out),
            "cut": list(copy.truncated),
        }
        events = [file_event(self._lake, task.entry, "success", detail, at=at)]
        if copy.drift:
            drift = copy.drift.to_dict()
            events.insert(0, drift_event(task.entry, task.obj.api_name, drift, at=at))
        settle(self._lake, self._bus, task.entry, target=result.archived_key, events=events)
        return result

    def _reject(self, entry: Entry, landed: LandedFile, error: UnfitError) -> IngestResult:
        obj = self._catalog.by_landing_name(landed.landing_name)
        target = landed.archive_key("error", entry.modified)
        return self._move_aside(
            entry,
            target,
            error,
            object_name=obj.api_name if obj else landed.landing_name,
            flow_run_id=landed.flow_run_id,
        )

    def _reject_unrecognised(self, entry: Entry) -> IngestResult:
        error = UnfitError(
            "place",
            f"a landed file lies at in/{self._lake.env}-Salesforce-<landing name>/<run>/<file>",
            "For files with other names, use `seil ingest --from <folder>`",
        )
        target = UNRECOGNISED_PREFIX + entry.key.removeprefix(LANDING_PREFIX)
        return self._move_aside(entry, target, error)

    def _move_aside(
        self,
        entry: Entry,
        target: str,
        error: UnfitError,
        *,
        object_name: str = "",
        flow_run_id: str = "",
    ) -> IngestResult:
        result = IngestResult(
            entry.key,
            "error",
            error.reason,
            object=object_name,
            flow_run_id=flow_run_id,
            check=error.check,
            hint=error.hint,
            archived_key=free_key(self._lake.landing, entry.key, target),
        )
        event = file_event(self._lake, entry, "error", _detail(result), at=self._clock())
        settle(self._lake, self._bus, entry, target=result.archived_key, events=[event])
        return result


def _log_fields(result: IngestResult) -> dict[str, Any]:
    names = ("object", "flow_run_id", "state", "landed_rows", "curated_rows", "rejected_rows")
    return {name: getattr(result, name) for name in names}


def _gone_result(key: str, message: str) -> IngestResult:
    return IngestResult(key, "gone", message)


def _waiting(landed: LandedFile, key: str) -> IngestResult:
    message = "it is still being written; the next ingest looks again"
    return IngestResult(key, "waiting", message, flow_run_id=landed.flow_run_id)


def _success_message(obj: SyncedObject, copy: CleanCopy) -> str:
    parts = [f"{copy.curated_rows:,} of {copy.landed_rows:,} rows curated"]
    if copy.rejected_rows:
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in copy.reasons.items())
        parts.append(f"{copy.rejected_rows:,} set aside ({reasons})")
    parts += [
        f"to keep such values: `seil schema accept {obj.api_name}.{column} --as text`, then"
        f" `seil files retry --object {obj.api_name} --exceptions`"
        for column in copy.misfit_columns
    ]
    parts += [
        f"warning: {count.records:,} rows: {count.rule.message}"
        for count in copy.rules
        if count.rule.validation.level == "warning"
    ]
    for word, columns in (("added", copy.drift.added), ("widened", copy.drift.widened)):
        if columns:
            parts.append(f"{word} {', '.join(columns)}")
    return "; ".join([*parts, *copy.notes])


def _detail(result: IngestResult) -> dict[str, Any]:
    """The event's detail without key, state and size; empty texts are left out."""
    texts = {
        "object": result.object,
        "message": result.message,
        "flow_run_id": result.flow_run_id,
        "check": result.check,
        "hint": result.hint,
        "archived_key": result.archived_key,
        "curated_key": result.curated_key,
        "exceptions_key": result.exceptions_key,
    }
    counts = {
        "landed_rows": result.landed_rows,
        "curated_rows": result.curated_rows,
        "rejected_rows": result.rejected_rows,
        "rules": [dict(rule) for rule in result.rules],
    }
    return {**{name: text for name, text in texts.items() if text}, **counts}
