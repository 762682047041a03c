"""Filter statements in the Publisher Query Language, with their bind variables."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, VisitError

from seil.sandbox.admanager.errors import AdManagerApiError
from seil.sandbox.admanager.soap.dates import from_soap
from seil.sandbox.admanager.soap.envelope import KIND

PqlRecord: TypeAlias = dict[str, Any]
PqlTest: TypeAlias = Callable[[PqlRecord], bool]
Column: TypeAlias = Callable[[PqlRecord], Any]
"""What a column's value is in a thing: a number, text, truth, aware datetime or None."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


@dataclass(frozen=True)
class Page:
    results: list[PqlRecord]
    start: int
    total: int


def select(
    statement: Mapping[str, Any],
    entities: Sequence[PqlRecord],
    columns: Mapping[str, Column],
    zone: ZoneInfo,
) -> Page:
    """A page of the objects that a statement selects. Raises AdManagerApiError."""
    query = statement.get("query", "")
    bound = {
        entry.get("key", ""): _bind(entry.get("value", {}), zone)
        for entry in statement.get("values", [])
    }
    parsed = _parse(query, columns, bound)
    matches = [entity for entity in entities if parsed.test(entity)]
    for column, descending in reversed(parsed.order):
        matches.sort(key=functools.partial(_sortable, column), reverse=descending)
    end = len(matches) if parsed.limit is None else parsed.offset + parsed.limit
    return Page(matches[parsed.offset : end], parsed.offset, len(matches))


def _sortable(column: Column, entity: PqlRecord) -> tuple[bool, Any]:
    value = column(entity)
    return (value is not None, value if value is not None else 0)


@dataclass(frozen=True)
class _Parsed:
    test: PqlTest
    order: list[tuple[Column, bool]]
    limit: int | None
    offset: int


def _parse(query: str, columns: Mapping[str, Column], bound: Mapping[str, Any]) -> _Parsed:
    try:
        created: _Parsed = _Tests(query, columns, bound).transform(_parser().parse(query))
    except VisitError as error:
        if isinstance(error.orig_exc, AdManagerApiError):
            raise error.orig_exc from error
        raise
    except (LarkError, RecursionError) as error:
        raise AdManagerApiError(
            "INVALID_ARGUMENT",
            "PublisherQueryLanguageSyntaxError",
            "UNPARSABLE",
            str(error).splitlines()[0],
            field="filterStatement.query",
            trigger=query,
        ) from error
    return created


@functools.cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("pql.lark").read_text("utf-8")
    return Lark(grammar, parser="earley", maybe_placeholders=False)


def _bind(value: Mapping[str, Any], zone: ZoneInfo) -> Any:
    """A Value, https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.Value."""
    inner = value.get("value")
    match value.get(KIND):
        case "NumberValue":
            return _number(str(inner))
        case "DateTimeValue":
            return from_soap(inner or {}, "filterStatement.values")
        case "DateValue":
            return _midnight(inner or {}, zone)
        case "SetValue":
            return [_bind(entry, zone) for entry in value.get("values", [])]
    return inner


def _midnight(day: Mapping[str, Any], zone: ZoneInfo) -> datetime:
    try:
        return datetime.combine(date(**day), time(), zone)
    except (TypeError, ValueError) as error:
        raise _unexecutable(f"a bound date is none: {error}") from error


def _number(text: str) -> float | int:
    try:
        return float(text) if "." in text else int(text)
    except ValueError as error:
        raise _unexecutable(f"{text!r} is no number") from error


def _unexecutable(reason: str) -> AdManagerApiError:
    return AdManagerApiError(
        "INVALID_ARGUMENT",
        "PublisherQueryLanguageContextError",
        "UNEXECUTABLE",
        reason,
        field="filterStatement.query",
    )


