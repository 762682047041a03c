"""A landed file's columns, and what becomes of each in the curated file."""

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
    MisfitError,
    TooNarrowError,
    UnknownTypeError,
    as_written,
    cast,
    cast_or_null,
    default_type,
    is_convertible,
    is_finer,
    with_full_ids,
)
from seil.sf_to_dw.ingest.checks import UnfitError
from seil.sf_to_dw.ingest.folders import Partitions
from seil.sf_to_dw.schema import column_names
from seil.sf_to_dw.schema.registry import EXCLUDED

_LINEAGE_TYPES = {"processed_ts": UTC_MICROS}
LINEAGE = schema_of(
    [(name, _LINEAGE_TYPES.get(name, pa.string())) for name in column_names.LINEAGE]
)
_NESTED = "json"
# One without a name. https://pandas.pydata.org/docs/development/developer.html
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


class WidenError(Exception):
    """Start again with these types: what has been read so far is right, but they are too narrow."""

    def __init__(self, needed: Mapping[str, pa.DataType]) -> None:
        super().__init__(needed)
        self.needed = needed


class Unheld(NamedTuple):
    """A number that its column cannot hold, `row` from 0 in its batch."""

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
    """The values of `unheld` are null in the batch; their records are to be set aside."""

    batch: pa.RecordBatch
    unheld: Sequence[Unheld] = ()


class Part(NamedTuple):
    """A partition's value; None is null."""

    value: str | None


