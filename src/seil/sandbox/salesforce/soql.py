"""Parses SOQL to a tree; `translate` resolves the names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from lark import Discard, Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from seil.sandbox.salesforce.errors import OrgApiError, query_error

ValueKind: TypeAlias = Literal["STRING", "DATETIME", "DATE", "TIME", "NUMBER", "WORD"]

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_STRING_ESCAPES = frozenset("nNrRtTbBfF\"'\\_%")


@dataclass(frozen=True)
class FieldPath:
    """A dotted path of names; `at` is its offset in the query."""

    path: tuple[str, ...]
    at: int


@dataclass(frozen=True)
class Function:
    name: str
    argument: FieldPath | Function | None
    at: int


Operand: TypeAlias = FieldPath | Function


@dataclass(frozen=True)
class SelectedField:
    """A field with an alias, as grouped queries take it."""

    field: FieldPath
    alias: str


@dataclass(frozen=True)
class SelectedFunction:
    function: Function
    alias: str | None


@dataclass(frozen=True)
class FieldGroup:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    kind: str
    at: int


@dataclass(frozen=True)
class TypeOf:
    at: int


@dataclass(frozen=True)
class Value:
    """`text` as written, without the quotes of a string but with its escapes."""

    kind: ValueKind
    text: str
    at: int

    @property
    def is_null(self) -> bool:
        return self.kind == "WORD" and self.text.lower() == "null"


@dataclass(frozen=True)
class Compare:
    operand: Operand
    operator: str
    value: Value


@dataclass(frozen=True)
class Like:
    operand: Operand
    value: Value


@dataclass(frozen=True)
class In:
    operand: Operand
    among: tuple[Value, ...] | Query
    negated: bool


@dataclass(frozen=True)
class Includes:
    operand: Operand
    values: tuple[Value, ...]
    negated: bool


@dataclass(frozen=True)
class AllOf:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    condition: Condition


Condition: TypeAlias = Compare | Like | In | Includes | AllOf | AnyOf | Not


@dataclass(frozen=True)
class OrderItem:
    operand: Operand
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class Query:
    """`text` is the whole query, of a subquery too: offsets point into it."""

    select: tuple[FieldPath | SelectedField | SelectedFunction | FieldGroup | TypeOf | Query, ...]
    object: str
    at: int
    alias: str | None = None
    where: Condition | None = None
    group: tuple[Operand, ...] = ()
    having: Condition | None = None
    order: tuple[OrderItem, ...] = ()
    limit: int | None = None
    offset: int | None = None
    all_rows: bool = False
    text: str = ""


@lru_cache(64)
def parse(text: str) -> Query:
    """Raises OrgApiError MALFORMED_QUERY pointing at the first unexpected token."""
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from error
    for token in tree.scan_values(lambda leaf: isinstance(leaf, Token)):
        if isinstance(token, Token) and token.type == "STRING":
            _check_escapes(text, token)
    query: Query = _Tree().transform(tree)
    return replace(query, text=text)


def unescape(text: str) -> str:
    """The characters of a string literal."""
    return _ESCAPE.sub(_unescape, text)


def like_pattern(text: str) -> str:
    r"""A LIKE operand for DuckDB, with \ as its escape character: \% and \_ stay escaped."""
    out: list[str] = []
    for part in re.split(r"(\\(?:u[0-9A-Fa-f]{4}|.))", text, flags=re.DOTALL):
        if part in (r"\%", r"\_"):
            out.append(part)
        elif part.startswith("\\"):
            out.append(re.sub(r"([\\%_])", r"\\\1", unescape(part)))
        else:
            out.append(part)
    return "".join(out)


def quote(text: str) -> str:
    """`text` as a string literal of SOQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    for letter, char in _ESCAPES.items():
        escaped = escaped.replace(char, f"\\{letter}")
    return f"'{escaped}'"


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code.lower(), code)


def _check_escapes(text: str, literal: Token) -> None:
    for match in _ESCAPE.finditer(literal):
        if len(match[1]) == 1 and match[1] not in _STRING_ESCAPES:
            at = (literal.start_pos or 0) + match.start()
            reason = f"Illegal string escape sequence: '\\{match[1]}'"
            raise query_error(text, at, "MALFORMED_QUERY", reason)


@cache
def _parser() -> Lark:
    grammar = resources.files(__package__).joinpath("soql.lark").read_text("utf-8")
    return Lark(grammar, start="query", parser="lalr", maybe_placeholders=True)


