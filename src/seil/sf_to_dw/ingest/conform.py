"""Conforms a landed file's columns to the expected schema: the plan, and its use on batches."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.salesforce.ids import holds_ids
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema
from seil.sf_to_dw.ingest.arrow import ArrowColumn, nulls, pc, repeat, schema_of
from seil.sf_to_dw.ingest.casts import (
    as_text,
    cast,
    cast_or_null,
    is_convertible,
    with_full_ids,
)
from seil.sf_to_dw.ingest.checks import UnfitError
from seil.sf_to_dw.ingest.column_types import UnknownTypeError, default_type
from seil.sf_to_dw.ingest.folders import Partitions
from seil.sf_to_dw.ingest.misfits import MisfitError, TooNarrowError
from seil.sf_to_dw.ingest.time_casts import is_finer_than_micros
from seil.sf_to_dw.schema import column_names
from seil.sf_to_dw.schema.registry import EXCLUDED

_LINEAGE_TYPES = {"processed_ts": UTC_MICROS}
LINEAGE = schema_of(
    [(name, _LINEAGE_TYPES.get(name, pa.string())) for name in column_names.LINEAGE]
)
_NESTED = "json"
# An unnamed index column. https://pandas.pydata.org/docs/development/developer.html
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


class WidenError(Exception):
    """Columns need the wider types `needed`: start the file again with them."""

    def __init__(self, needed: Mapping[str, pa.DataType]) -> None:
        super().__init__(needed)
        self.needed = needed


class Misfit(NamedTuple):
    """A number that its column cannot hold; `row` counts from 0 in its batch."""

    row: int
    column: str
    error: MisfitError

    @property
    def message(self) -> str:
        return f"{self.column}: {str(self.error.value)!r} {self.error.reason}"

    @property
    def reason(self) -> str:
        return f"{self.column} {self.error.reason}"


class ConformedBatch(NamedTuple):
    """Misfits are null in the batch; their records are to be set aside."""

    batch: pa.RecordBatch
    misfits: Sequence[Misfit] = ()


class Part(NamedTuple):
    """A partition's value as text; None is null."""

    value: str | None


@dataclass(frozen=True)
class Target:
    """A column of the curated file.

    `source` is its position in the landed file; None: all null. `is_id`: record Ids, stored with 18
    characters. `part` is the value of the folder's partition; None: there is none. `as_text`:
    stored as text by a decision.
    """

    field: Field
    source: int | None
    is_id: bool = False
    part: Part | None = None
    as_text: bool = False

    @property
    def is_empty(self) -> bool:
        """Neither the file nor its folder has the column."""
        return self.source is None and self.part is None


@dataclass(frozen=True)
class ConformPlan:
    """`expected` is the schema to conform to. `left_out` gives reasons by column."""

    targets: tuple[Target, ...]
    expected: ObjectSchema | None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pa.Schema:
        return schema_of([(t.field.name, t.field.arrow) for t in self.targets])

    @property
    def missing(self) -> list[str]:
        """Expected columns that the file lacks."""
        return [t.field.name for t in self.targets if t.is_empty]

    @property
    def new_fields(self) -> list[Field]:
        """Fields that the expected schema lacks, or has with a narrower type."""
        return [
            t.field
            for t in self.targets
            if not t.is_empty
            and not t.as_text
            and (
                self.expected is None
                or (old := self.expected.get(t.field.name)) is None
                or old.arrow != t.field.arrow
            )
        ]

    def with_nulls(self, columns: Iterable[str]) -> ConformPlan:
        """Adds a column of nulls for each of these names that it lacks."""
        present = {t.field.name.lower() for t in self.targets}
        new = {name.lower(): name for name in columns if name.lower() not in present}
        nulls_only = (Target(Field(name, "", pa.null()), None) for name in new.values())
        return replace(self, targets=(*self.targets, *nulls_only))

    def with_texts(self, columns: Collection[str]) -> ConformPlan:
        """Stores these columns, given in lower case, as text."""
        targets = tuple(
            replace(t, field=replace(t.field, arrow=pa.string()), as_text=True)
            if t.field.name.lower() in columns and not pa.types.is_string(t.field.arrow)
            else t
            for t in self.targets
        )
        return replace(self, targets=targets)

    def widen(self, needed: Mapping[str, pa.DataType]) -> ConformPlan:
        if not needed:
            return self
        targets = tuple(
            replace(t, field=replace(t.field, arrow=needed.get(t.field.name, t.field.arrow)))
            for t in self.targets
        )
        return replace(self, targets=targets)

    def truncated_columns(self, batch: pa.RecordBatch) -> set[str]:
        """Columns with times finer than a microsecond, to which they are truncated."""
        return {
            t.field.name
            for t in self.targets
            if t.source is not None and is_finer_than_micros(batch.column(t.source))
        }

    def conform(self, batch: pa.RecordBatch, first_row: int) -> ConformedBatch:
        """`first_row` is the batch's first row in the file, from 1.

        Raises UnfitError for a value that its column cannot hold, WidenError for columns that need
        a wider type.
        """
        columns: list[ArrowColumn] = []
        needed: dict[str, pa.DataType] = {}
        misfits: list[Misfit] = []
        for target in self.targets:
            try:
                column, errors = _column(target, batch)
                columns.append(column)
                misfits += [Misfit(row, target.field.name, error) for row, error in errors.items()]
            except TooNarrowError as error:
                needed[target.field.name] = error.needed
            except MisfitError as error:
                raise UnfitError(
                    "types",
                    f"column {target.field.name}, row {first_row + error.position}:"
                    f" {error.value!r} {error.reason}",
                ) from error
        if needed:
            raise WidenError(needed)
        return ConformedBatch(pa.record_batch(columns, schema=self.schema), misfits)


