"""One name for each schema, the same as its title, for client generators."""

from __future__ import annotations

from typing import Any

__all__ = ["name_schemas"]

_REF = "#/components/schemas/"
_EXAMPLES = ("example", "examples", "default")


def name_schemas(document: dict[str, Any]) -> None:
    """Renames `Targeting-Output` and `Targeting-Input` to `Targeting` and `TargetingInput`.

    The framework gives both the title `Targeting`: generators name the class by it, and drop the
    second. The titles it gives to fields, as `Adunitid`, are removed.
    """
    schemas = document["components"]["schemas"]
    names = {name: _name(name, schema["title"]) for name, schema in schemas.items()}
    if len(set(names.values())) < len(names):
        raise ValueError("two schemas of the OpenAPI document share a name")
    _rename(document["paths"], names)
    _rename(schemas, names)
    document["components"]["schemas"] = {
        names[name]: {"title": names[name], **schema} for name, schema in schemas.items()
    }


def _name(name: str, title: str) -> str:
    """By the title: the framework's `Success_Order_` is not a class's name."""
    return f"{title}Input" if name.endswith("-Input") else title


def _rename(value: Any, names: dict[str, str]) -> None:
    if isinstance(value, list):
        for entry in value:
            _rename(entry, names)
    if not isinstance(value, dict):
        return
    # A field named title is a schema, not a string.
    if isinstance(value.get("title"), str):
        del value["title"]
    reference = value.get("$ref", "")
    if isinstance(reference, str) and reference.startswith(_REF):
        value["$ref"] = _REF + names[reference.removeprefix(_REF)]
    for key, inner in value.items():
        if key not in _EXAMPLES:
            _rename(inner, names)
