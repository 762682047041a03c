"""Cleans one landed file: checks it and streams it to curated, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

import pyarrow as pa

from seil.catalog import Catalog, SyncedObject
from seil.lake import Entry, Lake, LandedFile
from seil.lake.notices import announce
from seil.observe.progress import Step
from seil.salesforce.schema import ObjectSchema
from seil.settings import IngestSettings
from seil.sf_to_dw.extract.flows import PARTIAL_MODES, find_manifest
from seil.sf_to_dw.ingest import checks
from seil.sf_to_dw.ingest.checks import OpenParquet, UnfitError
from seil.sf_to_dw.ingest.conform import (
    ConformPlan,
    WidenError,
    conform_plan,
    earlier_lineage,
)
from seil.sf_to_dw.ingest.curated import CuratedFiles, curated_files
from seil.sf_to_dw.ingest.deliveries import Delivery, content_digest, delivery_of, release
from seil.sf_to_dw.ingest.folders import Partitions, partitions_of
from seil.sf_to_dw.ingest.readahead import read_ahead
from seil.sf_to_dw.ingest.rules import RuleBook, RuleCount
from seil.sf_to_dw.schema.column_names import MISSING
from seil.sf_to_dw.schema.registry import EXCLUDED, SchemaDiff, SchemaRegistry
from seil.sf_to_dw.schema.review import as_text_columns
from seil.state.decisions import DecisionStore, in_force

BATCH_ROWS = 1 << 12
BATCH_BYTES = 8 << 20
# Enough for decoding to continue while a row group is written.
BATCHES_AHEAD = 2
_SAMPLED_IDS = 100


class ChangedError(Exception):
    """The landed file was replaced while it was read."""


class _SchemaChangedError(Exception):
    """Another file of this object has changed the expected schema meanwhile."""


@dataclass(frozen=True)
class Task:
    """A landed file to clean. `lineage` are the values of the lineage columns."""

    entry: Entry
    landed: LandedFile
    obj: SyncedObject
    lineage: Mapping[str, object]
    step: Step


@dataclass(frozen=True)
class CleanCopy:
    """The curated file that was written, and what its records lost on the way."""

    delivery: Delivery
    plan: ConformPlan
    drift: SchemaDiff
    metadata: Mapping[str, str]
    landed_rows: int
    curated_rows: int
    rejected_rows: int
    rules: list[RuleCount]
    reasons: Mapping[str, int]
    truncated: tuple[str, ...] = ()
    misfit_columns: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What the clean copy leaves out or truncates."""
        left_out = self.plan.left_out.items()
        notes = [f"left out {name}: {why}" for name, why in left_out if why != EXCLUDED]
        if self.truncated:
            notes.append(f"cut nanoseconds to microseconds in {', '.join(self.truncated)}")
        return notes


@dataclass
class _Job:
    """A file under way. `reported` are its rows that progress already counts, over all attempts;
    `needed` are the types that it needs beyond those of the schema `expected`.
    """

    task: Task
    parquet: OpenParquet
    metadata: Mapping[str, str]
    delivery: Delivery
    parts: Partitions = field(default_factory=dict)
    reported: int = 0
    expected: ObjectSchema | None = None
    needed: dict[str, pa.DataType] = field(default_factory=dict)
    truncated: set[str] = field(default_factory=set)
    misfit_columns: set[str] = field(default_factory=set)

    def advance(self, rows: int) -> None:
        if rows > self.reported:
            self.task.step.advance(rows - self.reported)
            self.reported = rows


