"""A query's columns without its rows: the answer to `columns=true`.

Salesforce documents it nowhere; the shape is what its own clients read, such as `sf data query`:
https://github.com/salesforcecli/plugin-data/blob/main/test/test-files/soqlQuery.exemplars.ts
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seil.sandbox.salesforce.conditions import IDS, NUMBERS
from seil.sandbox.salesforce.translate import COMPOUND, SelectedColumn, Translation

_APEX = {
    "boolean": "Boolean",
    "int": "Integer",
    "long": "Long",
    "double": "Double",
    "currency": "Double",
    "percent": "Double",
    "date": "Date",
    "datetime": "Datetime",
    "time": "Time",
    "base64": "Blob",
}
_NO_TEXT = frozenset(_APEX) | IDS | COMPOUND


def column_metadata(translation: Translation, *, group_by: bool) -> dict[str, Any]:
    keys = {parent.path: parent.key for parent in translation.parents}
    return {
        "columnMetadata": _columns(translation.columns, (), keys),
        "entityName": translation.entity.name,
        "groupBy": group_by,
        "idSelected": any(column.path == ("Id",) for column in translation.columns),
        "keyPrefix": translation.entity.key_prefix,
    }


def _columns(
    columns: Sequence[SelectedColumn], above: tuple[str, ...], keys: dict[tuple[str, ...], str]
) -> list[dict[str, Any]]:
    """Fields of one relationship are joined columns of one entry, where the first of them is."""
    depth = len(above)
    entries: dict[str, list[SelectedColumn]] = {}
    for column in columns:
        entries.setdefault(column.path[depth], []).append(column)
    answer = []
    for name, alike in entries.items():
        if len(alike[0].path) == depth + 1:
            answer.append(_column(name, alike[0]))
            continue
        path = (*above, name)
        joined = _columns(alike, path, keys)
        answer.append(_entry(name, foreignKeyName=keys[path], joinColumns=joined))
    return answer


def _column(name: str, column: SelectedColumn) -> dict[str, Any]:
    described = column.field.raw if column.field else {}
    apex = "Id" if column.type in IDS else _APEX.get(column.type, "String")
    return _entry(
        name,
        aggregate=bool(column.call),
        apexType=None if column.call or column.type in COMPOUND else apex,
        booleanType=column.type == "boolean",
        custom=bool(described.get("custom")),
        displayName=column.call or (column.field.name if column.field else name),
        insertable=bool(described.get("createable")),
        numberType=column.type in NUMBERS,
        textType=column.type not in _NO_TEXT,
        updatable=bool(described.get("updateable")),
    )


def _entry(name: str, **traits: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "aggregate": False,
        "apexType": None,
        "booleanType": False,
        "columnName": name,
        "custom": False,
        "displayName": name,
        "foreignKeyName": None,
        "insertable": False,
        "joinColumns": [],
        "numberType": False,
        "textType": False,
        "updatable": False,
    }
    return {**plain, **traits}
