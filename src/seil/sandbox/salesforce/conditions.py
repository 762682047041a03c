"""Translates WHERE and HAVING to DuckDB SQL.

SOQL's logic has two values: a comparison with null is false, and its negation true. Texts compare
without regard to case, ids by what they identify.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.dates import literal_range
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.scope import Bound

NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
IDS = frozenset({"id", "reference"})
_UNQUOTED = NUMBERS | {"boolean", "date", "datetime", "time"}
_NAMED_OTHERWISE = {"datetime": "dateTime"}

Subquery: TypeAlias = Callable[[soql.In, soql.Query], str]


class Term:
    """The left side of a comparison: SQL, Salesforce type, name and place."""

    def __init__(self, sql: str, field_type: str, name: str, at: int) -> None:
        self.sql = sql
        self.type = field_type
        self.name = name
        self.at = at

    @property
    def is_text(self) -> bool:
        return self.type not in _UNQUOTED and self.type not in IDS

    @property
    def folded(self) -> str:
        """For case-insensitive comparisons."""
        return f"lower({self.sql})" if self.is_text else self.sql


class Conditions:
    def __init__(
        self, bound: Bound, term: Callable[[soql.Operand], Term], subquery: Subquery
    ) -> None:
        self._bound = bound
        self._term = term
        self._subquery = subquery

    def sql(self, condition: soql.Condition) -> str:
        match condition:
            case soql.AllOf(conditions):
                return "(" + " AND ".join(self.sql(c) for c in conditions) + ")"
            case soql.AnyOf(conditions):
                return "(" + " OR ".join(self.sql(c) for c in conditions) + ")"
            case soql.Not(negated):
                return f"NOT coalesce({self.sql(negated)}, false)"
            case _:
                return self._comparison(condition)

    def _comparison(self, condition: soql.Compare | soql.Like | soql.In | soql.Includes) -> str:
        match condition:
            case soql.Compare():
                return self._compare(condition)
            case soql.Like():
                return self._like(condition)
            case soql.In():
                return self._in(condition)
            case soql.Includes():
                return self._includes(condition)

    def _compare(self, condition: soql.Compare) -> str:
        term = self._term(condition.operand)
        value, operator = condition.value, condition.operator
        if value.is_null or (value.kind == "STRING" and not value.text and term.is_text):
            nulls = {"=": "IS NULL", "!=": "IS NOT NULL"}
            return f"({term.sql} {nulls[operator]})" if operator in nulls else "false"
        if days := self._days(term, value):
            return self._compare_days(term, operator, days)
        if term.type == "boolean" and operator not in ("=", "!="):
            raise self._refusal(term, "invalid operator on boolean field")
        placed = self._bind(term, value)
        if operator == "!=":
            return f"({term.folded} IS DISTINCT FROM {placed})"
        return f"({term.folded} {operator} {placed})"

    def _compare_days(self, term: Term, operator: str, days: tuple[date, date]) -> str:
        kind = "TIMESTAMP" if term.type == "datetime" else "DATE"

        def bound(day: date) -> str:
            return f"{self._bound.value(day)}::{kind}"

        first, after = days
        match operator:
            case "<" | ">=":
                return f"({term.sql} {operator} {bound(first)})"
            case "<=":
                return f"({term.sql} < {bound(after)})"
            case ">":
                return f"({term.sql} >= {bound(after)})"
        inside = f"({term.sql} >= {bound(first)} AND {term.sql} < {bound(after)})"
        return inside if operator == "=" else f"NOT coalesce({inside}, false)"

    def _like(self, condition: soql.Like) -> str:
        term = self._term(condition.operand)
        if term.type in IDS:
            raise self._refusal(term, "invalid operator on id field")
        if not term.is_text or condition.value.kind != "STRING":
            raise self._type_error(term, condition.value)
        pattern = self._bound.value(soql.like_pattern(condition.value.text))
        return rf"({term.sql} ILIKE {pattern} ESCAPE '\')"

    def _in(self, condition: soql.In) -> str:
        term = self._term(condition.operand)
        among = condition.among
        if isinstance(among, soql.Query):
            either = f"{term.sql} IN ({self._subquery(condition, among)})"
        elif any(self._days(term, value) for value in among):
            alike = (self._compare(soql.Compare(condition.operand, "=", v)) for v in among)
            either = f"({' OR '.join(alike)})"
        else:
            either = self._in_values(term, among)
        return f"NOT coalesce({either}, false)" if condition.negated else f"({either})"

    def _in_values(self, term: Term, values: tuple[soql.Value, ...]) -> str:
        some = [v for v in values if not v.is_null and (v.kind != "STRING" or v.text)]
        choices = []
        if some:
            choices.append(f"{term.folded} IN ({', '.join(self._bind(term, v) for v in some)})")
        if len(some) < len(values):
            choices.append(f"{term.sql} IS NULL")
        return f"({' OR '.join(choices)})"

    def _includes(self, condition: soql.Includes) -> str:
        term = self._term(condition.operand)
        if term.type != "multipicklist":
            name = "EXCLUDES" if condition.negated else "INCLUDES"
            raise self._refusal(term, f"{name} is only for multi-select picklists")
        chosen = f"string_split({term.folded}, ';')"
        groups = []
        for value in condition.values:
            together = soql.unescape(value.text).lower().split(";")
            values = ", ".join(self._bound.value(part.strip()) for part in together)
            groups.append(f"list_has_all({chosen}, [{values}])")
        either = f"({' OR '.join(groups)})"
        return f"NOT coalesce({either}, false)" if condition.negated else either

    def _days(self, term: Term, value: soql.Value) -> tuple[date, date] | None:
        if value.kind != "WORD" or term.type not in ("date", "datetime"):
            return None
        return literal_range(value.text, self._bound.now.date())

    def _bind(self, term: Term, value: soql.Value) -> str:
        """A placeholder for the value, folded like the term."""
        converted = self._convert(term, value)
        if converted is None:
            raise self._type_error(term, value)
        placed = self._bound.value(converted)
        if isinstance(converted, str) and term.is_text:
            return f"lower({placed})"
        return placed

    def _convert(self, term: Term, value: soql.Value) -> object:
        if term.type in IDS and value.kind == "STRING":
            if identifier := full_id(soql.unescape(value.text)):
                return identifier
            raise self._bound.error(
                value.at, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value.text}"
            )
        if term.is_text:
            return soql.unescape(value.text) if value.kind == "STRING" else None
        if term.type in NUMBERS:
            return _number(value)
        if term.type == "boolean":
            words = {"true": True, "false": False}
            return words.get(value.text.lower()) if value.kind == "WORD" else None
        return _moment(value) if value.kind.lower() == term.type else None

    def _type_error(self, term: Term, value: soql.Value) -> OrgApiError:
        unquoted = term.type in _UNQUOTED
        type_name = _NAMED_OTHERWISE.get(term.type, term.type if unquoted else "string")
        quoting = "should not be" if unquoted else "should be"
        return self._bound.error(
            value.at,
            "INVALID_FIELD",
            f"value of filter criterion for field '{term.name}' must be of type {type_name}"
            f" and {quoting} enclosed in quotes",
        )

    def _refusal(self, term: Term, reason: str) -> OrgApiError:
        return self._bound.error(term.at, "INVALID_QUERY_FILTER_OPERATOR", reason)


def _number(value: soql.Value) -> Decimal | None:
    if value.kind != "NUMBER":
        return None
    try:
        # Without exponent, which DuckDB's decimals do not take.
        return Decimal(f"{Decimal(value.text):f}")
    except InvalidOperation:
        return None


def _moment(value: soql.Value) -> datetime | date | time | None:
    """In UTC without a zone, like the columns."""
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value.text.upper())
    try:
        if value.kind == "DATE":
            return date.fromisoformat(text)
        if value.kind == "TIME":
            return time.fromisoformat(text).replace(tzinfo=None)
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
