"""Renders a query's rows as the REST API does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from seil.sandbox.salesforce.translate import Translation

_ADDRESS_PARTS = (
    "city",
    "country",
    "countryCode",
    "geocodeAccuracy",
    "latitude",
    "longitude",
    "postalCode",
    "state",
    "stateCode",
    "street",
)


class Renderer:
    """Made from a translation, or again from what `spec` kept of one.

    A row holds the record's Id, its parents' Ids (those of a polymorphic relationship with their
    objects), then the columns, compound ones as their parts.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._entity: str | None = spec["entity"]
        self._parents = [(tuple(path), entity, bool(of)) for path, entity, *of in spec["parents"]]
        self._columns: list[tuple[tuple[str, ...], str, list[str]]] = [
            (tuple(path), kind, parts) for path, kind, parts in spec["columns"]
        ]

    @staticmethod
    def spec(translation: Translation) -> dict[str, Any]:
        """JSON from which a later process can render the rows."""
        return {
            "entity": None if translation.grouped else translation.entity.name,
            "parents": [
                [parent.path, parent.entity, *([True] if parent.type_sql else [])]
                for parent in translation.parents
            ],
            "columns": [
                [column.path, column.type, [part.path[0] for part in column.parts]]
                for column in translation.columns
            ],
        }

    @staticmethod
    def expressions(translation: Translation) -> str:
        """The SELECT list of the rows."""
        own = "NULL" if translation.grouped else translation.id_sql
        columns = [own]
        for parent in translation.parents:
            columns += filter(None, (parent.id_sql, parent.type_sql))
        for column in translation.columns:
            columns += [part.sql for part in column.parts] if column.parts else [column.sql]
        return ", ".join(f"{sql} AS c{n}" for n, sql in enumerate(columns))

    def records(self, rows: Iterable[Sequence[Any]], root: str) -> list[dict[str, Any]]:
        return [self._record(row, root) for row in rows]

    def _record(self, row: Sequence[Any], root: str) -> dict[str, Any]:
        record: dict[str, Any] = {"attributes": _attributes(self._entity, row[0], root)}
        values = iter(row[1:])
        parents: dict[tuple[str, ...], dict[str, Any] | None] = {(): record}
        for path, entity, polymorphic in self._parents:
            identifier, kind = next(values), next(values) if polymorphic else entity
            url = f"{root}/sobjects/{kind}/{identifier}"
            attributes = {"attributes": {"type": entity, "url": url}}
            parents[path] = attributes if identifier else None
        for path, kind, parts in self._columns:
            _add_parent(parents, path[:-1])
            value = (
                _compound(parts, [next(values) for _ in parts])
                if parts
                else self._value(kind, next(values), root, path[-1])
            )
            if (target := parents[path[:-1]]) is not None:
                target[path[-1]] = value
        return record

    def _value(self, kind: str, value: Any, root: str, name: str) -> Any:
        if kind == "base64" and value is not None:
            return f"{root}/sobjects/{self._entity}/{value}/{name}"
        return json_value(value)


def _add_parent(
    parents: Mapping[tuple[str, ...], dict[str, Any] | None], path: tuple[str, ...]
) -> None:
    """Adds the parent to the record at the position of its first selected field."""
    for depth in range(len(path)):
        above = parents[path[:depth]]
        if above is not None:
            above.setdefault(path[depth], parents[path[: depth + 1]])


def json_value(value: Any) -> Any:
    convert = _CONVERSIONS.get(type(value))
    return convert(value) if convert else value


def datetime_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _time_text(moment: time) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


_CONVERSIONS: Mapping[type, Callable[[Any], Any]] = {
    datetime: datetime_text,
    date: date.isoformat,
    time: _time_text,
    Decimal: float,
}


def _attributes(entity: str | None, identifier: str | None, root: str) -> dict[str, str]:
    if entity is None:
        return {"type": "AggregateResult"}
    return {"type": entity, "url": f"{root}/sobjects/{entity}/{identifier}"}


def _compound(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any] | None:
    """BillingPostalCode is postalCode in the reply."""
    parts = {}
    for name, value in zip(names, values, strict=True):
        bare = name.removesuffix("__s").replace("_", "").lower()
        part = next((p for p in _ADDRESS_PARTS if bare.endswith(p.lower())), name)
        parts[part] = json_value(value)
    return parts if any(value is not None for value in parts.values()) else None
