"""SEIL's SQL, in the dialect of a warehouse: it is written once, as DuckDB would read it."""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from seil.errors import ConfigurationError, Problem
from seil.warehouse.common_sql import outside

WRITTEN_IN = "duckdb"
_MAX_SHOWN = 60
_INTEGERS = frozenset({"SMALLINT", "INT", "BIGINT"})
_WHOLE = "DECIMAL(38, 0)"


def parse_select(sql: str) -> exp.Query:
    """Parses SEIL's own dialect. Raises SqlglotError unless it is exactly one SELECT."""
    # sqlglot reads DuckDB's 0x1F as 0 AS x1F.
    if hexadecimal := re.search(r"\b0[xX][0-9a-fA-F]+", _without_texts(sql)):
        raise SqlglotError(f"{hexadecimal[0]} is not understood: write it as a decimal")
    statements = sqlglot.parse(sql, read=WRITTEN_IN)
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise SqlglotError("is not a SELECT" if len(statements) == 1 else "is not one SELECT")
    return statements[0]


def is_one_select(sql: str, dialect: str) -> bool:
    """Whether a person's statement is one; what cannot be parsed is for the engine to judge."""
    try:
        parsed = sqlglot.parse(sql, read=dialect)
    except SqlglotError:
        return True
    statements = [part for part in parsed if part and not isinstance(part, exp.Semicolon)]
    return len(statements) == 1 and isinstance(statements[0], exp.Query)


def render(sql: str | exp.Query, dialect: str, *, place: str = "") -> str:
    """Translates a SELECT from SEIL's own dialect; it returns the same rows.

    Raises ConfigurationError naming each construct that the dialect lacks or interprets
    differently; `place` is shown with it, such as a model's file.
    """
    if dialect == WRITTEN_IN:
        return sql if isinstance(sql, str) else sql.sql(WRITTEN_IN)
    if isinstance(sql, str):
        return _render_text(sql, dialect, place)
    return _render(sql, dialect, place)


@lru_cache(512)
def _render_text(sql: str, dialect: str, place: str) -> str:
    try:
        query = parse_select(sql)
    except SqlglotError as error:
        raise _refusal(place, [f"{_shorten(sql)}: {str(error).splitlines()[0]}"]) from error
    return _render(query, dialect, place)


def _render(query: exp.Query, dialect: str, place: str) -> str:
    reasons = [
        f"{_shorten(node.sql(WRITTEN_IN) or type(node).__name__)} has no equal in {dialect}"
        for node in outside(query, dialect)
    ]
    if reasons:
        raise _refusal(place, list(dict.fromkeys(reasons)))
    try:
        # SEIL's SQL ignores the case of names, and quotes only those that need it.
        lower = query.transform(_lower)
        if dialect == "spark":
            _round_before_integers(lower)
        return lower.sql(dialect, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise _refusal(place, [str(error).split("\n", 1)[0]]) from error


def _lower(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Identifier):
        node.set("this", node.name.lower())
    return node


def _round_before_integers(query: exp.Expr) -> None:
    """Spark cuts a fraction off, other engines round it, as Spark does for a decimal."""
    for cast in list(query.find_all(exp.Cast)):
        if cast.to.this.value in _INTEGERS:
            inner = cast.copy()
            inner.set("to", exp.DataType.build(_WHOLE))
            cast.set("this", inner)


def _without_texts(sql: str) -> str:
    return re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*", "", sql)


def _refusal(place: str, reasons: list[str]) -> ConfigurationError:
    cure = "docs/add-a-model.md lists what can be written"
    return ConfigurationError([Problem(place or "SQL", reason, cure) for reason in reasons])


def _shorten(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
