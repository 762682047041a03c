"""SQL text: written once in DuckDB's dialect, translated for whoever runs it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from seil.warehouse.tables import TableName

WRITTEN_IN = "duckdb"


class Sql(str):
    """A piece of SQL, to be taken as it is."""

    __slots__ = ()


class Name(str):
    """An identifier, to be quoted."""

    __slots__ = ()


def compose(template: str, **parts: str | int | TableName) -> Sql:
    """Fills the `{places}` of a template: `Sql` as it is, names quoted, other text as a literal."""
    return Sql(template.format_map({name: _written(part) for name, part in parts.items()}))


def joined(separator: str, parts: Iterable[str]) -> Sql:
    return Sql(separator.join(parts))


def quoted(name: str | TableName) -> Sql:
    if isinstance(name, TableName):
        return joined(".", [quoted(part) for part in name if part])
    return Sql('"' + name.replace('"', '""') + '"')


def literal(text: str) -> Sql:
    return Sql("'" + text.replace("'", "''") + "'")


def _written(part: str | int | TableName) -> str:
    if isinstance(part, Name | TableName):
        return quoted(part)
    if isinstance(part, Sql):
        return part
    return literal(part) if isinstance(part, str) else str(part)


@lru_cache(512)
def translated(sql: str, dialect: str) -> str:
    """SEIL's SQL in the dialect of a warehouse."""
    if dialect == WRITTEN_IN:
        return sql
    import sqlglot

    return sqlglot.transpile(sql, read=WRITTEN_IN, write=dialect)[0]
