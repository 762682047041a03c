"""Schema registry: each object's columns by the org's describe, and those that files have added.

`schemas/Salesforce-<landing name>.json` in staging holds both, with the history of changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.catalog.fields import packaged_fields
from seil.errors import LakeError
from seil.lake import Document, Lake
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema, parse_describe
from seil.sf_to_dw.schema.vanished import schema_document

if TYPE_CHECKING:
    from seil.salesforce.org import Org

EXCLUDED = "excluded in the catalog"
"""Why a field is left out of a schema, as documents say it."""
_HISTORY_ENTRIES = 200
_TYPES = {
    str(t): t
    for t in (
        pa.bool_(),
        pa.int64(),
        pa.float64(),
        pa.string(),
        pa.date32(),
        UTC_MICROS,
        pa.time64("us"),
    )
}
_DECIMAL = re.compile(r"decimal128\((\d+), (-?\d+)\)")
_INT64_DIGITS = 19


@dataclass(frozen=True)
class SchemaDiff:
    """Columns by name: with their type, or with the types before and after.

    A widened column's new type holds every value of the old one; an incompatible one's does not.
    """

    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    widened: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    incompatible: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.widened or self.incompatible)

    def to_dict(self) -> dict[str, Any]:
        return {
            "added": dict(self.added),
            "removed": dict(self.removed),
            "widened": {name: list(types) for name, types in self.widened.items()},
            "incompatible": {name: list(types) for name, types in self.incompatible.items()},
        }


def schema_diff(old: ObjectSchema, new: ObjectSchema) -> SchemaDiff:
    """Names are compared case-insensitively."""
    changed = [
        (before, after)
        for before in old.fields
        if (after := new.get(before.name)) and after.arrow != before.arrow
    ]
    types = {after.name: (str(before.arrow), str(after.arrow)) for before, after in changed}
    wider = {after.name for before, after in changed if holds(after.arrow, before.arrow)}
    return SchemaDiff(
        added={f.name: str(f.arrow) for f in new.fields if not old.get(f.name)},
        removed={f.name: str(f.arrow) for f in old.fields if not new.get(f.name)},
        widened={name: pair for name, pair in types.items() if name in wider},
        incompatible={name: pair for name, pair in types.items() if name not in wider},
    )


def holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether every value of `narrow` can be stored as `wide` without loss."""
    if wide == narrow or pa.types.is_string(wide):
        return True
    if isinstance(wide, pa.Decimal128Type):
        digits = wide.precision - wide.scale
        if isinstance(narrow, pa.Decimal128Type):
            return bool(wide.scale >= narrow.scale and digits >= narrow.precision - narrow.scale)
        return bool(pa.types.is_int64(narrow)) and digits >= _INT64_DIGITS
    return bool(pa.types.is_timestamp(wide) and pa.types.is_date(narrow))


def packaged_schema(obj: SyncedObject) -> ObjectSchema | None:
    """The packaged field list's schema; None for an object that has none."""
    fields = packaged_fields(obj.api_name)
    if not fields:
        return None
    schema = parse_describe({"name": obj.api_name, "fields": fields})
    return schema.without(obj.exclude, EXCLUDED)


def readable_schema(org: Org, obj: SyncedObject) -> ObjectSchema:
    """The org's describe without the fields that the catalog excludes."""
    return org.describe(obj.api_name).without(obj.exclude, EXCLUDED)


@dataclass(frozen=True)
class ObjectEntry:
    """The stored state of one object. `seen` are the fields that files added or widened."""

    described: ObjectSchema | None = None
    seen: tuple[Field, ...] = ()
    version: int = 0
    history: tuple[dict[str, Any], ...] = ()

    def expected(self, obj: SyncedObject) -> ObjectSchema | None:
        base = self.described or packaged_schema(obj)
        if base is None or not self.seen:
            return base or (ObjectSchema(obj.api_name, self.seen) if self.seen else None)
        seen = {f.name.lower(): f for f in self.seen}
        fields = [self._widen(f, seen.pop(f.name.lower(), None)) for f in base.fields]
        return ObjectSchema(base.name, (*fields, *seen.values()), base.left_out)

    def _widen(self, base: Field, seen: Field | None) -> Field:
        # The packaged list is a guess at this org: a file's type overrides it.
        if seen is None or (self.described and not holds(seen.arrow, base.arrow)):
            return base
        return replace(base, arrow=seen.arrow)


# Returns the new entry and the diff for its history; None leaves the entry as it is.
_Edit = Callable[[ObjectEntry], tuple[ObjectEntry, SchemaDiff] | None]