@v_args(inline=True)
class _Tests(Transformer[Token, Any]):
    def __init__(self, query: str, columns: Mapping[str, Column], bound: Mapping[str, Any]) -> None:
        super().__init__()
        self._query = query
        self._columns = columns
        self._values = bound

    def start(self, *parts: Any) -> _Parsed:
        clauses: dict[str, Any] = {"test": _everything, "order": [], "limit": None, "offset": 0}
        for part in parts:
            clauses |= part if isinstance(part, dict) else {"test": part}
        return _Parsed(**clauses)

    def order(self, *sorts: tuple[Column, bool]) -> dict[str, Any]:
        return {"order": list(sorts)}

    def sort(self, name: Token, direction: str = "ASC") -> tuple[Column, bool]:
        return self._column(name), str(direction).upper() == "DESC"

    def limit(self, number: Token) -> dict[str, int]:
        return {"limit": int(number)}

    def offset(self, number: Token) -> dict[str, int]:
        return {"offset": int(number)}

    def any_of(self, *tests: PqlTest) -> PqlTest:
        return lambda entity: any(test(entity) for test in tests)

    def all_of(self, *tests: PqlTest) -> PqlTest:
        return lambda entity: all(test(entity) for test in tests)

    def negated(self, test: PqlTest) -> PqlTest:
        return lambda entity: not test(entity)

    def compare(self, name: Token, operator: Token, value: Any) -> PqlTest:
        column, compare = self._column(name), _COMPARE[operator]

        def test(entity: PqlRecord) -> bool:
            actual = column(entity)
            if actual is None:
                return bool(operator == "!=")
            try:
                return compare(*_comparable(actual, value))
            except TypeError as error:
                raise _unexecutable(f"{name} cannot be compared with {value!r}") from error

        return test

    def like(self, name: Token, value: Any) -> PqlTest:
        column = self._column(name)
        escaped = re.sub(r"([?*\[])", r"[\1]", str(value)).replace("%", "*")
        pattern = re.compile(fnmatch.translate(escaped), re.IGNORECASE)
        return lambda entity: bool(pattern.match(str(column(entity) or "")))

    def among(self, name: Token, *values: Any) -> PqlTest:
        every = [one for value in values for one in (value if isinstance(value, list) else [value])]
        tests = [self.compare(name, Token("OPERATOR", "="), value) for value in every]
        return self.any_of(*tests)

    def not_among(self, name: Token, *values: Any) -> PqlTest:
        return self.negated(self.among(name, *values))

    def is_null(self, name: Token) -> PqlTest:
        column = self._column(name)
        return lambda entity: column(entity) is None

    def is_not_null(self, name: Token) -> PqlTest:
        return self.negated(self.is_null(name))

    def bound(self, name: Token) -> Any:
        if name not in self._values:
            raise AdManagerApiError(
                "INVALID_ARGUMENT",
                "StatementError",
                "VARIABLE_NOT_BOUND_TO_VALUE",
                f"The variable {name} has no value",
                field="filterStatement.query",
                trigger=str(name),
            )
        return self._values[name]

    def text(self, text: Token) -> str:
        return re.sub(r"\\(.)|'(')", r"\1\2", text[1:-1])

    def number(self, text: Token) -> float | int:
        return _number(text)

    def truth(self, text: Token) -> bool:
        return text.lower() == "true"

    def _column(self, name: Token) -> Column:
        for existing, column in self._columns.items():
            if existing.lower() == name.lower():
                return column
        raise _unexecutable(f"{name} cannot be used in a statement here")


def _comparable(actual: Any, value: Any) -> tuple[Any, Any]:
    """Converts text to the column's type: a date, a number or a boolean."""
    if isinstance(actual, datetime) and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise TypeError(value) from error
        return actual, moment if moment.tzinfo else moment.replace(tzinfo=actual.tzinfo)
    if isinstance(actual, bool) and isinstance(value, str):
        return actual, value.lower() == "true"
    if isinstance(actual, int) and isinstance(value, str):
        return actual, _number(value)
    return actual, value


def _everything(_thing: PqlRecord) -> bool:
    return True
