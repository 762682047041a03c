"""Composes SQL text, in SEIL's own dialect."""

from __future__ import annotations

from collections.abc import Iterable

from seil.warehouse.tables import TableName


class Sql(str):
    """SQL text, inserted verbatim."""

    __slots__ = ()


class SqlName(str):
    """An identifier, inserted quoted."""

    __slots__ = ()


def compose(template: str, **parts: str | int | TableName) -> Sql:
    """Fills a template's `{fields}`: `Sql` verbatim, names quoted, other text as a literal."""
    return Sql(template.format_map({name: _format(part) for name, part in parts.items()}))


def join(separator: str, parts: Iterable[str]) -> Sql:
    return Sql(separator.join(parts))


def quote(name: str | TableName) -> Sql:
    if isinstance(name, TableName):
        return join(".", [quote(part) for part in name if part])
    return Sql('"' + name.replace('"', '""') + '"')


def literal(text: str) -> Sql:
    return Sql("'" + text.replace("'", "''") + "'")


def _format(part: str | int | TableName) -> str:
    if isinstance(part, SqlName | TableName):
        return quote(part)
    if isinstance(part, Sql):
        return part
    return literal(part) if isinstance(part, str) else str(part)
