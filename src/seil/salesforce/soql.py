"""Builds SOQL. The only place where times become literals."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from seil.errors import ObjectRejectedError

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_ESCAPES = {
    "\\": "\\\\",
    "'": "\\'",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}
_FROM = re.compile(r"\bFROM\s+(\w+)", re.ASCII | re.IGNORECASE)


def window_condition(cursor: str, start: datetime | None, end: datetime | None) -> str:
    """`start <= cursor < end`; empty without bounds or cursor."""
    bounds = []
    if cursor and start is not None:
        bounds.append(f"{cursor} >= {literal(start)}")
    if cursor and end is not None:
        bounds.append(f"{cursor} < {literal(end)}")
    return " AND ".join(bounds)


def select(fields: list[str], name: str, where: str = "") -> str:
    clauses = ["SELECT", ", ".join(fields), "FROM", object_name(name)]
    return " ".join([*clauses, "WHERE", where] if where else clauses)


def literal(moment: datetime) -> str:
    """In UTC, truncated to milliseconds, Salesforce's resolution."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_literal(text: str) -> str:
    """https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm"""
    return "'" + "".join(_ESCAPES.get(char, char) for char in text) + "'"


def object_name(name: str) -> str:
    """Returns `name`. Raises ObjectRejectedError for an invalid API name."""
    if not _NAME.fullmatch(name):
        raise ObjectRejectedError(name, "is not an API name", hint="Write it as in Setup: Lead__c")
    return name


def queried_object(soql: str) -> str:
    """The object after FROM, for messages; empty where there is none."""
    match = _FROM.search(soql)
    return match[1] if match else ""
