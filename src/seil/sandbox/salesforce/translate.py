"""Translates SOQL to DuckDB SQL with bound values, and describes its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.conditions import NUMBERS, Conditions, Term
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.scope import Bound, QueryScope, Resolved
from seil.sandbox.salesforce.semi_joins import check_semi_join, check_semi_joins

COMPOUND = frozenset({"address", "location", "complexvalue"})
_MAX_OFFSET = 2_000
_MAX_GROUP_LIMIT = 200

# Function: (SQL with the argument as {0}, type of the result; None: that of the argument).
_AGGREGATES: Mapping[str, tuple[str, str | None]] = {
    "COUNT": ("count({0})", "int"),
    "COUNT_DISTINCT": ("count(DISTINCT {0})", "int"),
    "SUM": ("sum({0})", "double"),
    "AVG": ("avg({0})", "double"),
    "MIN": ("min({0})", None),
    "MAX": ("max({0})", None),
}
_SCALARS: Mapping[str, tuple[str, str | None]] = {
    "TOLABEL": ("{0}", None),
    "FORMAT": ("CAST({0} AS VARCHAR)", "string"),
    "CONVERTCURRENCY": ("{0}", None),
    "CONVERTTIMEZONE": ("{0}", None),
    "CALENDAR_YEAR": ("year({0})", "int"),
    "CALENDAR_QUARTER": ("quarter({0})", "int"),
    "CALENDAR_MONTH": ("month({0})", "int"),
    "FISCAL_YEAR": ("year({0})", "int"),
    "FISCAL_QUARTER": ("quarter({0})", "int"),
    "FISCAL_MONTH": ("month({0})", "int"),
    "DAY_IN_MONTH": ("day({0})", "int"),
    "DAY_IN_WEEK": ("(dayofweek({0}) + 1)", "int"),
    "DAY_IN_YEAR": ("dayofyear({0})", "int"),
    "DAY_ONLY": ("CAST({0} AS DATE)", "date"),
    "HOUR_IN_DAY": ("hour({0})", "int"),
    "WEEK_IN_MONTH": ("((day({0}) - 1) // 7 + 1)", "int"),
    "WEEK_IN_YEAR": ("((dayofyear({0}) - 1) // 7 + 1)", "int"),
}
_RENDERINGS = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY"})
_DATE_PARTS = frozenset(_SCALARS) - {*_RENDERINGS, "CONVERTTIMEZONE"}
# https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_alias.htm
_NO_ALIASES = re.compile(
    "AND|ASC|DESC|EXCLUDES|FIRST|FROM|GROUP|HAVING|IN|INCLUDES|LAST|LIKE|LIMIT|NOT|NULL|NULLS|OR"
    "|SELECT|USING|WHERE|WITH",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SelectedColumn:
    """`path` names it in the reply; a compound value is made of `parts`, a binary one of its id.

    `field` is the field as described, `call` the function that was selected instead.
    """

    path: tuple[str, ...]
    type: str
    sql: str
    parts: tuple[SelectedColumn, ...] = ()
    field: SField | None = None
    call: str = ""


@dataclass(frozen=True)
class Parent:
    """A record that some column is read from: `path` leads to it, `id_sql` is its Id.

    `key` is the field that refers to it, `type_sql` its object where it can be one of several.
    """

    path: tuple[str, ...]
    entity: str
    key: str
    id_sql: str
    type_sql: str | None = None


@dataclass(frozen=True)
class Translation:
    """`body` is everything from FROM on; `order` its ORDER BY, which a count can do without."""

    entity: SObject
    columns: tuple[SelectedColumn, ...]
    parents: tuple[Parent, ...]
    id_sql: str
    body: str
    order: str
    page: str
    values: tuple[object, ...]
    grouped: bool
    counted: bool

    def select(self, expressions: str) -> str:
        return f"SELECT {expressions} {self.body}{self.order}{self.page}"

    def count(self) -> str:
        """The number of rows within LIMIT and OFFSET."""
        return f"SELECT count(*) FROM (SELECT 1 {self.body}{self.page})"  # noqa: S608  (bound)


def translate(
    objects: Mapping[str, SObject], query: soql.Query, *, deleted_too: bool, bulk: bool = False
) -> Translation:
    """Raises OrgApiError for unknown names, and for clauses that the kind of query lacks.

    Rows come in the order asked for, then by Id, so that pages do not depend on chance.
    """
    bound = Bound(query.text)
    statement = _Statement(objects, query, bound, deleted_too=deleted_too or query.all_rows)
    if bulk:
        _refuse_in_bulk(query)
    columns = () if statement.counted else statement.columns()
    if bulk:
        _refuse_columns_in_bulk(columns)
    return statement.translation(columns)


class _Statement:
    def __init__(
        self,
        objects: Mapping[str, SObject],
        query: soql.Query,
        bound: Bound,
        *,
        deleted_too: bool,
    ) -> None:
        self._objects = objects
        self._query = query
        self._bound = bound
        self._deleted_too = deleted_too
        self._scope = QueryScope(objects, query, bound)
        check_semi_joins(query, self._scope)
        self._conditions = Conditions(bound, self._filter_term, self._subquery)
        self._group_conditions = Conditions(bound, self._filtered_group, self._subquery)
        self.counted = _is_count(query)
        self.grouped = bool(query.group) or any(map(_aggregates, query.select))

    def translation(self, columns: tuple[SelectedColumn, ...]) -> Translation:
        clauses = [self._where(), self._group(), self._having()]
        order, page = self._order(columns), self._page()
        body = " ".join([self._scope.from_clause, *filter(None, clauses)])
        return Translation(
            self._scope.entity,
            columns,
            () if self.grouped else tuple(self._parents(columns)),
            f'{self._scope.table}."Id"',
            body,
            order,
            page,
            tuple(self._bound.values),
            self.grouped,
            self.counted,
        )

    def columns(self) -> tuple[SelectedColumn, ...]:
        """As selected, each name once.

        https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_groupby_alias.htm
        """
        columns: dict[tuple[str, ...], SelectedColumn] = {}
        for column in self._selection():
            name = ".".join(column.path)
            key = tuple(part.lower() for part in column.path)
            if key in columns and self.grouped:
                raise OrgApiError(400, "MALFORMED_QUERY", f"duplicate alias: {name}")
            if key in columns:
                raise OrgApiError(400, "INVALID_FIELD", f"duplicate field selected: {name}")
            columns[key] = column
        return tuple(columns.values())

    def _selection(self) -> Iterator[SelectedColumn]:
        unnamed = 0
        for item in self._query.select:
            match item:
                case soql.FieldPath():
                    yield self._field_column(item)
                case soql.SelectedField(field, alias):
                    yield self._alias(field, alias)
                case soql.SelectedFunction(function, alias):
                    implied = None if self.grouped else self._label_path(function)
                    name = (alias,) if alias else implied or (f"expr{unnamed}",)
                    unnamed += not alias and not implied
                    self._refuse_keyword(alias, function.at)
                    self._require_group(function, "Field")
                    term = self._function(function)
                    yield SelectedColumn(name, term.type, term.sql, call=_call(function))
                case soql.FieldGroup():
                    yield from self._field_group(item)
                case _:
                    kind = "TYPEOF" if isinstance(item, soql.TypeOf) else "A nested query"
                    raise self._bound.error(
                        item.at, "MALFORMED_QUERY", f"{kind} is not supported by this stand-in"
                    )

    def _parents(self, columns: tuple[SelectedColumn, ...]) -> Iterator[Parent]:
        paths = {column.path[:n] for column in columns for n in range(1, len(column.path))}
        for path in sorted(paths, key=len):
            joined = self._scope.parent(path)
            yield Parent(
                path, joined.entity.name, joined.reference.name, joined.id_sql, joined.type_sql
            )

    def _field_column(self, name: soql.FieldPath) -> SelectedColumn:
        self._require_group(name, "Field")
        return self._column(self._scope.resolve(name))

    def _alias(self, name: soql.FieldPath, alias: str) -> SelectedColumn:
        if not self.grouped:
            reason = "only aggregate expressions use field aliasing"
            raise self._bound.error(name.at, "MALFORMED_QUERY", reason)
        self._refuse_keyword(alias, name.at)
        return replace(self._field_column(name), path=(alias,))

    def _refuse_keyword(self, alias: str | None, at: int) -> None:
        if _NO_ALIASES.fullmatch(alias or ""):
            raise self._bound.error(at, "MALFORMED_QUERY", f"unexpected token: '{alias}'")

    def _label_path(self, function: soql.Function) -> tuple[str, ...] | None:
        """toLabel(Status) and the like have their field's name outside of GROUP BY."""
        if function.name in _RENDERINGS and isinstance(function.argument, soql.FieldPath):
            return self._scope.resolve(function.argument).path
        return None

    def _column(self, resolved: Resolved) -> SelectedColumn:
        entry = resolved.field
        path = resolved.path[-1:] if self.grouped else resolved.path
        if entry.type in COMPOUND:
            parts = tuple(
                SelectedColumn((part.name,), part.type, resolved.part(part))
                for part in resolved.owner.parts(entry.name)
                if part.stored
            )
            return SelectedColumn(path, entry.type, "NULL", parts, field=entry)
        sql = f'{resolved.table}."Id"' if entry.type == "base64" else resolved.sql
        return SelectedColumn(path, entry.type, sql, field=entry)

    def _field_group(self, group: soql.FieldGroup) -> Iterator[SelectedColumn]:
        limit = self._query.limit
        if group.kind != "STANDARD" and (limit is None or limit > _MAX_GROUP_LIMIT):
            reason = f"The SOQL FIELDS function must have a LIMIT of at most {_MAX_GROUP_LIMIT}"
            raise self._bound.error(group.at, "MALFORMED_QUERY", reason)
        for entry in self._scope.entity.fields:
            custom = entry.name.lower().endswith("__c")
            if group.kind == "ALL" or custom == (group.kind == "CUSTOM"):
                yield self._field_column(soql.FieldPath((entry.name,), group.at))

    def _where(self) -> str:
        conditions = []
        if not self._deleted_too and self._scope.entity.soft_deletes:
            conditions.append(f'{self._scope.table}."IsDeleted" IS NOT TRUE')
        if self._query.where is not None:
            conditions.append(self._conditions.sql(self._query.where))
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    def _group(self) -> str:
        terms = [self._groupable(operand).sql for operand in self._query.group]
        return f"GROUP BY {', '.join(terms)}" if terms else ""

    def _having(self) -> str:
        having = self._query.having
        if having is not None and not self._query.group:
            reason = "HAVING is only behind GROUP BY: unexpected token: 'HAVING'"
            raise self._bound.error(self._query.at, "MALFORMED_QUERY", reason)
        return f"HAVING {self._group_conditions.sql(having)}" if having is not None else ""

    def _order(self, columns: tuple[SelectedColumn, ...]) -> str:
        """ORDER BY accepts a function's alias, too."""
        by_alias = {c.path[0].lower(): c for c in columns if len(c.path) == 1}
        items = []
        for item in self._query.order:
            name = item.operand.path[-1].lower() if isinstance(item.operand, soql.FieldPath) else ""
            if self.grouped and name in by_alias:
                sql = by_alias[name].sql
            else:
                sql = self._sort_term(item.operand).folded
            direction = "DESC" if item.descending else "ASC"
            items.append(f"{sql} {direction} NULLS {'FIRST' if item.nulls_first else 'LAST'}")
        if not self.grouped and not self.counted:
            items.append(f'{self._scope.table}."Id"')
        return f" ORDER BY {', '.join(items)}" if items else ""

    def _page(self) -> str:
        limit, offset = self._query.limit, self._query.offset
        if (offset or 0) > _MAX_OFFSET:
            raise OrgApiError(
                400,
                "NUMBER_OUTSIDE_VALID_RANGE",
                f"Maximum SOQL offset allowed is {_MAX_OFFSET}",
            )
        page = f" LIMIT {limit}" if limit is not None else ""
        return f"{page} OFFSET {offset}" if offset else page

    def _subquery(self, condition: soql.In, query: soql.Query) -> str:
        inner = _Statement(self._objects, query, self._bound, deleted_too=self._deleted_too)
        columns = inner.columns()
        if len(columns) != 1 or inner.counted:
            raise self._bound.error(
                query.at, "MALFORMED_QUERY", "The inner query must select exactly one field"
            )
        check_semi_join(condition, self._scope, query, inner._scope)
        created = inner.translation(columns)
        return created.select(columns[0].sql)

    def _term(self, operand: soql.Operand) -> Term:
        if isinstance(operand, soql.Function):
            return self._function(operand)
        column = self._scope.resolve(operand)
        name = ".".join(operand.path)
        return Term(column.sql, column.field.type, name, operand.at)

    def _filter_term(self, operand: soql.Operand) -> Term:
        if isinstance(operand, soql.Function) and operand.name in _AGGREGATES:
            reason = f"Aggregate function {_call(operand)} is only for SELECT, HAVING, ORDER BY"
            raise self._bound.error(operand.at, "MALFORMED_QUERY", reason)
        return self._usable(operand, "filterable", "filtered")

    def _filtered_group(self, operand: soql.Operand) -> Term:
        self._require_group(operand, "Field")
        return self._usable(operand, "filterable", "filtered")

    def _sort_term(self, operand: soql.Operand) -> Term:
        self._require_group(operand, "Ordered field")
        return self._usable(operand, "sortable", "sorted")

    def _groupable(self, operand: soql.Operand) -> Term:
        if isinstance(operand, soql.Function) and operand.name in _AGGREGATES:
            reason = f"Aggregate function {_call(operand)} cannot be grouped by"
            raise self._bound.error(operand.at, "MALFORMED_QUERY", reason)
        return self._usable(operand, "groupable", "grouped")

    def _require_group(self, operand: soql.Operand, what: str) -> None:
        """With GROUP BY only grouped or aggregated values; without it no aggregates."""
        aggregate = isinstance(operand, soql.Function) and operand.name in _AGGREGATES
        if self._in_groups(operand) if self.grouped else not aggregate:
            return
        name = _call(operand) if isinstance(operand, soql.Function) else ".".join(operand.path)
        reason = f"{what} must be grouped or aggregated: {name}"
        raise self._bound.error(operand.at, "MALFORMED_QUERY", reason)

    def _in_groups(self, operand: soql.Operand) -> bool:
        """Whether it is aggregated, grouped by, or derived from grouped values."""
        function = operand if isinstance(operand, soql.Function) else None
        if function and function.name in _AGGREGATES:
            return True
        groups = {self._term(group).sql for group in self._query.group}
        inner = function.argument if function else None
        return self._term(operand).sql in groups or (inner is not None and self._in_groups(inner))

    def _usable(self, operand: soql.Operand, trait: str, done: str) -> Term:
        if isinstance(operand, soql.FieldPath):
            entry = self._scope.resolve(operand).field
            if not entry.stored or not entry.raw.get(trait, True):
                name = ".".join(operand.path)
                raise self._bound.error(
                    operand.at,
                    "INVALID_FIELD",
                    f"field '{name}' can not be {done} in a query call",
                )
        return self._term(operand)

    def _function(self, function: soql.Function) -> Term:
        if function.argument is None:
            alone = "COUNT() stands alone, without GROUP BY, HAVING and ORDER BY; use COUNT(Id)"
            reason = alone if function.name == "COUNT" else f"{function.name} of nothing"
            raise self._bound.error(function.at, "MALFORMED_QUERY", reason)
        argument = self._term(function.argument)
        if isinstance(function.argument, soql.Function) and function.argument.name in _AGGREGATES:
            reason = f"{_call(function.argument)} cannot be an argument of {function.name}"
            raise self._bound.error(function.at, "MALFORMED_QUERY", reason)
        column = {**_AGGREGATES, **_SCALARS}.get(function.name)
        if column is None:
            reason = f"Invalid function: {function.name}"
            raise self._bound.error(function.at, "MALFORMED_QUERY", reason)
        wrong_sum = function.name in ("SUM", "AVG") and argument.type not in NUMBERS
        wrong_part = function.name in _DATE_PARTS and argument.type not in ("date", "datetime")
        if wrong_sum or wrong_part:
            raise self._bound.error(
                function.at,
                "INVALID_FIELD",
                f"field {argument.name} does not support the function {function.name}",
            )
        sql, kind = column
        return Term(sql.format(argument.sql), kind or argument.type, argument.name, function.at)


