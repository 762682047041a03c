"""SQL text put together from pieces, in the dialect that SEIL writes its SQL in."""

from __future__ import annotations

from collections.abc import Iterable

from seil.warehouse.tables import TableName


class Sql(str):
    """A piece of SQL, to be taken as it is."""

    __slots__ = ()


class SqlName(str):
    """An identifier, to be quoted."""

    __slots__ = ()


def compose(template: str, **parts: str | int | TableName) -> Sql:
    """Fills the `{places}` of a template: `Sql` as it is, names quoted, other text as a literal."""
    return Sql(template.format_map({name: _written(part) for name, part in parts.items()}))


def join(separator: str, parts: Iterable[str]) -> Sql:
    return Sql(separator.join(parts))


def quote(name: str | TableName) -> Sql:
    if isinstance(name, TableName):
        return join(".", [quote(part) for part in name if part])
    return Sql('"' + name.replace('"', '""') + '"')


def literal(text: str) -> Sql:
    return Sql("'" + text.replace("'", "''") + "'")


def _written(part: str | int | TableName) -> str:
    if isinstance(part, SqlName | TableName):
        return quote(part)
    if isinstance(part, Sql):
        return part
    return literal(part) if isinstance(part, str) else str(part)
