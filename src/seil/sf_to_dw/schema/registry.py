"""What is known of each object's columns: the org's describe, and what files have brought since.

`schemas/Salesforce-<landing name>.json` in staging holds both, with the history of changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.catalog.fields import packaged_fields
from seil.errors import LakeError
from seil.lake import Document, Lake
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema, described_schema

_KEPT_CHANGES = 200
_CURE = "the next extract writes it again"
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


def compare(old: ObjectSchema, new: ObjectSchema) -> SchemaDiff:
    """Names are compared without regard to case."""
    changed = [
        (known, now)
        for known in old.fields
        if (now := new.get(known.name)) and now.arrow != known.arrow
    ]
    types = {now.name: (str(known.arrow), str(now.arrow)) for known, now in changed}
    wider = {now.name for known, now in changed if holds(now.arrow, known.arrow)}
    return SchemaDiff(
        added={f.name: str(f.arrow) for f in new.fields if not old.get(f.name)},
        removed={f.name: str(f.arrow) for f in old.fields if not new.get(f.name)},
        widened={name: pair for name, pair in types.items() if name in wider},
        incompatible={name: pair for name, pair in types.items() if name not in wider},
    )


def holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether every value of `narrow` can be stored as `wide` without losing anything."""
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
    schema = described_schema({"name": obj.api_name, "fields": fields})
    return schema.without(obj.exclude, "excluded in the catalog")


def expected_schema(registry: SchemaRegistry, obj: SyncedObject) -> ObjectSchema | None:
    """The columns a file of `obj` is held to: the org's describe, else the packaged field list,
    with what earlier files have added or widened; None when nothing is known.
    """
    return _expected_schema(registry.entry(obj), obj)


def _expected_schema(entry: ObjectEntry, obj: SyncedObject) -> ObjectSchema | None:
    base = entry.described or packaged_schema(obj)
    if base is None or not entry.seen:
        return base or (ObjectSchema(obj.api_name, entry.seen) if entry.seen else None)
    found = {f.name.lower(): f for f in entry.seen}
    fields = [
        _settle(f, found.pop(f.name.lower(), None), described=entry.described is not None)
        for f in base.fields
    ]
    return ObjectSchema(base.name, (*fields, *found.values()), base.left_out)


def _settle(base: Field, seen: Field | None, *, described: bool) -> Field:
    # The packaged list is our guess at this org; a file that was taken in knows better.
    if seen is None or (described and not holds(seen.arrow, base.arrow)):
        return base
    return replace(base, arrow=seen.arrow)


@dataclass(frozen=True)
class ObjectEntry:
    """The stored state of one object. `seen` are the fields that files added or widened."""

    described: ObjectSchema | None = None
    seen: tuple[Field, ...] = ()
    version: int = 0
    history: tuple[dict[str, Any], ...] = ()


# What an entry becomes, and what the history says of it; None: it stays.
_Edit = Callable[[ObjectEntry], tuple[ObjectEntry, SchemaDiff] | None]


class SchemaRegistry:
    """Thread-safe; of several processes none loses what another has stored."""

    def __init__(
        self, lake: Lake, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.lake = lake
        self._clock = clock
        # Of each object the tag that was read last, and what that was parsed into: several steps
        # ask.
        self._parsed: dict[str, tuple[str, ObjectEntry]] = {}

    def get(self, obj: SyncedObject) -> ObjectSchema | None:
        """The schema that was last put: the org's describe."""
        return self.entry(obj).described

    def seen_fields(self, obj: SyncedObject) -> tuple[Field, ...]:
        """Fields that files have brought beyond it, or with a wider type."""
        return self.entry(obj).seen

    def history(self, obj: SyncedObject) -> list[dict[str, Any]]:
        """Changes, oldest first: version, at, source, and what SchemaDiff.to_dict says."""
        return list(self.entry(obj).history)

    def store(self, obj: SyncedObject, schema: ObjectSchema) -> SchemaDiff:
        """Stores what the org describes. Returns what changed, all columns the first time."""
        diff = SchemaDiff()

        def edit(entry: ObjectEntry) -> tuple[ObjectEntry, SchemaDiff] | None:
            nonlocal diff
            diff = compare(entry.described or ObjectSchema(schema.name, ()), schema)
            seen = tuple(f for f in entry.seen if _still_adds(f, schema))
            new = replace(entry, described=schema, seen=seen)
            return None if new == entry else (new, diff)

        self._change(obj, edit, source="describe")
        return diff

    def accept(
        self,
        obj: SyncedObject,
        fields: Sequence[Field],
        *,
        given: ObjectSchema | None,
        source: str,
    ) -> SchemaDiff | None:
        """Takes fields that a file adds to the known schema `given`, or widens in it.

        None when the known schema is not `given` any more: look at the file again. `source` goes
        into the history.
        """
        if not fields:
            return SchemaDiff() if expected_schema(self, obj) == given else None
        before = ObjectSchema(
            obj.api_name, tuple(old for f in fields if given and (old := given.get(f.name)))
        )
        diff = compare(before, ObjectSchema(obj.api_name, tuple(fields)))
        is_current = False

        def edit(entry: ObjectEntry) -> tuple[ObjectEntry, SchemaDiff] | None:
            nonlocal is_current
            is_current = _expected_schema(entry, obj) == given
            seen = {f.name.lower(): f for f in (*entry.seen, *fields)}
            return (replace(entry, seen=tuple(seen.values())), diff) if is_current else None

        self._change(obj, edit, source=source)
        return diff if is_current else None

    def note(self, obj: SyncedObject, diff: SchemaDiff, *, source: str) -> None:
        """Puts a decision about a change into the history; what is known stays as it is."""
        self._change(obj, lambda entry: (entry, diff), source=source)

    def entry(self, obj: SyncedObject) -> ObjectEntry:
        """All of it, as it is stored now: other processes may have written it."""
        document = self._document(obj)
        stored = document.version()
        if stored is None:
            return ObjectEntry()
        known = self._parsed.get(document.key)
        if known is None or known[0] != stored.tag:
            entry = self._parse(document, document.parse(stored))
            known = self._parsed[document.key] = stored.tag, entry
        return known[1]

    def _document(self, obj: SyncedObject) -> Document:
        return self.lake.document(f"schemas/Salesforce-{obj.landing_name}.json", cure=_CURE)

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
        document = self._document(obj)

        def edit_body(body: dict[str, Any] | None) -> dict[str, Any] | None:
            made = edit(self._parse(document, body))
            return None if made is None else {**(body or {}), **self._body(obj, *made, source)}

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
            "history": [*entry.history, change][-_KEPT_CHANGES:],
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
        arrow=stored_type(body["stored_as"]),
        calculated=body["calculated"],
        reference_to=tuple(body["reference_to"]),
    )


def stored_type(name: str) -> pa.DataType:
    """The Arrow type that `str` wrote. Raises ValueError for one that no column is stored as."""
    if match := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(match[1]), int(match[2]))
    if name in _TYPES:
        return _TYPES[name]
    raise ValueError(f"{name!r} is not a type that columns are stored as")
