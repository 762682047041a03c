"""One landed file, checked and written to curated, batch by batch."""

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
from seil.sf_to_dw.ingest.deliveries import Delivery, content_digest, delivery_of, give_up
from seil.sf_to_dw.ingest.folders import Partitions, partitions_of
from seil.sf_to_dw.ingest.readahead import ahead
from seil.sf_to_dw.ingest.rules import RuleBook, RuleCount
from seil.sf_to_dw.schema.column_names import MISSING
from seil.sf_to_dw.schema.registry import EXCLUDED, SchemaDiff, SchemaRegistry
from seil.sf_to_dw.schema.review import as_text_columns
from seil.state.decisions import DecisionStore, in_force

BATCH_ROWS = 1 << 12
BATCH_BYTES = 8 << 20
# Enough to go on decoding while a row group is written.
BATCHES_AHEAD = 2
_SAMPLED_IDS = 100


class ChangedError(Exception):
    """The landed file is not what it was when we began to read it."""


class _SchemaMovedError(Exception):
    """Another file of this object has changed the known schema meanwhile."""


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
    """What is in curated now."""

    delivery: Delivery
    plan: ConformPlan
    drift: SchemaDiff
    metadata: Mapping[str, str]
    landed_rows: int
    curated_rows: int
    rejected_rows: int
    rules: list[RuleCount]
    reasons: Mapping[str, int]
    cut: tuple[str, ...] = ()
    unheld: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What of the file is not in curated as it stands there."""
        left_out = self.plan.left_out.items()
        notes = [f"left out {name}: {why}" for name, why in left_out if why != EXCLUDED]
        if self.cut:
            notes.append(f"cut nanoseconds to microseconds in {', '.join(self.cut)}")
        return notes


@dataclass
class _Reading:
    """A file under way: `told` are the rows that progress has heard of, over all attempts."""

    task: Task
    parquet: OpenParquet
    metadata: Mapping[str, str]
    delivery: Delivery
    parts: Partitions = field(default_factory=dict)
    told: int = 0
    needed: dict[str, pa.DataType] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    unheld: set[str] = field(default_factory=set)

    def advance(self, rows: int) -> None:
        if rows > self.told:
            self.task.step.advance(rows - self.told)
            self.told = rows


@dataclass(frozen=True)
class Cleaner:
    lake: Lake
    catalog: Catalog
    registry: SchemaRegistry
    settings: IngestSettings
    decisions: DecisionStore

    def clean(self, task: Task) -> CleanCopy:
        """Raises UnfitError, with nothing in curated, when the file fails a check.

        Raises ChangedError when it changes meanwhile, ConfigurationError for a rule that cannot be
        evaluated, LakeError.
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
                reading = _Reading(task, parquet, metadata, delivery, parts)
                reading.cut |= parquet.finer_columns()
                return self._clean(reading)
            except UnfitError:
                give_up(self.lake, delivery)
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
        if (said := metadata.get("seil.expected_rows", "")).isdigit():
            expected["its metadata (seil.expected_rows)"] = int(said)
        landed = task.landed
        if body := find_manifest(self.lake, landed.landing_name, landed.flow_run_id):
            for page in json.loads(body).get("pages", ()):
                if page["key"] == task.entry.key:
                    expected["the run's manifest"] = int(page["rows"])
        return expected

    def _clean(self, reading: _Reading) -> CleanCopy:
        """Starts again where a type had to grow, or another file changed the schema."""
        while True:
            try:
                return self._write(reading, self._plan(reading))
            except WidenError as error:
                reading.needed |= error.needed
            except _SchemaMovedError:
                reading.needed.clear()

    def _plan(self, reading: _Reading) -> ConformPlan:
        obj = reading.task.obj
        known = self.registry.expected(obj)
        described = self.registry.get(obj) is not None
        landed = reading.parquet.schema_arrow
        lineage = earlier_lineage(landed, reading.metadata, known)
        plan = conform_plan(
            landed, obj, known, described=described, lineage=lineage, parts=reading.parts
        )
        if known is None:
            # Nothing says whether a rule is about a column that this file just does not have.
            plan = plan.with_nulls(_rule_columns(_rules_for(obj, reading.metadata)))
        if _is_partial(reading.metadata):
            plan = replace(plan, targets=tuple(t for t in plan.targets if not t.is_empty))
        texts = as_text_columns(in_force(self.decisions.get(obj.api_name)).values())
        return plan.widen(reading.needed).with_texts(texts)

    def _write(self, reading: _Reading, plan: ConformPlan) -> CleanCopy:
        task, delivery = reading.task, reading.delivery
        name, key = task.landed.landing_name, delivery.curated_key
        announce(self.lake, name, "curated", key, of=delivery.landed_at)
        with (
            curated_files(self.lake.curated, delivery.curated_key, task.lineage) as files,
            RuleBook(_rules_for(task.obj, reading.metadata), plan.schema) as book,
        ):
            rows = self._stream(reading, plan, book, files)
            checks.check_streamed(rows, reading.parquet.num_rows)
            if self.lake.landing.head(task.entry.key) != task.entry:
                raise ChangedError
            news = [] if _is_partial(reading.metadata) else plan.news
            drift = self.registry.extend(task.obj, news, expected=plan.known, source=task.entry.key)
            if drift is None:
                raise _SchemaMovedError
            files.finish({**_curated_metadata(reading, rows, files), **_missing(plan)})
        return CleanCopy(
            delivery=delivery,
            plan=plan,
            drift=drift,
            metadata=reading.metadata,
            landed_rows=rows,
            curated_rows=files.kept_rows,
            rejected_rows=files.set_aside,
            rules=book.counts,
            reasons=book.reasons,
            cut=tuple(sorted(reading.cut)),
            unheld=tuple(sorted(reading.unheld)),
        )

    def _stream(
        self, reading: _Reading, plan: ConformPlan, book: RuleBook, files: CuratedFiles
    ) -> int:
        """Returns the rows read."""
        rows = 0
        with closing(ahead(_batches(reading.parquet), at_most=BATCHES_AHEAD)) as batches:
            for batch in batches:
                conformed = plan.conform(batch, rows + 1)
                reading.cut |= plan.cut_in(batch)
                if rows == 0:
                    self._check_ids(reading, plan, conformed.batch)
                reading.unheld |= {entry.column for entry in conformed.unheld}
                files.write(book.judge(conformed.batch, rows + 1, conformed.unheld))
                rows += batch.num_rows
                reading.advance(rows)
        return rows

    def _check_ids(self, reading: _Reading, plan: ConformPlan, batch: pa.RecordBatch) -> None:
        if "seil.object" in reading.metadata:
            return
        obj = reading.task.obj
        key = next(n for n in batch.schema.names if n.lower() == obj.key.lower())
        ids = batch.column(key).slice(0, _SAMPLED_IDS).to_pylist()
        checks.check_ids(ids, reading.parquet.schema_arrow.names, obj, plan.known)