@dataclass(frozen=True)
class Cleaner:
    lake: Lake
    catalog: Catalog
    registry: SchemaRegistry
    settings: IngestSettings
    decisions: DecisionStore

    def clean(self, task: Task) -> CleanCopy:
        """Raises UnfitError, with nothing in curated, for a file that fails a check.

        Raises ChangedError for one that is replaced meanwhile, ConfigurationError for a rule that
        cannot be evaluated, LakeError.
        """
        key, size = task.entry.key, task.entry.size
        checks.check_size(size, self.settings.min_bytes)
        with self.lake.landing.reader(key) as file:
            checks.check_magic(file, size)
            parquet = OpenParquet(file)
            metadata = _metadata(parquet)
            parts = partitions_of(self.lake, key)
            self._check_footer(task, parquet, metadata, parts)
            digest = content_digest(self.lake.landing, key)
            delivery = delivery_of(self.lake, task.landed, task.entry, digest)
            try:
                job = _Job(task, parquet, metadata, delivery, parts)
                job.truncated |= parquet.finer_columns()
                return self._clean(job)
            except UnfitError:
                release(self.lake, delivery)
                raise

    def _check_footer(
        self, task: Task, parquet: OpenParquet, metadata: Mapping[str, str], parts: Partitions
    ) -> None:
        names = parquet.schema_arrow.names
        checks.check_object_metadata(metadata, task.obj, self.catalog)
        expected = self._expected_rows(task, metadata)
        checks.check_rows(parquet.num_rows, task.obj, expected)
        checks.check_duplicates(names)
        checks.check_required([*names, *parts], _rules_for(task.obj, metadata))

    def _expected_rows(self, task: Task, metadata: Mapping[str, str]) -> dict[str, int]:
        expected = {}
        if (rows := metadata.get("seil.expected_rows", "")).isdigit():
            expected["its metadata (seil.expected_rows)"] = int(rows)
        landed = task.landed
        if body := find_manifest(self.lake, landed.landing_name, landed.flow_run_id):
            for page in json.loads(body).get("pages", ()):
                if page["key"] == task.entry.key:
                    expected["the run's manifest"] = int(page["rows"])
        return expected

    def _clean(self, job: _Job) -> CleanCopy:
        """Retries with a wider type, or with the schema that another file has changed."""
        while True:
            try:
                return self._write(job, self._plan(job))
            except WidenError as error:
                job.needed |= error.needed
            except _SchemaChangedError:
                continue

    def _plan(self, job: _Job) -> ConformPlan:
        obj = job.task.obj
        expected = self.registry.expected(obj)
        if expected != job.expected:
            # Another file may have widened a column further than this one needs.
            job.expected = expected
            job.needed.clear()
        described = self.registry.get(obj) is not None
        landed = job.parquet.schema_arrow
        lineage = earlier_lineage(landed, job.metadata, expected)
        plan = conform_plan(
            landed, obj, expected, described=described, lineage=lineage, parts=job.parts
        )
        if expected is None:
            # A rule may be about a column that only this file lacks.
            plan = plan.with_nulls(_rule_columns(_rules_for(obj, job.metadata)))
        if _is_partial(job.metadata):
            plan = replace(plan, targets=tuple(t for t in plan.targets if not t.is_empty))
        texts = as_text_columns(in_force(self.decisions.get(obj.api_name)).values())
        return plan.widen(job.needed).with_texts(texts)

    def _write(self, job: _Job, plan: ConformPlan) -> CleanCopy:
        task, delivery = job.task, job.delivery
        name, key = task.landed.landing_name, delivery.curated_key
        announce(self.lake, name, "curated", key, of=delivery.landed_at)
        with (
            curated_files(self.lake.curated, delivery.curated_key, task.lineage) as files,
            closing(RuleBook(_rules_for(task.obj, job.metadata), plan.schema)) as book,
        ):
            rows = self._stream(job, plan, book, files)
            checks.check_rows_read(rows, job.parquet.num_rows)
            if self.lake.landing.head(task.entry.key) != task.entry:
                raise ChangedError
            new = [] if _is_partial(job.metadata) else plan.new_fields
            drift = self.registry.extend(
                task.obj, new, expected=plan.expected, source=task.entry.key
            )
            if drift is None:
                raise _SchemaChangedError
            files.finish({**_curated_metadata(job, rows, files), **_missing(plan)})
        return CleanCopy(
            delivery=delivery,
            plan=plan,
            drift=drift,
            metadata=job.metadata,
            landed_rows=rows,
            curated_rows=files.kept_rows,
            rejected_rows=files.set_aside,
            rules=book.counts,
            reasons=book.reasons,
            truncated=tuple(sorted(job.truncated)),
            misfit_columns=tuple(sorted(job.misfit_columns)),
        )

    def _stream(self, job: _Job, plan: ConformPlan, book: RuleBook, files: CuratedFiles) -> int:
        """Returns the rows read."""
        rows = 0
        with closing(read_ahead(_batches(job.parquet), limit=BATCHES_AHEAD)) as batches:
            for batch in batches:
                conformed = plan.conform(batch, rows + 1)
                job.truncated |= plan.truncated_columns(batch)
                if rows == 0:
                    self._check_ids(job, plan, conformed.batch)
                job.misfit_columns |= {entry.column for entry in conformed.misfits}
                files.write(book.judge(conformed.batch, rows + 1, conformed.misfits))
                rows += batch.num_rows
                job.advance(rows)
        return rows

    def _check_ids(self, job: _Job, plan: ConformPlan, batch: pa.RecordBatch) -> None:
        if "seil.object" in job.metadata:
            return
        obj = job.task.obj
        key = next(n for n in batch.schema.names if n.lower() == obj.key.lower())
        ids = batch.column(key).slice(0, _SAMPLED_IDS).to_pylist()
        checks.check_ids(ids, job.parquet.schema_arrow.names, obj, plan.expected)


def _is_partial(metadata: Mapping[str, str]) -> bool:
    """Columns that such a file lacks are unknown, not null."""
    return metadata.get("seil.mode") in PARTIAL_MODES


def _rules_for(obj: SyncedObject, metadata: Mapping[str, str]) -> SyncedObject:
    """Without rules and mappings for partial records."""
    if not _is_partial(metadata):
        return obj
    return obj.model_copy(update={"required": (), "columns": (), "mappings": ()})


def _rule_columns(obj: SyncedObject) -> list[str]:
    return [column.name for column in obj.columns] + [m.source for m in obj.mappings if m.source]


def _batches(parquet: OpenParquet) -> Iterator[pa.RecordBatch]:
    """At least one: an empty file yields an empty batch, so that its clean copy has its columns."""
    if parquet.num_rows:
        yield from parquet.batches(rows=BATCH_ROWS, step_bytes=BATCH_BYTES)
    else:
        yield pa.RecordBatch.from_pylist([], schema=parquet.schema_arrow)


def _metadata(parquet: OpenParquet) -> dict[str, str]:
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in parquet.metadata.items()
        if name.startswith(b"seil.")
    }


def _missing(plan: ConformPlan) -> dict[str, str]:
    return {MISSING: json.dumps(plan.missing)} if plan.missing else {}


def _curated_metadata(job: _Job, rows: int, files: CuratedFiles) -> dict[str, str]:
    delivery = job.delivery
    return {
        **job.metadata,
        "seil.object": job.task.obj.api_name,
        "seil.landed_key": delivery.landed_key,
        "seil.archived_key": delivery.archived_key,
        "seil.landed_at": delivery.landed_at.isoformat(),
        "seil.landed_sha256": delivery.digest,
        "seil.landed_rows": str(rows),
        "seil.curated_rows": str(files.kept_rows),
        "seil.rejected_rows": str(files.set_aside),
    }
