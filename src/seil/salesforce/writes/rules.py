"""What the user may write to an object, and its fields' constraints: from its describe.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class FieldRule:
    """`length` is in characters; `digits` before the point, 0 if unlimited.

    `values` are the active ones of a restricted picklist, else None. `is_key`: an external id or
    another field for look-ups (idLookup).
    """

    name: str
    type: str
    createable: bool = False
    updateable: bool = False
    nillable: bool = True
    defaulted: bool = False
    length: int = 0
    digits: int = 0
    scale: int = 0
    values: tuple[str, ...] | None = None
    is_key: bool = False
    is_external_id: bool = False
    relationship: str = ""
    reference_to: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> FieldRule:
        precision, scale = entry.get("precision") or 0, entry.get("scale") or 0
        restricted = entry.get("restrictedPicklist") and entry.get("picklistValues")
        return cls(
            name=entry["name"],
            type=entry["type"],
            createable=bool(entry.get("createable")),
            updateable=bool(entry.get("updateable")),
            nillable=entry.get("nillable") is not False,
            defaulted=bool(entry.get("defaultedOnCreate")),
            length=entry.get("length") or 0,
            digits=(precision - scale) or entry.get("digits") or 0,
            scale=scale,
            values=_active(entry["picklistValues"]) if restricted else None,
            is_key=bool(entry.get("externalId") or entry.get("idLookup")),
            is_external_id=bool(entry.get("externalId")),
            relationship=entry.get("relationshipName") or "",
            reference_to=tuple(entry.get("referenceTo") or ()),
        )


@dataclass(frozen=True)
class ObjectRules:
    name: str
    createable: bool
    updateable: bool
    deletable: bool
    fields: tuple[FieldRule, ...]

    @classmethod
    def parse(cls, describe: Mapping[str, Any]) -> ObjectRules:
        return cls(
            describe["name"],
            createable=describe.get("createable") is not False,
            updateable=describe.get("updateable") is not False,
            deletable=describe.get("deletable") is not False,
            fields=tuple(FieldRule.parse(entry) for entry in describe["fields"]),
        )

    def get(self, name: str) -> FieldRule | None:
        """Ignores case."""
        return self._by_name.get(name.lower())

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Fields without which no record can be created."""
        return tuple(
            rule.name
            for rule in self.fields
            if rule.createable and not rule.nillable and not rule.defaulted
        )

    @cached_property
    def _by_name(self) -> dict[str, FieldRule]:
        return {rule.name.lower(): rule for rule in self.fields}


def _active(entries: list[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(e["value"]) for e in entries if e.get("active") is not False)