def _is_partial(metadata: Mapping[str, str]) -> bool:
    """Columns that such a file lacks are not told, which is not the same as null."""
    return metadata.get("seil.mode") in PARTIAL_MODES


def _rules_for(obj: SyncedObject, metadata: Mapping[str, str]) -> SyncedObject:
    """Rules and mappings are about whole records."""
    if not _is_partial(metadata):
        return obj
    return obj.model_copy(update={"required": (), "columns": (), "mappings": ()})


def _rule_columns(obj: SyncedObject) -> list[str]:
    return [column.name for column in obj.columns] + [m.source for m in obj.mappings if m.source]


def _batches(parquet: OpenParquet) -> Iterator[pa.RecordBatch]:
    """At least one, if an empty one: the clean copy of an empty file has its columns, too."""
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


def _curated_metadata(reading: _Reading, rows: int, files: CuratedFiles) -> dict[str, str]:
    delivery = reading.delivery
    return {
        **reading.metadata,
        "seil.object": reading.task.obj.api_name,
        "seil.landed_key": delivery.landed_key,
        "seil.archived_key": delivery.archived_key,
        "seil.landed_at": delivery.landed_at.isoformat(),
        "seil.landed_sha256": delivery.digest,
        "seil.landed_rows": str(rows),
        "seil.curated_rows": str(files.kept_rows),
        "seil.rejected_rows": str(files.set_aside),
    }
