"""The stand-in's objects and fields, from fields.csv or from a describe."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

from seil.catalog.fields import describe_field
from seil.sandbox.salesforce.record_ids import BASE62

_TYPES = {
    "boolean": "BOOLEAN",
    "int": "BIGINT",
    "long": "BIGINT",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "time": "TIME",
}
_DECIMAL = frozenset({"double", "currency", "percent"})
_NOT_STORED = frozenset({"address", "location", "complexvalue", "base64"})
_MAX_PRECISION = 38

_OBJECT_TRAITS: Mapping[str, Any] = {
    "actionOverrides": [],
    "activateable": False,
    "associateEntityType": None,
    "associateParentEntity": None,
    "childRelationships": [],
    "compactLayoutable": True,
    "createable": True,
    "customSetting": False,
    "deepCloneable": False,
    "defaultImplementation": None,
    "deletable": True,
    "deprecatedAndHidden": False,
    "extendedBy": None,
    "extendsInterfaces": None,
    "feedEnabled": False,
    "hasSubtypes": False,
    "implementedBy": None,
    "implementsInterfaces": None,
    "isInterface": False,
    "isSubtype": False,
    "layoutable": True,
    "listviewable": None,
    "lookupLayoutable": None,
    "mergeable": False,
    "mruEnabled": True,
    "namedLayoutInfos": [],
    "networkScopeFieldName": None,
    "queryable": True,
    "recordTypeInfos": [],
    "replicateable": True,
    "retrieveable": True,
    "searchLayoutable": True,
    "searchable": True,
    "sobjectDescribeOption": "FULL",
    "supportedScopes": [],
    "triggerable": True,
    "undeletable": True,
    "updateable": True,
    "urls": {},
}
# What GET /sobjects leaves out of each object's describe.
_NOT_GLOBAL = frozenset(
    {
        "actionOverrides",
        "childRelationships",
        "compactLayoutable",
        "defaultImplementation",
        "extendedBy",
        "extendsInterfaces",
        "fields",
        "implementedBy",
        "implementsInterfaces",
        "listviewable",
        "lookupLayoutable",
        "namedLayoutInfos",
        "networkScopeFieldName",
        "recordTypeInfos",
        "searchLayoutable",
        "sobjectDescribeOption",
        "supportedScopes",
    }
)


@dataclass(frozen=True)
class SField:
    """One described field; `raw` is its entry in the describe."""

    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, name: str, field_type: str, **attributes: Any) -> SField:
        """A new field; `attributes` are those of `seil.catalog.fields.describe_field`."""
        return cls(describe_field(name, field_type, **attributes))

    @cached_property
    def name(self) -> str:
        return str(self.raw["name"])

    @cached_property
    def type(self) -> str:
        return str(self.raw["type"])

    @property
    def length(self) -> int:
        return int(self.raw.get("length") or 0)

    @property
    def precision(self) -> int:
        return int(self.raw.get("precision") or 0)

    @property
    def scale(self) -> int:
        return int(self.raw.get("scale") or 0)

    @property
    def digits(self) -> int:
        return int(self.raw.get("digits") or 0)

    @property
    def nillable(self) -> bool:
        return bool(self.raw.get("nillable", True))

    @property
    def calculated(self) -> bool:
        return bool(self.raw.get("calculated"))

    @property
    def createable(self) -> bool:
        return bool(self.raw.get("createable"))

    @property
    def updateable(self) -> bool:
        return bool(self.raw.get("updateable"))

    @property
    def auto_number(self) -> bool:
        return bool(self.raw.get("autoNumber"))

    @property
    def unique(self) -> bool:
        return bool(self.raw.get("unique"))

    @property
    def external_id(self) -> bool:
        return bool(self.raw.get("externalId"))

    @property
    def id_lookup(self) -> bool:
        return bool(self.raw.get("idLookup"))

    @property
    def name_field(self) -> bool:
        return bool(self.raw.get("nameField"))

    @property
    def cascade_delete(self) -> bool:
        """Deleting the parent deletes this record too (master-detail)."""
        return bool(self.raw.get("cascadeDelete"))

    @cached_property
    def reference_to(self) -> tuple[str, ...]:
        return tuple(self.raw.get("referenceTo") or ())

    @property
    def relationship_name(self) -> str | None:
        return self.raw.get("relationshipName")

    @property
    def compound(self) -> str | None:
        """The compound field this one is a part of."""
        return self.raw.get("compoundFieldName")

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The active values of a picklist."""
        choices = self.raw.get("picklistValues") or ()
        return tuple(str(c["value"]) for c in choices if c.get("active", True))

    @property
    def default_choice(self) -> str | None:
        """A new record's default for a picklist."""
        choices = self.raw.get("picklistValues") or ()
        marked = (str(c["value"]) for c in choices if c.get("defaultValue"))
        first = self.values[:1] if self.raw.get("defaultedOnCreate") and self.createable else ()
        return next(marked, next(iter(first), None))

    @property
    def stored(self) -> bool:
        """False for compound and binary fields, which have no column."""
        return self.type not in _NOT_STORED

    @property
    def column_type(self) -> str:
        """The DuckDB type of the field's column."""
        if self.type in _DECIMAL:
            digits = min(max(self.precision or 18, self.scale + 1), _MAX_PRECISION)
            return f"DECIMAL({digits},{self.scale})"
        return _TYPES.get(self.type, "VARCHAR")


