"""An object's fields as Arrow types, from Salesforce's describe.

Field types: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import pyarrow as pa

UTC_MICROS = pa.timestamp("us", tz="UTC")

_FIXED: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "date": pa.date32(),
    "datetime": UTC_MICROS,
    "time": pa.time64("us"),
}
_DECIMAL = frozenset({"double", "currency", "percent"})
_LEFT_OUT = {
    "address": "compound field; its components are read",
    "location": "compound field; its components are read",
    "complexvalue": "compound field; its components are read",
    "base64": "binary content is not read in bulk",
}
_MAX_PRECISION = 38


@dataclass(frozen=True)
class Field:
    """One readable field: `type` is Salesforce's, `arrow` the stored type.

    Attributes about querying do not take part in comparisons.
    """

    name: str
    type: str
    arrow: pa.DataType
    calculated: bool = False
    reference_to: tuple[str, ...] = ()
    filterable: bool = field(default=True, compare=False)
    nillable: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class ObjectSchema:
    """`left_out` maps each described field that is not among `fields` to the reason; records of an
    immutable object cannot be updated.
    """

    name: str
    fields: tuple[Field, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    is_immutable: bool = field(default=False, compare=False)

    @cached_property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(f.name, f.arrow) for f in self.fields])

    @cached_property
    def fingerprint(self) -> str:
        """Changes if and only if a field is added, removed or changes its stored type."""
        pairs = sorted((f.name.lower(), str(f.arrow)) for f in self.fields)
        return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]

    def get(self, name: str) -> Field | None:
        return self._by_name.get(name.lower())

    def without(self, names: Iterable[str], reason: str) -> ObjectSchema:
        dropped = {name.lower() for name in names}
        fields = tuple(f for f in self.fields if f.name.lower() not in dropped)
        reasons = {f.name: reason for f in self.fields if f.name.lower() in dropped}
        return replace(self, fields=fields, left_out={**self.left_out, **reasons})

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {f.name.lower(): f for f in self.fields}


def parse_describe(describe: Mapping[str, Any]) -> ObjectSchema:
    """The schema of a describe answer's `name` and `fields`."""
    fields: list[Field] = []
    left_out: dict[str, str] = {}
    for entry in describe["fields"]:
        if reason := _LEFT_OUT.get(entry["type"]):
            left_out[entry["name"]] = reason
            continue
        fields.append(
            Field(
                name=entry["name"],
                type=entry["type"],
                arrow=arrow_type(
                    entry["type"], entry.get("precision") or 0, entry.get("scale") or 0
                ),
                calculated=bool(entry.get("calculated")),
                reference_to=tuple(entry.get("referenceTo") or ()),
                filterable=entry.get("filterable") is not False,
                nillable=bool(entry.get("nillable")),
            )
        )
    is_immutable = describe.get("updateable") is False
    return ObjectSchema(describe["name"], tuple(fields), left_out, is_immutable)


@cache
def arrow_type(salesforce_type: str, precision: int = 0, scale: int = 0) -> pa.DataType:
    """Text for every type that is not numeric, boolean or temporal, unknown ones included."""
    if salesforce_type in _DECIMAL:
        digits = min(max(precision or 18, scale + 1), _MAX_PRECISION)
        return pa.decimal128(digits, scale)
    return _FIXED.get(salesforce_type, pa.string())
