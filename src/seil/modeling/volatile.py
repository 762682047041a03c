"""Rejects SQL in models whose value differs between builds of the same rows.

An incremental build would keep what earlier builds computed, a full one would not.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from seil.modeling.names import function_name
from seil.warehouse.dialect import WRITTEN_IN

_CLOCK = "reads the clock: use a day that a column holds, or compare where the table is read"
_CHANCE = "differs in every build: derive it from the row, such as MD5(id)"
_SESSION = "depends on who builds, and where: write the value itself"

_NODES: dict[type[exp.Expr], str] = {
    exp.CurrentDate: _CLOCK,
    exp.CurrentDatetime: _CLOCK,
    exp.CurrentTime: _CLOCK,
    exp.CurrentTimestamp: _CLOCK,
    exp.CurrentTimestampLTZ: _CLOCK,
    exp.Localtime: _CLOCK,
    exp.Localtimestamp: _CLOCK,
    exp.UtcDate: _CLOCK,
    exp.UtcTime: _CLOCK,
    exp.UtcTimestamp: _CLOCK,
    exp.Rand: _CHANCE,
    exp.Randn: _CHANCE,
    exp.TableSample: _CHANCE,
    exp.Uuid: _CHANCE,
    exp.CurrentCatalog: _SESSION,
    exp.CurrentDatabase: _SESSION,
    exp.CurrentSchema: _SESSION,
    exp.CurrentSchemas: _SESSION,
    exp.CurrentTimezone: _SESSION,
    exp.CurrentUser: _SESSION,
    exp.CurrentVersion: _SESSION,
    exp.SessionUser: _SESSION,
}
# Those that sqlglot has no node for.
_FUNCTIONS = {
    **dict.fromkeys(("ago", "clock_timestamp", "current_localtime", "get_current_time"), _CLOCK),
    **dict.fromkeys(("get_current_timestamp", "now", "pg_conf_load_time"), _CLOCK),
    **dict.fromkeys(("pg_postmaster_start_time", "statement_timestamp"), _CLOCK),
    **dict.fromkeys(("today", "transaction_timestamp"), _CLOCK),
    **dict.fromkeys(("gen_random_uuid", "uuidv4", "uuidv7"), _CHANCE),
    **dict.fromkeys(("current_connection_id", "current_query", "current_query_id"), _SESSION),
    **dict.fromkeys(("current_transaction_id", "in_search_path", "txid_current"), _SESSION),
    "stats": _SESSION,
}
# What PostgreSQL reads as a time of its own.
_WORDS = frozenset({"now", "today", "tomorrow", "yesterday"})
_MAX_SHOWN = 60


def volatile_parts(sql: exp.Expr) -> Iterator[str]:
    """A reason for each part that is rejected, in the whole of a query or an expression."""
    for node in sql.walk():
        if reason := _reason(node):
            text = node.sql(WRITTEN_IN)
            yield f"{text[:_MAX_SHOWN]} {reason}"


def _reason(node: exp.Expr) -> str:
    if isinstance(node, exp.Cast):
        is_word = isinstance(node.this, exp.Literal) and node.this.name.lower() in _WORDS
        return _CLOCK if is_word and node.to.this not in exp.DataType.TEXT_TYPES else ""
    if isinstance(node, exp.Anonymous):
        # With one argument, the age today.
        is_age = function_name(node) == "age" and len(node.expressions) == 1
        return _CLOCK if is_age else _FUNCTIONS.get(function_name(node), "")
    return _NODES.get(type(node), "")