@dataclass(frozen=True)
class SObject:
    """One described object; `raw` is its describe without the fields."""

    raw: Mapping[str, Any] = field(repr=False)
    fields: tuple[SField, ...] = field(repr=False)

    @classmethod
    def of(
        cls, name: str, fields: Iterable[SField], *, key_prefix: str = "", label: str = ""
    ) -> SObject:
        custom = name.lower().endswith("__c")
        called = label or name.removesuffix("__c").split("__")[-1].replace("_", " ")
        raw = {
            **_OBJECT_TRAITS,
            "custom": custom,
            "keyPrefix": key_prefix or _prefix(name),
            "label": called,
            "labelPlural": f"{called}s",
            "name": name,
        }
        return cls(raw, tuple(fields))

    @classmethod
    def from_describe(cls, answer: Mapping[str, Any]) -> SObject:
        """From any org's describe, unknown objects and fields included."""
        raw = {key: value for key, value in answer.items() if key != "fields"}
        raw = {**_OBJECT_TRAITS, **raw}
        raw["keyPrefix"] = raw.get("keyPrefix") or _prefix(answer["name"])
        return cls(raw, tuple(SField(entry) for entry in answer["fields"]))

    @cached_property
    def name(self) -> str:
        return str(self.raw["name"])

    @property
    def label(self) -> str:
        return str(self.raw["label"])

    @property
    def key_prefix(self) -> str:
        return str(self.raw["keyPrefix"])

    @property
    def custom(self) -> bool:
        return bool(self.raw.get("custom"))

    @cached_property
    def stored_fields(self) -> tuple[SField, ...]:
        return tuple(entry for entry in self.fields if entry.stored)

    @cached_property
    def name_field(self) -> SField | None:
        return next((entry for entry in self.fields if entry.name_field), None)

    @property
    def soft_deletes(self) -> bool:
        """Whether deleted records stay in the recycle bin (users, for example, do not)."""
        return self.field("IsDeleted") is not None

    def field(self, name: str) -> SField | None:
        return self._by_name.get(name.lower())

    def relationship(self, name: str) -> SField | None:
        """The reference field of that relationship name."""
        lower = name.lower()
        return next((f for f in self.fields if (f.relationship_name or "").lower() == lower), None)

    def parts(self, compound: str) -> tuple[SField, ...]:
        """The fields a compound field is made of."""
        return tuple(e for e in self.fields if (e.compound or "").lower() == compound.lower())

    def describe(self, others: Iterable[SObject] = ()) -> dict[str, Any]:
        """The describe answer; `others` are the org's objects, whose references to this one are
        child relationships too.

        `urls` is left to the server, which knows the API version asked for.
        """
        answer = {**self.raw, "fields": [dict(entry.raw) for entry in self.fields]}
        described = list(self.raw.get("childRelationships") or ())
        relationships = {(c["childSObject"].lower(), c["field"].lower()) for c in described}
        used: set[str | None] = {c["relationshipName"] for c in described}
        children = [
            _child(other, entry, used)
            for other, entry in self._referring(others)
            if (other.name.lower(), entry.name.lower()) not in relationships
        ]
        return {**answer, "childRelationships": [*described, *children]}

    def global_describe(self) -> dict[str, Any]:
        """The object's entry in the answer of GET /sobjects."""
        return {key: value for key, value in self.raw.items() if key not in _NOT_GLOBAL}

    def with_field(self, added: SField) -> SObject:
        """With the field added, or replacing the one of that name."""
        if self.field(added.name) is None:
            return replace(self, fields=(*self.fields, added))
        lower = added.name.lower()
        return replace(
            self,
            fields=tuple(added if entry.name.lower() == lower else entry for entry in self.fields),
        )

    def without_field(self, name: str) -> SObject:
        return replace(self, fields=tuple(e for e in self.fields if e.name.lower() != name.lower()))

    def with_key_prefix(self, prefix: str) -> SObject:
        return replace(self, raw={**self.raw, "keyPrefix": prefix})

    def _referring(self, others: Iterable[SObject]) -> Iterable[tuple[SObject, SField]]:
        lower = self.name.lower()
        for other in others:
            for entry in other.fields:
                if entry.reference_to and lower in map(str.lower, entry.reference_to):
                    yield other, entry

    @cached_property
    def _by_name(self) -> dict[str, SField]:
        return {entry.name.lower(): entry for entry in self.fields}


def _child(other: SObject, entry: SField, used: set[str | None]) -> dict[str, Any]:
    """`used` are the object's child relationship names so far; adds this one's."""
    name = next(n for n in _child_names(other, entry) if n is None or n not in used)
    used.add(name)
    return {
        "cascadeDelete": entry.cascade_delete,
        "childSObject": other.name,
        "deprecatedAndHidden": False,
        "field": entry.name,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": name,
        "restrictedDelete": False,
    }


def _child_names(other: SObject, entry: SField) -> Iterator[str | None]:
    """The first unused one counts; a standard field's relationship may have none."""
    joined = str(other.raw.get("labelPlural") or other.label).replace(" ", "")
    if not entry.raw.get("custom"):
        yield from (f"{joined}__r" if other.custom else joined, None)
    yield f"{joined}__r"
    for number in count(1):
        yield f"{joined}{number}__r"


def _prefix(name: str) -> str:
    """Three characters as for custom objects: `a`, then two derived from the name."""
    number = int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:4], "big")
    return f"a{BASE62[number // 62 % 62]}{BASE62[number % 62]}"