class SchemaRegistry:
    """Thread-safe, and safe with several processes: each change is a compare-and-swap."""

    def __init__(
        self, lake: Lake, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.lake = lake
        self._clock = clock
        # Tag and parsed entry by the document's key: several steps of a run read the same one.
        self._parsed: dict[str, tuple[str, ObjectEntry]] = {}

    def get(self, obj: SyncedObject) -> ObjectSchema | None:
        """The org's describe, as last stored."""
        return self.entry(obj).described

    def expected(self, obj: SyncedObject) -> ObjectSchema | None:
        """The schema that ingest conforms a file to: the org's describe, else the packaged field
        list, with what earlier files added or widened; None where there is none of them.
        """
        return self.entry(obj).expected(obj)

    def history(self, obj: SyncedObject) -> list[dict[str, Any]]:
        """Changes, oldest first: version, at, source, and what SchemaDiff.to_dict says."""
        return list(self.entry(obj).history)

    def store(self, obj: SyncedObject, schema: ObjectSchema) -> SchemaDiff:
        """Stores the org's describe. Returns what changed; the first time every field is added."""
        diff = SchemaDiff()

        def edit(entry: ObjectEntry) -> tuple[ObjectEntry, SchemaDiff] | None:
            nonlocal diff
            diff = schema_diff(entry.described or ObjectSchema(schema.name, ()), schema)
            seen = tuple(f for f in entry.seen if _still_adds(f, schema))
            new = replace(entry, described=schema, seen=seen)
            return None if new == entry else (new, diff)

        self._change(obj, edit, source="describe")
        return diff

    def extend(
        self,
        obj: SyncedObject,
        fields: Sequence[Field],
        *,
        expected: ObjectSchema | None,
        source: str,
    ) -> SchemaDiff | None:
        """Stores fields that a file adds to the schema `expected`, or widens in it.

        None when another writer changed the expected schema meanwhile: conform the file to the new
        one. `source` goes into the history.
        """
        if not fields:
            return SchemaDiff() if self.expected(obj) == expected else None
        before = ObjectSchema(
            obj.api_name,
            tuple(old for f in fields if expected and (old := expected.get(f.name))),
        )
        diff = schema_diff(before, ObjectSchema(obj.api_name, tuple(fields)))
        is_current = False

        def edit(entry: ObjectEntry) -> tuple[ObjectEntry, SchemaDiff] | None:
            nonlocal is_current
            is_current = entry.expected(obj) == expected
            seen = {f.name.lower(): f for f in (*entry.seen, *fields)}
            return (replace(entry, seen=tuple(seen.values())), diff) if is_current else None

        self._change(obj, edit, source=source)
        return diff if is_current else None

    def add_history(self, obj: SyncedObject, diff: SchemaDiff, *, source: str) -> None:
        """Adds an entry on a decision; the schema stays."""
        self._change(obj, lambda entry: (entry, diff), source=source)

    def entry(self, obj: SyncedObject) -> ObjectEntry:
        """Read anew each time: other processes may have written it."""
        document = schema_document(self.lake, obj)
        stored = document.version()
        if stored is None:
            return ObjectEntry()
        tag, entry = self._parsed.get(document.key, ("", ObjectEntry()))
        if tag != stored.tag:
            entry = self._parse(document, document.parse(stored))
            self._parsed[document.key] = stored.tag, entry
        return entry

    def _parse(self, document: Document, body: dict[str, Any] | None) -> ObjectEntry:
        if body is None:
            return ObjectEntry()
        try:
            return ObjectEntry(
                described=_schema_from(body["described"]) if body["described"] else None,
                seen=tuple(map(_field_from, body["seen"])),
                version=body["version"],
                history=tuple(body["history"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            uri = document.bucket.uri(document.key)
            reason = f"it is not a schema that SEIL wrote ({type(error).__name__}: {error})"
            raise LakeError(uri, "read", reason, hint=document.deletion_hint) from error

    def _change(self, obj: SyncedObject, edit: _Edit, *, source: str) -> None:
        document = schema_document(self.lake, obj)

        def edit_body(body: dict[str, Any] | None) -> dict[str, Any] | None:
            change = edit(self._parse(document, body))
            return change and {**(body or {}), **self._body(obj, *change, source)}

        document.change(edit_body)

    def _body(
        self, obj: SyncedObject, entry: ObjectEntry, diff: SchemaDiff, source: str
    ) -> dict[str, Any]:
        version = entry.version + 1
        at = self._clock().astimezone(UTC).isoformat(timespec="seconds")
        change = {"version": version, "at": at, "source": source, **diff.to_dict()}
        return {
            "object": obj.api_name,
            "version": version,
            "updated_at": at,
            "described": _schema_body(entry.described) if entry.described else None,
            "seen": [_field_body(f) for f in entry.seen],
            "history": [*entry.history, change][-_HISTORY_ENTRIES:],
        }


def _still_adds(seen: Field, schema: ObjectSchema) -> bool:
    described = schema.get(seen.name)
    if described is None:
        return True
    return described.arrow != seen.arrow and holds(seen.arrow, described.arrow)


def _schema_body(schema: ObjectSchema) -> dict[str, Any]:
    return {
        "name": schema.name,
        "fingerprint": schema.fingerprint,
        "fields": [_field_body(f) for f in schema.fields],
        "left_out": dict(schema.left_out),
    }


def _schema_from(body: Mapping[str, Any]) -> ObjectSchema:
    return ObjectSchema(body["name"], tuple(map(_field_from, body["fields"])), body["left_out"])


def _field_body(entry: Field) -> dict[str, Any]:
    return {
        "name": entry.name,
        "type": entry.type,
        "stored_as": str(entry.arrow),
        "calculated": entry.calculated,
        "reference_to": list(entry.reference_to),
    }


def _field_from(body: Mapping[str, Any]) -> Field:
    return Field(
        name=body["name"],
        type=body["type"],
        arrow=parse_type(body["stored_as"]),
        calculated=body["calculated"],
        reference_to=tuple(body["reference_to"]),
    )


def parse_type(name: str) -> pa.DataType:
    """Inverts an Arrow type's `str`. Raises ValueError for one that no column is stored as."""
    if match := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(match[1]), int(match[2]))
    if name in _TYPES:
        return _TYPES[name]
    raise ValueError(f"{name!r} is not a type that columns are stored as")