def _is_count(query: soql.Query) -> bool:
    if query.group or query.having or query.order:
        return False
    match query.select:
        case (soql.SelectedFunction(soql.Function("COUNT", None), None),):
            return True
        case _:
            return False


def _call(function: soql.Function) -> str:
    argument = function.argument
    inner = _call(argument) if isinstance(argument, soql.Function) else ""
    path = ".".join(argument.path) if isinstance(argument, soql.FieldPath) else inner
    return f"{function.name.lower()}({path})"


def _aggregates(item: object) -> bool:
    return isinstance(item, soql.SelectedFunction) and item.function.name in _AGGREGATES


def _refuse_in_bulk(query: soql.Query) -> None:
    refused = {
        "GROUP BY": bool(query.group),
        "OFFSET": query.offset is not None,
        "TYPEOF": any(isinstance(item, soql.TypeOf) for item in query.select),
        "Aggregate functions": any(map(_aggregates, query.select)),
        "FIELDS()": any(isinstance(item, soql.FieldGroup) for item in query.select),
    }
    for name, present in refused.items():
        if present:
            raise OrgApiError(400, "API_ERROR", f"{name} not supported in Bulk V2 Query")
    if any(isinstance(item, soql.Query) for item in query.select):
        reason = "Aggregate Relationships not supported in Bulk V2 Query with CSV content type."
        raise OrgApiError(400, "API_ERROR", reason)


def _refuse_columns_in_bulk(columns: tuple[SelectedColumn, ...]) -> None:
    for column in columns:
        if column.type in COMPOUND:
            raise OrgApiError(
                400,
                "FUNCTIONALITY_NOT_ENABLED",
                "Selecting compound data not supported in Bulk Query",
            )
        if column.type == "base64":
            raise OrgApiError(
                400,
                "FUNCTIONALITY_NOT_ENABLED",
                f"Selecting binary data not supported in Bulk Query: {'.'.join(column.path)}",
            )
