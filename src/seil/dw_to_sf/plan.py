"""A plan: every value that a push would change, in a Parquet file named by its content's hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seil.dw_to_sf.checks import checked_rules
from seil.dw_to_sf.definition import PushDefinition
from seil.dw_to_sf.diff import Diff, DiffCounts, mirror_columns
from seil.errors import RejectError
from seil.salesforce.writes.rules import FieldRule, ObjectRules
from seil.salesforce.writes.writer import WriterOptions, look_up_calls

VERSION = 2
_HEADER = "seil"
_COUNTS = "seil.counts"
_SUFFIX = ".parquet"
_HASH_LETTERS = 16
CHECKED_AT_ONCE = 2_000
# Of the object, by the checks and by the writer.
_DESCRIBES = 2


class PlanSource(Protocol):
    """The inputs of a plan. Its readers are opened one at a time."""

    @property
    def place(self) -> str:
        """The warehouse's URL, without secrets."""
        ...

    @property
    def org_id(self) -> str: ...

    @property
    def mirror_as_of(self) -> datetime | None: ...

    def desired(self, query: str) -> AbstractContextManager[pa.RecordBatchReader]: ...

    def mirror(
        self, object_name: str, columns: Sequence[str]
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Raises ConfigurationError if the object is not synced or lacks a column."""
        ...

    def written(self, flow: str, object_name: str) -> pa.RecordBatchReader:
        """Rows of key, field, value, changed_at: every value that the flow wrote."""
        ...

    def rejected(self, flow: str, object_name: str, operation: str) -> pa.RecordBatchReader:
        """Rows of key, field, value, before, changed_at, reason: what is still not written."""
        ...


@dataclass(frozen=True)
class Plan:
    """`calls` estimates all API calls; `batches` are the calls or jobs that carry rows."""

    path: Path
    hash: str
    definition: PushDefinition
    counts: DiffCounts
    calls: int
    batches: int
    warehouse: str
    org_id: str
    mirror_as_of: datetime | None
    created_at: datetime

    @property
    def writes(self) -> int:
        """How many records are written."""
        return self.counts.changed + self.counts.new

    @property
    def over_the_brakes(self) -> list[str]:
        """The limits that it exceeds; each needs a confirmation."""
        brakes, counts = self.definition.brakes, self.counts
        deletes = self.writes if self.definition.operation == "delete" else 0
        share = counts.changed / max(1, counts.mirrored)
        limits = [
            (self.writes > brakes.changes, f"{self.writes:,} records, brake {brakes.changes:,}"),
            (deletes > brakes.deletes, f"{deletes:,} deletions, brake {brakes.deletes:,}"),
            (share > brakes.share, f"{share:.0%} of the object, brake {brakes.share:.0%}"),
            (self.calls > brakes.calls, f"{self.calls:,} API calls, brake {brakes.calls:,}"),
        ]
        return [reason for is_over, reason in limits if is_over]


class PlanRefusedError(RejectError):
    """A plan is missing, changed, or of another version, warehouse, org or definition."""

    cure = "Make a new one with `seil push plan NAME`, look at it, then apply that."

    def __init__(self, name: str, plan_hash: str, reason: str) -> None:
        super().__init__(
            f"plan {plan_hash} of push {name}: {reason}",
            hint=f"Make a new one with `seil push plan {name}`",
        )


def make_plan(
    definition: PushDefinition,
    rules: ObjectRules,
    source: PlanSource,
    folder: Path,
    *,
    options: WriterOptions | None = None,
    now: datetime | None = None,
) -> Plan:
    """Costs no API calls except the describe that `rules` come from.

    Raises ConfigurationError, StatementError.
    """
    options = options or WriterOptions()
    with ExitStack() as stack:
        with source.desired(definition.query) as desired:
            fields = checked_rules(definition, rules, desired.schema.names)
            key = _key_rule(definition, rules)
            diff = stack.enter_context(Diff.open(definition, key, fields))
            diff.take_desired(desired)
        with source.mirror(definition.object, mirror_columns(key, fields)) as mirror:
            diff.take_mirror(mirror)
        diff.take_last(source.written(definition.flow, definition.object))
        target = definition.target
        diff.take_rejected(source.rejected(definition.flow, target.object, target.operation))
        created_at = now or datetime.now(UTC)
        header = {
            "version": VERSION,
            "definition": definition.model_dump(mode="json", exclude={"retry"}),
            "warehouse": source.place,
            "org_id": source.org_id,
            "mirror_as_of": source.mirror_as_of and source.mirror_as_of.isoformat(),
            "created_at": created_at.isoformat(),
        }
        return _stored(diff, header, folder / definition.name, options, now=created_at)


def _key_rule(definition: PushDefinition, rules: ObjectRules) -> FieldRule:
    rule = rules.get(definition.key)
    if rule is None:
        raise LookupError(definition.key)
    return rule


def _stored(
    diff: Diff,
    header: Mapping[str, object],
    folder: Path,
    options: WriterOptions,
    *,
    now: datetime,
) -> Plan:
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / f".{uuid4().hex}.part"
    try:
        counts = diff.compare(now=now)
        # In the file, so that its hash covers what the brakes are compared with.
        metadata = {_HEADER: json.dumps(header), _COUNTS: json.dumps(asdict(counts))}
        diff.write(unnamed, metadata)
        path = folder / f"{_hash(unnamed)}{_SUFFIX}"
        unnamed.replace(path)
    finally:
        unnamed.unlink(missing_ok=True)
    return _plan(path, header, counts, options)


def read_plan(
    folder: Path, name: str, plan_hash: str, *, options: WriterOptions | None = None
) -> Plan:
    """`plan_hash` may be an unambiguous prefix.

    Raises PlanRefusedError if there is no such plan, its file changed, or its version differs.
    """
    plans = sorted((folder / name).glob(f"*{_SUFFIX}"))
    paths = [path for path in plans if plan_hash and path.stem.startswith(plan_hash)]
    if len(paths) != 1:
        reason = "there is no such plan" if not paths else f"{len(paths)} plans begin like this"
        raise PlanRefusedError(name, plan_hash, reason)
    (path,) = paths
    full_hash = path.stem
    if _hash(path) != full_hash:
        raise PlanRefusedError(name, full_hash, "the file was changed since it was made")
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except pa.ArrowInvalid as error:
        raise PlanRefusedError(name, full_hash, "the file is not a plan") from error
    header = json.loads(metadata.get(_HEADER.encode(), b"{}"))
    if header.get("version") != VERSION:
        version = header.get("version", "none")
        raise PlanRefusedError(name, full_hash, f"it has version {version}, this is {VERSION}")
    counts = DiffCounts(**json.loads(metadata[_COUNTS.encode()]))
    return _plan(path, header, counts, options or WriterOptions())


def first_values(plan: Plan, *, limit: int) -> list[dict[str, Any]]:
    """Rows as PlannedValue has them; those with a problem first."""
    columns = ["key", "field", "old", "new", "verdict", "write", "problem"]
    rows: list[dict[str, Any]] = []
    for has_problem in (True, False):
        with pq.ParquetFile(plan.path) as file:
            for batch in file.iter_batches(columns=columns):
                is_fine = batch["problem"].is_null()
                matching = batch.filter(pc.invert(is_fine) if has_problem else is_fine)
                rows += matching.slice(0, limit - len(rows)).to_pylist()
                if len(rows) >= limit:
                    return rows
    return rows


def newest_plan(folder: Path, name: str) -> str:
    """Its hash; empty where there is none."""
    paths = (folder / name).glob(f"*{_SUFFIX}")
    newest = max(paths, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest.stem if newest else ""


def _plan(
    path: Path, header: Mapping[str, Any], counts: DiffCounts, options: WriterOptions
) -> Plan:
    writes = counts.changed + counts.new
    checks = math.ceil(counts.changed / CHECKED_AT_ONCE)
    look_ups = look_up_calls(counts.new_key_characters, counts.new)
    calls = _DESCRIBES + checks + look_ups + options.calls(writes) if writes else 0
    as_of = header["mirror_as_of"]
    return Plan(
        path=path,
        hash=path.stem,
        definition=PushDefinition.model_validate(header["definition"]),
        counts=counts,
        calls=calls,
        batches=options.batches(writes),
        warehouse=str(header["warehouse"]),
        org_id=str(header["org_id"]),
        mirror_as_of=datetime.fromisoformat(as_of) if as_of else None,
        created_at=datetime.fromisoformat(header["created_at"]),
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_LETTERS]
