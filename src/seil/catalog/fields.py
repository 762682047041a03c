"""The packaged fields of fields.csv, as an org's describe returns them.

They type landed files that carry no types, and make up the stand-in org. A connected org's own
describe takes precedence. An empty cell means the type's default: see `_DEFAULTS`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

_DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "id": {"length": 18},
    "reference": {"length": 18},
    "string": {"length": 255},
    "textarea": {"length": 32768},
    "picklist": {"length": 255},
    "multipicklist": {"length": 4099},
    "phone": {"length": 40},
    "email": {"length": 80},
    "url": {"length": 255},
    "encryptedstring": {"length": 175},
    "currency": {"precision": 18, "scale": 2},
    "double": {"precision": 18, "scale": 2},
    "percent": {"precision": 5, "scale": 2},
    "int": {"digits": 9},
}
_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "long": "xsd:long",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "base64": "xsd:base64Binary",
    "address": "urn:address",
    "location": "urn:location",
    "anyType": "xsd:anyType",
}
_FLAGS = frozenset(
    {
        "required",
        "read_only",
        "calculated",
        "defaulted",
        "external_id",
        "unique",
        "auto_number",
        "name",
        "master",
        "html",
    }
)
_LONG_TEXT = 255


def packaged_objects() -> tuple[str, ...]:
    """The objects of fields.csv, by API name."""
    return tuple(name for name, _ in _by_object().values())


def packaged_fields(api_name: str) -> list[dict[str, Any]]:
    """The object's fields as describe returns them; empty for an object not in fields.csv."""
    _, rows = _by_object().get(api_name.lower(), ("", ()))
    return [_describe(row) for row in rows]


def describe_field(
    name: str,
    field_type: str,
    *,
    length: int | None = None,
    precision: int | None = None,
    scale: int | None = None,
    reference_to: Iterable[str] = (),
    compound: str = "",
    values: Iterable[str] = (),
    flags: Iterable[str] = (),
) -> dict[str, Any]:
    """A field as describe returns it, with the type's defaults for omitted attributes.

    `flags`: required, read_only, calculated, defaulted (Salesforce sets a default on create),
    external_id, unique, auto_number, name (the record's name), master (master-detail), html.
    A reference to several objects is polymorphic.
    """
    flag_set = frozenset(flags)
    if unknown := flag_set - _FLAGS:
        raise ValueError(f"{name}: unknown flags {', '.join(sorted(unknown))}")
    default = _DEFAULTS.get(field_type, {})
    size = default.get("length", 0) if length is None else length
    targets = list(reference_to)
    return {
        **_traits(field_type, size, flag_set),
        "namePointing": len(targets) > 1,
        "polymorphicForeignKey": len(targets) > 1,
        "byteLength": size if field_type in ("id", "reference") else size * 3,
        "compoundFieldName": compound or None,
        "custom": name.lower().endswith("__c"),
        "digits": default.get("digits", 0),
        "label": _label(name),
        "length": size,
        "name": name,
        "picklistValues": [_choice(value) for value in values],
        "precision": default.get("precision", 0) if precision is None else precision,
        "referenceTo": targets,
        "relationshipName": _relationship(name) if targets else None,
        "relationshipOrder": 0 if "master" in flag_set else None,
        "scale": default.get("scale", 0) if scale is None else scale,
        "soapType": _SOAP_TYPES.get(field_type, "xsd:string"),
        "type": field_type,
    }


@cache
def _by_object() -> dict[str, tuple[str, tuple[Mapping[str, str], ...]]]:
    text = resources.files("seil.catalog").joinpath("fields.csv").read_text("utf-8")
    objects: dict[str, tuple[str, tuple[Mapping[str, str], ...]]] = {}
    for row in csv.DictReader(text.splitlines()):
        name, rows = objects.get(row["object"].lower(), (row["object"], ()))
        objects[name.lower()] = (name, (*rows, row))
    return objects


def _describe(row: Mapping[str, str]) -> dict[str, Any]:
    return describe_field(
        row["name"],
        row["type"],
        length=_number(row["length"]),
        precision=_number(row["precision"]),
        scale=_number(row["scale"]),
        reference_to=row["reference_to"].split(),
        compound=row["compound"],
        values=row["values"].split(";") if row["values"] else (),
        flags=row["flags"].split(),
    )


def _number(cell: str) -> int | None:
    return int(cell) if cell else None


def _traits(field_type: str, length: int, flag_set: frozenset[str]) -> dict[str, Any]:
    """Describe's booleans and constants, as Salesforce sets them for a field of this type."""
    compound = field_type in ("address", "location")
    long_text = field_type == "textarea" and length > _LONG_TEXT
    fixed = bool(flag_set & {"read_only", "calculated", "auto_number"}) or compound
    boolean = field_type == "boolean"
    is_simple = not (compound or long_text or field_type == "base64")
    return {
        "aggregatable": is_simple and not boolean,
        "aiPredictionField": False,
        "autoNumber": "auto_number" in flag_set,
        "calculated": "calculated" in flag_set,
        "calculatedFormula": None,
        "cascadeDelete": "master" in flag_set,
        "caseSensitive": False,
        "controllerName": None,
        "createable": not fixed,
        "defaultValue": False if boolean else None,
        "defaultValueFormula": None,
        "defaultedOnCreate": boolean or bool(flag_set & {"defaulted", "read_only", "auto_number"}),
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "displayLocationInDecimal": False,
        "encrypted": field_type == "encryptedstring",
        "externalId": "external_id" in flag_set,
        "extraTypeInfo": "plaintextarea" if field_type == "textarea" else None,
        "filterable": is_simple,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": is_simple and field_type not in ("datetime", "double", "currency", "percent"),
        "highScaleNumber": False,
        "htmlFormatted": "html" in flag_set,
        "idLookup": field_type == "id" or bool(flag_set & {"external_id", "name"}),
        "inlineHelpText": None,
        "mask": None,
        "maskType": None,
        "nameField": "name" in flag_set,
        "nillable": not (flag_set & {"required", "auto_number"} or boolean),
        "permissionable": not flag_set & {"required", "master"},
        "queryByDistance": compound,
        "referenceTargetField": None,
        "restrictedDelete": False,
        "restrictedPicklist": False,
        "searchPrefilterable": False,
        "sortable": is_simple and field_type != "multipicklist",
        "unique": "unique" in flag_set,
        "updateable": not fixed and "master" not in flag_set,
        "writeRequiresMasterRead": False,
    }


def _choice(value: str) -> dict[str, Any]:
    return {
        "active": True,
        "defaultValue": False,
        "label": value,
        "validFor": None,
        "value": value,
    }


def _relationship(name: str) -> str:
    if name.lower().endswith("__c"):
        return name[:-1] + "r"
    return name.removesuffix("Id")


def _label(name: str) -> str:
    """`vlocity_cmt__PriceListId__c` becomes `Price List Id`."""
    local_name = name.removesuffix("__c").split("__")[-1].replace("_", " ")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", local_name)
