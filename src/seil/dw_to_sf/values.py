"""SQL for a field's values as Salesforce stores them, and for the reasons why it refuses them.

Evaluated on an embedded DuckDB, whatever the warehouse. Text is compared as the org stores it:
trimmed, an empty text as null, e-mail addresses in lower case.
"""

from __future__ import annotations

from seil.salesforce.ids import CHECK
from seil.salesforce.writes.batch import CLEAR
from seil.salesforce.writes.rules import FieldRule
from seil.warehouse.sql import literal

_NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
# What XML 1.0 excludes, and Salesforce with it.
_CONTROLS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"
_MOST_DIGITS = 38
_EXACT_SCALE = 18
_EXACT = f"DECIMAL({_MOST_DIGITS}, {_EXACT_SCALE})"
# DuckDB's time zone is UTC without its ICU extension, which needs a download.
_UTC = "CAST(TRY_CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP)"
_FORMS = {
    "boolean": "CAST(TRY_CAST({value} AS BOOLEAN) AS VARCHAR)",
    "date": "CAST(TRY_CAST({value} AS DATE) AS VARCHAR)",
    "datetime": f"strftime({_UTC}, '%Y-%m-%dT%H:%M:%S.%gZ')",
    "time": "strftime(DATE '2000-01-01' + TRY_CAST({value} AS TIME), '%H:%M:%S.%gZ')",
}
_TEXT_FORMS = {
    "email": "lower({value})",
    "multipicklist": "array_to_string(list_sort(string_split({value}, ';')), ';')",
}


def stored(rule: FieldRule, value: str) -> str:
    """SQL for the text that Salesforce stores for `value`; null where the field cannot hold it."""
    if rule.type in _NUMBERS:
        return f"CAST({_number(value, _decimal(rule))} AS VARCHAR)"
    if form := _FORMS.get(rule.type):
        return form.format(value=value)
    if rule.type == "id":
        return _full_id(f"trim(CAST({value} AS VARCHAR), ' \t\r\n')")
    trimmed = f"nullif(trim(CAST({value} AS VARCHAR), ' \t\r\n'), '')"
    return _TEXT_FORMS.get(rule.type, "{value}").format(value=trimmed)


def plain(rule: FieldRule, value: str) -> str:
    """SQL for `value` as text, as the query gives it: a number without an exponent."""
    words = f"CAST({value} AS VARCHAR)"
    if rule.type not in _NUMBERS:
        return words
    exact, whole = _number(value, _EXACT), _number(value, f"DECIMAL({_MOST_DIGITS}, 0)")
    trimmed = f"regexp_replace(CAST({exact} AS VARCHAR), '\\.?0+$', '')"
    digits = f"coalesce({trimmed}, CAST({whole} AS VARCHAR), {words})"
    return f"CASE WHEN {_is_float(value)} THEN {digits} ELSE {words} END"


def compared(rule: FieldRule, value: str) -> str:
    """SQL that is equal for values that Salesforce treats as equal: Ids of 15 and 18 characters."""
    return f"left({value}, 15)" if rule.type in ("id", "reference") else value


