"""The filter and the order of a list request: https://developers.google.com/ad-manager/api/beta/filters."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, VisitError

from seil.sandbox.admanager.clock import moment
from seil.sandbox.admanager.errors import AdManagerApiError, invalid
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.protobuf import FieldDescriptor, Message, ProtoField

FilterTest: TypeAlias = Callable[[Mapping[str, Any]], bool]
SortKey: TypeAlias = Callable[[Mapping[str, Any]], Any]
_Convert: TypeAlias = Callable[[str], Any]


@dataclass(frozen=True)
class _Literal:
    text: str
    quoted: bool


_NUMBERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_FLOAT,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    ":": lambda a, b: bool(a == b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def filter_test(text: str, resource: Message, allowed: frozenset[str]) -> FilterTest:
    """Raises AdManagerApiError for a syntax error, or a field that cannot be filtered."""
    if not text.strip():
        return lambda _thing: True
    try:
        test: FilterTest = _Tests(resource, allowed).transform(_parser().parse(text))
    except VisitError as error:
        if isinstance(error.orig_exc, AdManagerApiError):
            raise error.orig_exc from error
        raise
    except (LarkError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise invalid(f"Invalid filter: {reason}", field="filter", trigger=text) from error
    return test


def sort_keys(
    text: str, resource: Message, allowed: frozenset[str]
) -> Iterator[tuple[SortKey, bool]]:
    """(key, descending) from the last to the first: sort by each in turn."""
    for item in reversed([part.split() for part in text.split(",") if part.strip()]):
        if len(item) > 2 or item[1:] not in ([], ["asc"], ["desc"]):
            raise invalid(f"Invalid order_by: {' '.join(item)}", field="order_by", trigger=text)
        path = item[0].replace("_", "") if "_" not in item[0] else _camel(item[0])
        field = _field(resource, path, allowed, "order_by")
        yield (
            functools.partial(_sortable, path=path, convert=_converter(field)),
            item[1:] == ["desc"],
        )


def _sortable(entity: Mapping[str, Any], *, path: str, convert: _Convert) -> tuple[bool, Any]:
    """Missing values sort first."""
    value = next(_values(entity, path.split(".")), None)
    return (False, 0) if value is None else (True, convert(_text(value)))


@functools.cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("filters.lark").read_text("utf-8")
    return Lark(grammar, parser="earley", lexer="dynamic", maybe_placeholders=False)


@v_args(inline=True)
class _Tests(Transformer[Token, Any]):
    """Compiles a filter's parts to tests of a resource."""

    def __init__(self, resource: Message, allowed: frozenset[str]) -> None:
        super().__init__()
        self._resource = resource
        self._allowed = allowed

    def start(self, test: FilterTest) -> FilterTest:
        return test

    def all_of(self, *tests: FilterTest) -> FilterTest:
        return lambda entity: all(test(entity) for test in tests)

    def any_of(self, *tests: FilterTest) -> FilterTest:
        return lambda entity: any(test(entity) for test in tests)

    def negated(self, test: FilterTest) -> FilterTest:
        return lambda entity: not test(entity)

    def member(self, *names: Token) -> str:
        return ".".join(_camel(name) if "_" in name else str(name) for name in names)

    def quoted(self, text: Token) -> _Literal:
        return _Literal(re.sub(r"\\(.)", r"\1", text[1:-1]), quoted=True)

    def plain(self, text: Token) -> _Literal:
        return _Literal(str(text), quoted=False)

    def choice(self, *values: _Literal) -> list[_Literal]:
        return list(values)

    def restriction(
        self, path: str, comparator: Token, arguments: _Literal | list[_Literal]
    ) -> FilterTest:
        collection = {"Order": "orders", "LineItem": "lineItems"}.get(self._resource.name)
        if collection:
            path = path.removeprefix(f"{collection}.")
        field = _field(self._resource, path, self._allowed, "filter")
        values = arguments if isinstance(arguments, list) else [arguments]
        tests = [_restriction(field, path, str(comparator), value) for value in values]
        if comparator == "!=":
            return self.all_of(*tests)
        return self.any_of(*tests)


def _restriction(field: ProtoField, path: str, comparator: str, arguments: _Literal) -> FilterTest:
    if comparator == "!=":
        same = _restriction(field, path, "=", arguments)
        return lambda entity: not same(entity)
    way, text = path.split("."), arguments.text
    convert = _converter(field)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and comparator in ("=", ":"):
        requested = text if comparator == "=" else f"*{text}*" if not field.is_repeated else text
        pattern = re.compile(fnmatch.translate(re.sub(r"([?\[])", r"[\1]", requested)))
        return lambda entity: any(pattern.match(str(value)) for value in _values(entity, way))
    operand = _operand(field, text, quoted=arguments.quoted)
    compare = _COMPARE[comparator]
    return lambda entity: any(compare(convert(_text(v)), operand) for v in _values(entity, way))


def _operand(field: ProtoField, text: str, *, quoted: bool) -> Any:
    if field.type == FieldDescriptor.TYPE_ENUM and text not in field.enum_type.values_by_name:
        raise invalid(f"{text} is no {field.enum_type.name}", field="filter", trigger=text)
    if field.type == FieldDescriptor.TYPE_BOOL and (quoted or text not in ("true", "false")):
        raise invalid(f"{field.json_name} is compared with true or false", field="filter")
    try:
        return _converter(field)(text)
    except ValueError as error:
        raise invalid(
            f"{text!r} cannot be compared with {field.json_name}", field="filter", trigger=text
        ) from error


def _converter(field: ProtoField) -> _Convert:
    if field.message_type and field.message_type.full_name == "google.protobuf.Timestamp":
        return _moment
    return _number if field.cpp_type in _NUMBERS else str


def _number(text: str) -> float:
    """As int where possible: ids exceed a float's precision."""
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _moment(text: str) -> datetime:
    return moment(re.sub(r"([+-])(\d):", r"\g<1>0\2:", text))


def _field(resource: Message, path: str, allowed: frozenset[str], parameter: str) -> ProtoField:
    field = schema.field_at(resource, path)
    if path not in allowed or field is None:
        raise invalid(f"{path} cannot be used in {parameter}", field=parameter, trigger=path)
    return field


def _values(value: Any, way: list[str]) -> Iterator[Any]:
    """All values at the path, of every member of lists on it."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, way)
    elif not way:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        yield from _values(value.get(way[0]), way[1:])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