def _syntax_error(text: str, error: UnexpectedInput) -> OrgApiError:
    at, reason = error.pos_in_stream or 0, "unexpected token: '<EOF>'"
    if isinstance(error, UnexpectedToken):
        token = error.token
        if token.type == "$END":
            at = len(text)
        else:
            at, reason = token.start_pos or 0, f"unexpected token: '{token}'"
    elif isinstance(error, UnexpectedCharacters):
        char = text[at : at + 1]
        reason = f"line {error.line}:{error.column - 1} no viable alternative at character '{char}'"
    return query_error(text, at, "MALFORMED_QUERY", reason)


class _Tree(Transformer[Token, Query]):
    """Clauses become (attribute of Query, value) pairs."""

    def query(self, children: list[Any]) -> Query:
        clauses: dict[str, Any] = dict(c for c in children if isinstance(c, tuple))
        selected = tuple(c for c in children if not isinstance(c, tuple))
        return Query(select=selected, **clauses.pop("source"), **clauses)

    def source(self, children: list[Any]) -> tuple[str, Any]:
        name, alias = children
        origin = {"object": str(name), "at": name.start_pos, "alias": alias and str(alias)}
        return "source", origin

    def field(self, children: list[Token]) -> FieldPath:
        (token,) = children
        return FieldPath(tuple(re.split(r"\s*\.\s*", token)), token.start_pos or 0)

    def function(self, children: list[Any]) -> Function:
        name, argument = children
        return Function(name.upper(), argument, name.start_pos)

    def selected_field(self, children: list[Any]) -> FieldPath | SelectedField:
        field, alias = children
        return SelectedField(field, str(alias)) if alias else field

    def selected_function(self, children: list[Any]) -> SelectedFunction:
        function, alias = children
        return SelectedFunction(function, alias and str(alias))

    def field_group(self, children: list[Token]) -> FieldGroup:
        return FieldGroup(children[0].upper(), children[0].start_pos or 0)

    def child_query(self, children: list[Query]) -> Query:
        return children[0]

    def typeof(self, children: list[Any]) -> TypeOf:
        return TypeOf(children[0].start_pos)

    def value(self, children: list[Token]) -> Value:
        (token,) = children
        text = token[1:-1] if token.type == "STRING" else str(token)
        return Value(token.type, text, token.start_pos or 0)  # type: ignore[arg-type]

    def values(self, children: list[Value]) -> tuple[Value, ...]:
        return tuple(children)

    def compare(self, children: list[Any]) -> Compare:
        operand, operator, value = children
        return Compare(operand, "!=" if operator == "<>" else str(operator), value)

    def like(self, children: list[Any]) -> Like:
        return Like(*children)

    def in_(self, children: list[Any]) -> In:
        return In(children[0], children[1], negated=False)

    def not_in(self, children: list[Any]) -> In:
        return In(children[0], children[1], negated=True)

    def includes(self, children: list[Any]) -> Includes:
        return Includes(children[0], children[1], negated=False)

    def excludes(self, children: list[Any]) -> Includes:
        return Includes(children[0], children[1], negated=True)

    def all_of(self, children: list[Condition]) -> AllOf:
        return AllOf(tuple(children))

    def any_of(self, children: list[Condition]) -> AnyOf:
        return AnyOf(tuple(children))

    def not_(self, children: list[Condition]) -> Not:
        return Not(children[0])

    def where(self, children: list[Condition]) -> tuple[str, Any]:
        return "where", children[0]

    def group(self, children: list[Operand]) -> tuple[str, Any]:
        return "group", tuple(children)

    def having(self, children: list[Condition]) -> tuple[str, Any]:
        return "having", children[0]

    def order(self, children: list[OrderItem]) -> tuple[str, Any]:
        return "order", tuple(children)

    def order_item(self, children: list[Any]) -> OrderItem:
        operand, direction, nulls = children
        last = bool(nulls) and nulls.lower().endswith("last")
        return OrderItem(operand, bool(direction) and direction.lower() == "desc", not last)

    def limit(self, children: list[Token]) -> tuple[str, Any]:
        return "limit", int(children[0])

    def offset(self, children: list[Token]) -> tuple[str, Any]:
        return "offset", int(children[0])

    def all_rows(self, _children: list[Any]) -> tuple[str, Any]:
        return "all_rows", True

    def scope(self, _children: list[Any]) -> object:
        return Discard

    with_ = for_ = scope