def problem(rule: FieldRule, value: str, *, clears: bool) -> str:
    """SQL for the reason why Salesforce would refuse `value`; null where it would accept it.

    `clears`: nulls are sent, not skipped.
    """
    excerpt = f"'''' || left({plain(rule, value)}, 40) || ''''"
    field = stored(rule, value)
    cases = []
    if rule.type in _NUMBERS or rule.type in _FORMS:
        misfits = f"{value} IS NOT NULL AND {field} IS NULL"
        if rule.type in _NUMBERS:
            large = f"isfinite(TRY_CAST({value} AS DOUBLE))"
            cases.append(f"WHEN {misfits} AND {large} THEN {excerpt} || ' is too large a number'")
        cases.append(f"WHEN {misfits} THEN {excerpt} || {literal(_not(rule))}")
    if not rule.nillable and clears:
        cases.append(f"WHEN {field} IS NULL THEN 'the field is required and cannot be cleared'")
    if rule.type in _NUMBERS:
        cases += _number_cases(rule, value, excerpt)
    elif rule.values is not None and rule.type == "multipicklist":
        inactive = (
            f"len(list_filter(string_split({field}, ';'), lambda v: v NOT IN ({_list(rule)})))"
        )
        cases.append(f"WHEN {inactive} > 0 THEN {excerpt} || ' has a value that is not active'")
    elif rule.values is not None:
        reason = " is no active value of the picklist"
        cases.append(f"WHEN {field} NOT IN ({_list(rule)}) THEN {excerpt} || {literal(reason)}")
    elif rule.length and rule.type not in ("boolean", "date", "datetime", "time"):
        reason = f" characters, the field takes {rule.length}"
        cases.append(f"WHEN len({field}) > {rule.length} THEN len({field}) || {literal(reason)}")
    if rule.type not in _NUMBERS and rule.type not in _FORMS:
        reason = " has a control character, which Salesforce refuses"
        cases.append(
            f"WHEN regexp_matches({field}, {literal(_CONTROLS)}) THEN {excerpt} || '{reason}'"
        )
    cases.append(
        f"WHEN {field} = {literal(CLEAR)} THEN {literal(CLEAR + ' means null to Salesforce')}"
    )
    return f"CASE {' '.join(cases)} END"


def _full_id(value: str) -> str:
    """Adds the checksum to an Id of 15 characters: see seil.salesforce.ids."""
    checks = []
    for start in (1, 6, 11):
        capitals = (
            f"CASE WHEN substr({value}, {start + bit}, 1) BETWEEN 'A' AND 'Z' "
            f"THEN {1 << bit} ELSE 0 END"
            for bit in range(5)
        )
        checks.append(f"substr({literal(CHECK)}, 1 + {' + '.join(capitals)}, 1)")
    short = f"length({value}) = 15 AND regexp_full_match({value}, '[A-Za-z0-9]*')"
    return f"CASE WHEN {short} THEN {value} || {' || '.join(checks)} ELSE nullif({value}, '') END"


def _number_cases(rule: FieldRule, value: str, excerpt: str) -> list[str]:
    exact, rounded = _number(value, _EXACT), _number(value, _decimal(rule))
    # Of 20 digits; no field takes as many.
    most = rule.digits or _MOST_DIGITS - _EXACT_SCALE
    many = f"{exact} IS NULL"
    if 0 < rule.digits < _MOST_DIGITS - rule.scale:
        bound = f"CAST('1{'0' * rule.digits}' AS {_decimal(rule)})"
        many = f"{many} OR abs({rounded}) >= {bound}"
    digits = f" has more than {most} digits before the point"
    places = f" has more than {rule.scale} decimal places"
    return [
        f"WHEN {rounded} IS NOT NULL AND ({many}) THEN {excerpt} || {literal(digits)}",
        f"WHEN {exact} <> TRY_CAST({rounded} AS {_EXACT}) THEN {excerpt} || {literal(places)}",
    ]


def _number(value: str, decimal: str) -> str:
    """SQL for a number; null where it is none or too large.

    Casting a float by its text keeps its digits: arithmetic would add some.
    """
    by_text = f"TRY_CAST(CAST({value} AS VARCHAR) AS {decimal})"
    return f"CASE WHEN {_is_float(value)} THEN {by_text} ELSE TRY_CAST({value} AS {decimal}) END"


def _is_float(value: str) -> str:
    return f"typeof({value}) IN ('DOUBLE', 'FLOAT')"


def _decimal(rule: FieldRule) -> str:
    return f"DECIMAL({_MOST_DIGITS}, {rule.scale})"


def _list(rule: FieldRule) -> str:
    return ", ".join(literal(value) for value in rule.values or ()) or "''"


def _not(rule: FieldRule) -> str:
    kind = "number" if rule.type in _NUMBERS else rule.type
    return f" is not a {kind}"
