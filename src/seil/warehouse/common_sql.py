"""The part of SEIL's SQL that means the same in every dialect it is rendered in.

An allowlist: sqlglot writes any construct into any dialect, if need be as something else or as it
stands, so what is not listed here is refused. Everything is checked by its form alone. Where the
form cannot show the difference, docs/add-a-model.md says what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

_POSTGRES, _SPARK = frozenset({"postgres"}), frozenset({"spark"})
_BOTH = _POSTGRES | _SPARK
_TYPES = frozenset(
    {"BOOLEAN", "SMALLINT", "INT", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMPTZ"}
    | {"TIMESTAMPNTZ"}
    | {"DECIMAL", "TEXT", "VARCHAR"}
)

SqlCheck = Callable[[exp.Expr], bool]


@dataclass(frozen=True)
class _Form:
    """With no other arguments, and where `when` holds, these nodes mean the same in `dialects`."""

    arguments: frozenset[str]
    when: SqlCheck | None = None
    dialects: frozenset[str] = _BOTH

    def has(self, node: exp.Expr, dialect: str) -> bool:
        arguments = {name for name, value in node.args.items() if value not in (None, False, [])}
        return (
            dialect in self.dialects
            and arguments <= self.arguments
            and (self.when is None or self.when(node))
        )


def outside(query: exp.Expr, dialect: str) -> Iterator[exp.Expr]:
    """The outermost nodes of a query that are not of the common part."""

    def is_outside(node: exp.Expr) -> bool:
        return not any(form.has(node, dialect) for form in _FORMS.get(type(node), ()))

    yield from filter(is_outside, query.walk(prune=is_outside))


def _is_cast_to(node: exp.Expr | None, *kinds: str) -> bool:
    return isinstance(node, exp.Cast) and node.to.this.value in kinds


def _is_number(node: object, *, least: float) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) >= least


def _is_lower_case(node: exp.Expr) -> bool:
    """SEIL's dialect ignores the case of quoted names, others do not."""
    return not node.args.get("quoted") or node.name == node.name.lower()


def _is_column(node: exp.Expr) -> bool:
    """Not the row numbers that DuckDB has besides."""
    return node.name.lower() != "rowid"


def _is_unit(node: exp.Expr) -> bool:
    """ORDER BY ALL has one, too."""
    return isinstance(node.parent, exp.DateTrunc | exp.TimestampTrunc | exp.Extract | exp.Interval)


def _is_supported_join(node: exp.Expr) -> bool:
    kinds = ("", "INNER", "CROSS", "OUTER", "SEMI", "ANTI")
    return node.text("kind") in kinds and node.text("side") in ("", "LEFT", "RIGHT", "FULL")


def _selects_names(node: exp.Expr) -> bool:
    """QUALIFY becomes a subquery whose own column would be among those of a star."""
    return isinstance(node.parent, exp.Select) and not node.parent.is_star


def _is_common_type(node: exp.Expr) -> bool:
    return node.this.value in _TYPES


def _is_time(node: exp.Expr) -> bool:
    return bool(node.this.value == "TIME")


def _compares_truth(node: exp.Expr) -> bool:
    return isinstance(node.expression, exp.Null | exp.Boolean)


def _has_plain_pattern(node: exp.Expr) -> bool:
    """A backslash escapes elsewhere where DuckDB has it stand for itself."""
    pattern = node.expression
    return isinstance(pattern, exp.Literal) and "\\" not in pattern.name


def _is_of_rows(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.In | exp.Values) or node.arg_key == "on"


def _counts_parts(node: exp.Expr) -> bool:
    return _is_number(node.args.get("part_index"), least=1)


def _divides_doubles(node: exp.Expr) -> bool:
    """Decimals stay decimals elsewhere; to divide by zero is an error there."""
    by = node.expression.unnest()
    is_guarded = isinstance(by, exp.Nullif) and by.expression.name == "0"
    is_never_zero = isinstance(by, exp.Literal) and not by.is_string and float(by.name) != 0
    return (is_guarded or is_never_zero) and _is_cast_to(node.this.unnest(), "DOUBLE")


def _starts_within(node: exp.Expr) -> bool:
    return _is_number(node.args.get("start"), least=1)


def _takes_some(node: exp.Expr) -> bool:
    return _is_number(node.expression, least=0)


def _becomes_day(node: exp.Expr) -> bool:
    return _is_cast_to(node.parent, "DATE")


def _truncates_day(node: exp.Expr) -> bool:
    units = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    return _becomes_day(node) and node.text("unit").upper() in units


def _becomes_integer(node: exp.Expr) -> bool:
    return _is_cast_to(node.parent, "BIGINT", "INT")


def _extracts_integer(node: exp.Expr) -> bool:
    return _becomes_integer(node) and node.name.upper() in ("YEAR", "QUARTER", "MONTH", "DAY")


def _is_of_double(node: exp.Expr) -> bool:
    return _is_cast_to(node.this, "DOUBLE")


def _is_of_decimal(node: exp.Expr) -> bool:
    """PostgreSQL rounds halves of doubles to even."""
    return _is_cast_to(node.this, "DECIMAL")


def _is_constant(node: exp.Expr) -> bool:
    return isinstance(node.this, exp.Literal)


def _is_ordered(node: exp.Expr) -> bool:
    return isinstance(node.this, exp.Order)


def _form(arguments: str, when: SqlCheck | None = None, *, only: frozenset[str] = _BOTH) -> _Form:
    return _Form(frozenset(arguments.split()), when, only)


