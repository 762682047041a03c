"""Avro schemas of events, and the header of a change event.

https://developer.salesforce.com/docs/platform/pub-sub-api/guide/event-deserialization-considerations.html
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fastavro

from seil.sandbox.salesforce.metadata import SField, SObject

HEADER = "ChangeEventHeader"
ALL_CHANGES = "/data/ChangeEvents"
_NAMESPACE = "com.sforce.eventbus"
_TYPES = {"boolean": "boolean", "int": "int", "double": "double", "currency": "double"}
_TYPES |= {"percent": "double", "date": "long", "datetime": "long", "time": "long", "long": "long"}
# Over Pub/Sub a change event has no system modstamp, no deletion mark and no formula.
_NOT_SENT = frozenset({"Id", "SystemModstamp", "IsDeleted"})
_CHANGE_TYPES = ["CREATE", "UPDATE", "DELETE", "UNDELETE"]
_GAPS = [*(f"GAP_{kind}" for kind in _CHANGE_TYPES), "GAP_OVERFLOW"]
_TEXTS = {"type": "array", "items": "string"}
_HEADER_TYPES: dict[str, Any] = {
    "entityName": "string",
    "recordIds": _TEXTS,
    "changeType": {
        "type": "enum",
        "name": "ChangeType",
        "symbols": [*_CHANGE_TYPES, *_GAPS, "SNAPSHOT"],
    },
    "changeOrigin": "string",
    "transactionKey": "string",
    "sequenceNumber": "int",
    "commitTimestamp": "long",
    "commitNumber": "long",
    "commitUser": "string",
    "nulledFields": _TEXTS,
    "diffFields": _TEXTS,
    "changedFields": _TEXTS,
}


@dataclass(frozen=True)
class EventSchema:
    """`avro` is the parsed JSON of a record."""

    avro: Mapping[str, Any]

    @cached_property
    def json(self) -> str:
        return json.dumps(self.avro, separators=(",", ":"))

    @cached_property
    def id(self) -> str:
        """A digest: the same schema has the same id, also after a restart."""
        digest = hashlib.md5(self.json.encode(), usedforsecurity=False).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    @cached_property
    def parsed(self) -> dict[str, Any]:
        """For fastavro: parsing takes longer than encoding an event."""
        parsed: Any = fastavro.parse_schema(dict(self.avro))
        return dict(parsed)

    @cached_property
    def positions(self) -> dict[str, str]:
        """By field: its bit, or `parent-bit` where it is part of a compound field."""
        places: dict[str, str] = {}
        for number, field in enumerate(self.avro["fields"]):
            places[field["name"]] = str(number)
            for inner, part in enumerate(_parts(field)):
                places[f"{field['name']}.{part['name']}"] = f"{number}-{inner}"
        return places

    def bitmaps(self, names: Iterable[str]) -> list[str]:
        """As in `["0x650004E0", "4-0x10"]`: the n-th bit is the n-th field."""
        whole, compound = 0, dict[str, int]()
        for name in names:
            parent, dash, bit = self.positions[name].partition("-")
            if dash:
                compound[parent] = compound.get(parent, 0) | 1 << int(bit)
            else:
                whole |= 1 << int(parent)
        nested = [f"{parent}-{_hex(bits)}" for parent, bits in sorted(compound.items())]
        return [*([_hex(whole)] if whole else []), *nested]


def change_topic(entity: SObject) -> str:
    return f"/data/{_event_name(entity.name)}"


def change_schema(entity: SObject) -> EventSchema:
    sent = sent_fields(entity)
    compounds = dict.fromkeys(entry.compound for entry in sent if entry.compound)
    fields = [_field(entry) for entry in sent if not entry.compound]
    for compound in compounds:
        parts = [_field(part) for part in sent if part.compound == compound]
        record = {"type": "record", "name": f"{compound}_Parts", "fields": parts}
        fields.append(_optional(str(compound), record))
    return _record(_event_name(entity.name), [_header(), *fields])


def platform_schema(name: str, fields: Iterable[str]) -> EventSchema:
    """All of a platform event's own fields are texts here."""
    system = [{"name": "CreatedDate", "type": "long"}, {"name": "CreatedById", "type": "string"}]
    return _record(name, [*system, *(_optional(field, "string") for field in fields)])


def sent_fields(entity: SObject) -> list[SField]:
    return [
        entry
        for entry in entity.stored_fields
        if entry.name not in _NOT_SENT and not entry.calculated
    ]


def _event_name(name: str) -> str:
    return f"{name.removesuffix('c')}ChangeEvent" if name.endswith("__c") else f"{name}ChangeEvent"


def _record(name: str, fields: list[dict[str, Any]]) -> EventSchema:
    return EventSchema({"type": "record", "name": name, "namespace": _NAMESPACE, "fields": fields})


def _header() -> dict[str, Any]:
    fields = [{"name": name, "type": kind} for name, kind in _HEADER_TYPES.items()]
    return {"name": HEADER, "type": {"type": "record", "name": HEADER, "fields": fields}}


def _field(entry: SField) -> dict[str, Any]:
    return _optional(entry.name, _TYPES.get(entry.type, "string"))


def _optional(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None}


def _parts(field: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind = field["type"]
    inner = kind[1] if isinstance(kind, list) else None
    return list(inner["fields"]) if isinstance(inner, dict) and inner["type"] == "record" else []


def _hex(bits: int) -> str:
    digits = f"{bits:X}"
    return f"0x{digits.zfill(len(digits) + len(digits) % 2)}"
