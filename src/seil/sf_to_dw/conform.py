"""A landed file's columns, and what becomes of each in the curated file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema
from seil.sf_to_dw import column_names
from seil.sf_to_dw.arrow import Column, nulls, repeated, schema_of
from seil.sf_to_dw.casts import (
    MisfitError,
    TooNarrowError,
    UnknownTypeError,
    as_json,
    cast,
    is_convertible,
    kept_type,
    with_full_ids,
)
from seil.sf_to_dw.checks import UnfitError

_LINEAGE_TYPES = {"processed_ts": UTC_MICROS}
LINEAGE = schema_of(
    [(name, _LINEAGE_TYPES.get(name, pa.string())) for name in column_names.LINEAGE]
)
_NESTED = "json"
_ID_TYPES = ("id", "reference")


class WidenError(Exception):
    """Start again with these types: what has been read so far is right, but they are too narrow."""

    def __init__(self, needed: Mapping[str, pa.DataType]) -> None:
        super().__init__(needed)
        self.needed = needed


@dataclass(frozen=True)
class Target:
    """A column of the curated file; `source` is its place in the landed one, None: all null.
    `is_id`: it holds record Ids, which are kept with 18 characters.
    """

    field: Field
    source: int | None
    is_id: bool = False


@dataclass(frozen=True)
class Plan:
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
        return [t.field.name for t in self.targets if t.source is None]

    @property
    def news(self) -> list[Field]:
        """Fields that the known schema does not have, or has with a narrower type."""
        return [
            t.field
            for t in self.targets
            if t.source is not None
            and (
                self.known is None
                or (old := self.known.get(t.field.name)) is None
                or old.arrow != t.field.arrow
            )
        ]

    def widened(self, needed: Mapping[str, pa.DataType]) -> Plan:
        if not needed:
            return self
        targets = tuple(
            replace(t, field=replace(t.field, arrow=needed.get(t.field.name, t.field.arrow)))
            for t in self.targets
        )
        return replace(self, targets=targets)

    def conform(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        """`first_row` is the batch's first row in the file, from 1.

        Raises UnfitError for a value its column cannot hold, WidenError for columns that must grow.
        """
        columns: list[Column] = []
        needed: dict[str, pa.DataType] = {}
        for target in self.targets:
            try:
                columns.append(_column(target, batch))
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
        return pa.record_batch(columns, schema=self.schema)


def _column(target: Target, batch: pa.RecordBatch) -> Column:
    if target.source is None:
        return nulls(batch.num_rows, target.field.arrow)
    column = batch.column(target.source)
    if target.field.type == _NESTED and pa.types.is_nested(column.type):
        return as_json(column)
    kept = cast(column, target.field.arrow)
    return with_full_ids(kept) if target.is_id else kept


def planned(
    landed: pa.Schema,
    obj: SyncedObject,
    known: ObjectSchema | None,
    *,
    described: bool,
    lineage: Collection[str] = (),
) -> Plan:
    """Known columns first, in their order, then new ones. `described`: known from the org itself;
    `lineage`: the columns that an earlier ingest has added.

    Raises UnfitError for a column of a type that cannot be kept.
    """
    left_out = _left_out(landed, obj, known, lineage)
    sources = {
        name.lower(): index for index, name in enumerate(landed.names) if name not in left_out
    }
    targets = []
    for entry in known.fields if known else ():
        source = sources.pop(entry.name.lower(), None)
        targets.append(_target(_held(entry, landed, source, described=described), source, obj))
    targets += [_target(_new(landed.field(index)), index, obj) for index in sources.values()]
    return Plan(tuple(targets), known, left_out)


def _target(entry: Field, source: int | None, obj: SyncedObject) -> Target:
    """Where no type says so, the key and columns like AccountId and account_id hold Ids; a custom
    field's name says nothing: External_Id__c is text as a rule.
    """
    name = entry.name.lower()
    is_named_so = not name.endswith("__c") and (name == obj.key.lower() or name.endswith("id"))
    is_id = entry.type in _ID_TYPES if entry.type else is_named_so
    return Target(entry, source, is_id and pa.types.is_string(entry.arrow))


def _left_out(
    landed: pa.Schema, obj: SyncedObject, known: ObjectSchema | None, lineage: Collection[str]
) -> dict[str, str]:
    excluded = {name.lower() for name in obj.exclude}
    reasons: dict[str, str] = {}
    for entry in landed:
        if entry.name.lower() in excluded:
            reasons[entry.name] = "excluded in the catalog"
        elif entry.name in lineage:
            reasons[entry.name] = "lineage of an earlier ingest; written anew"
        elif pa.types.is_null(entry.type) and not (known and known.get(entry.name)):
            reasons[entry.name] = "a new column with neither a value nor a type"
    return reasons


def _held(entry: Field, landed: pa.Schema, source: int | None, *, described: bool) -> Field:
    """The known field; the file's own type where ours is a guess that cannot be right."""
    if source is None or described or not entry.name.lower().endswith("__c"):
        return entry
    if is_convertible(landed.field(source).type, entry.arrow):
        return entry
    return _new(landed.field(source).with_name(entry.name))


def _new(column: pa.Field[Any]) -> Field:
    try:
        arrow = kept_type(column.type)
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


def lineage_columns(values: Mapping[str, object], rows: int) -> list[Column]:
    return [repeated(values[f.name], f.type, rows) for f in LINEAGE]