_OF_SPLIT = "part_index_zero_as_one empty_delimiter_returns_whole"
_SELECT = "expressions from_ joins where group having order limit offset windows with_ distinct"
_ONE_FORM: list[tuple[_Form, tuple[type[exp.Expr], ...]]] = [
    # What is read.
    (_form(f"{_SELECT} qualify"), (exp.Select,)),
    (_form("this expression with_ distinct order limit offset"), (exp.Union,)),
    (_form("this expression with_ distinct order limit offset"), (exp.Except, exp.Intersect)),
    (_form("expressions"), (exp.Group,)),
    (_form("this expressions"), (exp.Order,)),
    (_form("this alias with_"), (exp.CTE, exp.Alias, exp.Subquery)),
    (_form("this columns"), (exp.TableAlias,)),
    (_form("this db alias"), (exp.Table,)),
    (_form("this kind side on using", _is_supported_join), (exp.Join,)),
    (_form("this"), (exp.From, exp.Where, exp.Having)),
    (_form("this", _selects_names), (exp.Qualify,)),
    (_form("this desc nulls_first"), (exp.Ordered,)),
    (_form("expression"), (exp.Limit, exp.Offset)),
    (_form("expressions alias"), (exp.Values,)),
    (_form("expressions", _is_of_rows), (exp.Tuple,)),
    # Names, constants and types.
    (_form("this quoted", _is_lower_case), (exp.Identifier,)),
    (_form("this table db", _is_column), (exp.Column,)),
    (_form("this is_string"), (exp.Literal,)),
    (_form("this"), (exp.Boolean, exp.DataTypeParam)),
    (_form("this", _is_unit), (exp.Var,)),
    (_form(""), (exp.Null, exp.Star)),
    (_form("this to"), (exp.Cast,)),
    (_form("this to safe", only=_SPARK), (exp.TryCast,)),
    # Conditions.
    (_form("this expression"), (exp.And, exp.Or, exp.EQ, exp.NEQ)),
    (_form("this expression"), (exp.GT, exp.GTE, exp.LT, exp.LTE)),
    (_form("this expression"), (exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif)),
    (_form("this expression"), (exp.Escape,)),
    (_form("this expression", _compares_truth), (exp.Is,)),
    (_form("this expression", _has_plain_pattern), (exp.Like, exp.ILike)),
    (_form("this low high"), (exp.Between,)),
    (_form("this expressions query"), (exp.In,)),
    (_form("this"), (exp.Not, exp.Paren, exp.Exists)),
    (_form("this ifs default"), (exp.Case,)),
    (_form("this true false"), (exp.If,)),
    (_form("this expressions ignore_nulls"), (exp.Coalesce, exp.Greatest, exp.Least)),
    # Numbers.
    (_form("this expression"), (exp.Add, exp.Sub, exp.Mul)),
    (_form("this expression typed safe", _divides_doubles), (exp.Div,)),
    (_form("this"), (exp.Neg, exp.Abs, exp.Floor, exp.Ceil)),
    (_form("this decimals", _is_of_decimal), (exp.Round,)),
    # Texts.
    (_form("this expression safe"), (exp.DPipe,)),
    (_form("expressions safe coalesce"), (exp.Concat, exp.ConcatWs)),
    (_form("this"), (exp.Upper, exp.Lower, exp.Length, exp.MD5)),
    (_form("this expression position"), (exp.Trim,)),
    (_form("this expression replacement"), (exp.Replace,)),
    (_form("this expression"), (exp.StartsWith,)),
    (_form("this substr"), (exp.StrPosition,)),
    (_form(f"this delimiter part_index {_OF_SPLIT}", _counts_parts), (exp.SplitPart,)),
    (_form("this start length", _starts_within), (exp.Substring,)),
    (_form("this expression", _takes_some), (exp.Left, exp.Right)),
    # Days.
    (_form("this zone", _becomes_day), (exp.AtTimeZone,)),
    (_form("this unit", _truncates_day), (exp.DateTrunc, exp.TimestampTrunc)),
    (_form("this", _becomes_integer), (exp.Year, exp.Quarter, exp.Month, exp.Day)),
    (_form("this expression", _extracts_integer), (exp.Extract,)),
    (_form("this unit", _is_constant, only=_POSTGRES), (exp.Interval,)),
    # Aggregates and windows.
    (_form("this"), (exp.Sum, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)),
    (_form("this big_int"), (exp.Count,)),
    (_form("this", _is_of_double), (exp.Avg,)),
    (_form("this", only=_SPARK), (exp.CountIf,)),
    (_form("this separator", _is_ordered, only=_POSTGRES), (exp.GroupConcat,)),
    (_form("this expression"), (exp.Filter,)),
    (_form("this partition_by order over spec alias"), (exp.Window,)),
    (_form("kind start start_side end end_side"), (exp.WindowSpec,)),
    (_form(""), (exp.RowNumber, exp.Rank, exp.DenseRank)),
    (_form("this offset default"), (exp.Lag, exp.Lead)),
    (_form("this"), (exp.FirstValue, exp.LastValue)),
]
_FORMS: Mapping[type[exp.Expr], tuple[_Form, ...]] = {
    **{node: (form,) for form, nodes in _ONE_FORM for node in nodes},
    # DISTINCT of rows, DISTINCT in an aggregate; DISTINCT ON stays one in PostgreSQL alone.
    exp.Distinct: (_form("expressions"), _form("on", only=_POSTGRES)),
    exp.With: (_form("expressions"), _form("expressions recursive", only=_POSTGRES)),
    exp.DataType: (
        _form("this expressions", _is_common_type),
        _form("this", _is_time, only=_POSTGRES),
    ),
}