@dataclass(frozen=True)
class Target:
    """A column of the curated file; `source` is its place in the landed one, None: all null.
    `is_id`: it holds record Ids, which are kept with 18 characters. `part` is the value, as text,
    that the folder around the file gives; None: it says nothing. `as_text`: somebody has decided
    that it is kept as text, whatever it should be.
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
    """`known` is the schema it was made from. `left_out` gives reasons by column."""

    targets: tuple[Target, ...]
    known: ObjectSchema | None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pa.Schema:
        return schema_of([(t.field.name, t.field.arrow) for t in self.targets])

    @property
    def missing(self) -> list[str]:
        """Known columns that the file does not have."""
        return [t.field.name for t in self.targets if t.is_empty]

    @property
    def news(self) -> list[Field]:
        """Fields that the known schema does not have, or has with a narrower type."""
        return [
            t.field
            for t in self.targets
            if not t.is_empty
            and not t.as_text
            and (
                self.known is None
                or (old := self.known.get(t.field.name)) is None
                or old.arrow != t.field.arrow
            )
        ]

    def with_nulls(self, columns: Iterable[str]) -> ConformPlan:
        """With columns of nulls where it has none of these names."""
        present = {t.field.name.lower() for t in self.targets}
        new = {name.lower(): name for name in columns if name.lower() not in present}
        nothing = (Target(Field(name, "", pa.null()), None) for name in new.values())
        return replace(self, targets=(*self.targets, *nothing))

    def with_texts(self, columns: Collection[str]) -> ConformPlan:
        """With these columns, in lower case, kept as text."""
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

    def cut_in(self, batch: pa.RecordBatch) -> set[str]:
        """Columns with times that are finer than a microsecond, which is all that is kept."""
        return {
            t.field.name
            for t in self.targets
            if t.source is not None and is_finer(batch.column(t.source))
        }

    def conform(self, batch: pa.RecordBatch, first_row: int) -> ConformedBatch:
        """`first_row` is the batch's first row in the file, from 1.

        Raises UnfitError for a value its column cannot hold, WidenError for columns that must grow.
        """
        columns: list[ArrowColumn] = []
        needed: dict[str, pa.DataType] = {}
        unheld: list[Unheld] = []
        for target in self.targets:
            try:
                column, misfits = _column(target, batch)
                columns.append(column)
                unheld += [Unheld(at, target.field.name, error) for at, error in misfits.items()]
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
        return ConformedBatch(pa.record_batch(columns, schema=self.schema), unheld)


_Read = tuple[ArrowColumn, Mapping[int, MisfitError]]


def _column(target: Target, batch: pa.RecordBatch) -> _Read:
    if target.part is None:
        return _read_column(target, batch)
    text = repeat(target.part.value, pa.string(), batch.num_rows)
    said = cast(text, target.field.arrow)
    if target.is_id:
        said = with_full_ids(said)
    if target.source is not None:
        _check_same(_read_column(target, batch)[0], said, target.part.value)
    return said, {}


def _check_same(held: ArrowColumn, said: ArrowColumn, part: str | None) -> None:
    """Raises MisfitError for the first row that says something else than its folder."""
    no = pa.scalar(value=False)
    same = pc.or_(
        pc.fill_null(pc.equal(held, said), no), pc.and_(pc.is_null(held), pc.is_null(said))
    )
    position = pc.index(same, value=False).as_py()
    if position >= 0:
        reason = f"contradicts the file's folder, which says {part!r}"
        raise MisfitError(position, held[position].as_py(), reason)


def _read_column(target: Target, batch: pa.RecordBatch) -> _Read:
    if target.source is None:
        return nulls(batch.num_rows, target.field.arrow), {}
    column = batch.column(target.source)
    if target.as_text or (target.field.type == _NESTED and pa.types.is_nested(column.type)):
        return as_written(column), {}
    kept, misfits = cast_or_null(column, target.field.arrow)
    return (with_full_ids(kept) if target.is_id else kept), misfits


def conform_plan(
    landed: pa.Schema,
    obj: SyncedObject,
    known: ObjectSchema | None,
    *,
    described: bool,
    lineage: Collection[str] = (),
    parts: Partitions | None = None,
) -> ConformPlan:
    """Known columns first, in their order, then new ones. `described`: known from the org itself;
    `lineage`: the columns that an earlier ingest has added; `parts`: columns of the folders.

    Raises UnfitError for a column of a type that cannot be kept.
    """
    left_out = _excluded_columns(landed, obj, known, lineage)
    sources = {
        name.lower(): index for index, name in enumerate(landed.names) if name not in left_out
    }
    excluded = {name.lower() for name in obj.exclude}
    given = {n.lower(): (n, Part(v)) for n, v in (parts or {}).items() if n.lower() not in excluded}
    targets = []
    for entry in known.fields if known else ():
        source = sources.pop(entry.name.lower(), None)
        field = _target_field(entry, landed, source, described=described)
        targets.append(_target(field, source, obj, given.pop(entry.name.lower(), None)))
    for name, index in sources.items():
        targets.append(_target(_new(landed.field(index)), index, obj, given.pop(name, None)))
    targets += [
        _target(Field(part[0], "", pa.string()), None, obj, part) for part in given.values()
    ]
    return ConformPlan(tuple(targets), known, left_out)


def _target(
    entry: Field, source: int | None, obj: SyncedObject, part: tuple[str, Part] | None
) -> Target:
    is_id = holds_ids(entry.name, entry.type, obj.key) and pa.types.is_string(entry.arrow)
    return Target(entry, source, is_id, part[1] if part else None)


def _excluded_columns(
    landed: pa.Schema, obj: SyncedObject, known: ObjectSchema | None, lineage: Collection[str]
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
        elif pa.types.is_null(entry.type) and not (known and known.get(entry.name)):
            reasons[entry.name] = "a new column with neither a value nor a type"
    return reasons


def _target_field(entry: Field, landed: pa.Schema, source: int | None, *, described: bool) -> Field:
    """The known field; the file's own type where ours is a guess that cannot be right."""
    if source is None or described or not entry.name.lower().endswith("__c"):
        return entry
    if is_convertible(landed.field(source).type, entry.arrow):
        return entry
    return _new(landed.field(source).with_name(entry.name))


def _new(column: pa.Field[Any]) -> Field:
    try:
        arrow = default_type(column.type)
    except UnknownTypeError as error:
        raise UnfitError(
            "types", f"column {column.name} is of type {error}, which no field of Salesforce has"
        ) from error
    return Field(column.name, _NESTED if pa.types.is_nested(column.type) else "", arrow)


def earlier_lineage(
    landed: pa.Schema, metadata: Mapping[str, str], known: ObjectSchema | None
) -> tuple[str, ...]:
    """The lineage columns of a curated file that is landed again; none where it is no such file, or
    where a field has one of the names.
    """
    names = column_names.lineage_of(metadata)
    is_curated = set(names) <= set(landed.names)
    if column_names.LINEAGE_NAMES in metadata or not known:
        return names if is_curated else ()
    return names if is_curated and not any(map(known.get, names)) else ()


def lineage_columns(values: Mapping[str, object], rows: int) -> list[ArrowColumn]:
    return [repeat(values[f.name], f.type, rows) for f in LINEAGE]