_Cast = tuple[ArrowColumn, Mapping[int, MisfitError]]


def _column(target: Target, batch: pa.RecordBatch) -> _Cast:
    if target.part is None:
        return _file_column(target, batch)
    text = repeat(target.part.value, pa.string(), batch.num_rows)
    column = cast(text, target.field.arrow)
    if target.is_id:
        column = with_full_ids(column)
    if target.source is not None:
        _check_partition(_file_column(target, batch)[0], column, target.part.value)
    return column, {}


def _check_partition(in_file: ArrowColumn, in_folder: ArrowColumn, part: str | None) -> None:
    """Raises MisfitError for the first row whose value is not its folder's."""
    no = pa.scalar(value=False)
    equal = pc.fill_null(pc.equal(in_file, in_folder), no)
    same = pc.or_(equal, pc.and_(pc.is_null(in_file), pc.is_null(in_folder)))
    position = pc.index(same, value=False).as_py()
    if position >= 0:
        reason = f"contradicts the file's folder, which says {part!r}"
        raise MisfitError(position, in_file[position].as_py(), reason)


def _file_column(target: Target, batch: pa.RecordBatch) -> _Cast:
    if target.source is None:
        return nulls(batch.num_rows, target.field.arrow), {}
    column = batch.column(target.source)
    if target.as_text or (target.field.type == _NESTED and pa.types.is_nested(column.type)):
        return as_text(column), {}
    values, misfits = cast_or_null(column, target.field.arrow)
    return (with_full_ids(values) if target.is_id else values), misfits


def conform_plan(
    landed: pa.Schema,
    obj: SyncedObject,
    expected: ObjectSchema | None,
    *,
    described: bool,
    lineage: Collection[str] = (),
    parts: Partitions | None = None,
) -> ConformPlan:
    """Expected columns first, in their order, then new ones.

    `described`: the org's describe is part of `expected`; `lineage`: columns that an earlier ingest
    added; `parts`: the folders' partition values. Raises UnfitError for a column of a type that
    Salesforce does not have.
    """
    left_out = _excluded_columns(landed, obj, expected, lineage)
    sources = {
        name.lower(): index for index, name in enumerate(landed.names) if name not in left_out
    }
    excluded = {name.lower() for name in obj.exclude}
    by_name = {
        n.lower(): (n, Part(v)) for n, v in (parts or {}).items() if n.lower() not in excluded
    }
    targets = []
    for entry in expected.fields if expected else ():
        source = sources.pop(entry.name.lower(), None)
        field = _target_field(entry, landed, source, described=described)
        targets.append(_target(field, source, obj, by_name.pop(entry.name.lower(), None)))
    for name, index in sources.items():
        field = _landed_field(landed.field(index))
        targets.append(_target(field, index, obj, by_name.pop(name, None)))
    targets += [
        _target(Field(part[0], "", pa.string()), None, obj, part) for part in by_name.values()
    ]
    return ConformPlan(tuple(targets), expected, left_out)


def _target(
    entry: Field, source: int | None, obj: SyncedObject, part: tuple[str, Part] | None
) -> Target:
    is_id = holds_ids(entry.name, entry.type, obj.key) and pa.types.is_string(entry.arrow)
    return Target(entry, source, is_id, part[1] if part else None)


def _excluded_columns(
    landed: pa.Schema, obj: SyncedObject, expected: ObjectSchema | None, lineage: Collection[str]
) -> dict[str, str]:
    excluded = {name.lower() for name in obj.exclude}
    reasons: dict[str, str] = {}
    for entry in landed:
        if entry.name.lower() in excluded:
            reasons[entry.name] = EXCLUDED
        elif entry.name in lineage:
            reasons[entry.name] = "lineage of an earlier ingest; written anew"
        elif _PANDAS_INDEX.fullmatch(entry.name):
            reasons[entry.name] = "the index of a pandas data frame"
        elif pa.types.is_null(entry.type) and not (expected and expected.get(entry.name)):
            reasons[entry.name] = "a new column with neither a value nor a type"
    return reasons


def _target_field(entry: Field, landed: pa.Schema, source: int | None, *, described: bool) -> Field:
    """The expected field; with the file's type where the packaged one cannot be this org's."""
    if source is None or described or not entry.name.lower().endswith("__c"):
        return entry
    if is_convertible(landed.field(source).type, entry.arrow):
        return entry
    return _landed_field(landed.field(source).with_name(entry.name))


def _landed_field(column: pa.Field[Any]) -> Field:
    try:
        arrow = default_type(column.type)
    except UnknownTypeError as error:
        raise UnfitError(
            "types", f"column {column.name} is of type {error}, which no field of Salesforce has"
        ) from error
    return Field(column.name, _NESTED if pa.types.is_nested(column.type) else "", arrow)


def earlier_lineage(
    landed: pa.Schema, metadata: Mapping[str, str], expected: ObjectSchema | None
) -> tuple[str, ...]:
    """The lineage columns of a curated file that was landed again. Empty for other files, and where
    the object has a field of such a name.
    """
    names = column_names.lineage_of(metadata)
    is_curated = set(names) <= set(landed.names)
    if column_names.LINEAGE_NAMES in metadata or not expected:
        return names if is_curated else ()
    return names if is_curated and not any(map(expected.get, names)) else ()


def lineage_columns(values: Mapping[str, object], rows: int) -> list[ArrowColumn]:
    return [repeat(values[f.name], f.type, rows) for f in LINEAGE]
