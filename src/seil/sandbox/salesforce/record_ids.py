"""Record Ids from numbers, in Python and in SQL.

An Id is three characters of key prefix, a counter in base 62 and three of checksum.
"""

from __future__ import annotations

from seil.salesforce.ids import CHECK, id18

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_INSTANCE = "5g"
_LOW_DIGITS = 5
_HIGH_DIGITS = 5
LARGEST_IN_SQL = 62**_LOW_DIGITS - 1


def record_id(key_prefix: str, number: int) -> str:
    """The Id of the object's record of that number; Ids sort like their numbers."""
    digits = ""
    for _ in range(_LOW_DIGITS + _HIGH_DIGITS):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return id18(key_prefix + _INSTANCE + digits)


def id_sql(key_prefix: str, number: str) -> str:
    """`record_id` as a DuckDB expression, for numbers up to LARGEST_IN_SQL; null for null.

    Only the last five digits differ then; the rest, checksum included, is a constant.
    """
    head = record_id(key_prefix, 0)
    places = [f"({number}) // {62**power} % 62" for power in range(_LOW_DIGITS - 1, -1, -1)]
    digits = ", ".join(f"list_extract({_letters(BASE62)}, {position} + 1)" for position in places)
    upper = " + ".join(
        f"CASE WHEN {position} BETWEEN 10 AND 35 THEN {2**bit} ELSE 0 END"
        for bit, position in enumerate(places)
    )
    check = f"'{head[15:17]}', list_extract({_letters(CHECK)}, {upper} + 1)"
    return f"CASE WHEN ({number}) IS NOT NULL THEN concat('{head[:10]}', {digits}, {check}) END"


def number_sql(identifier: str) -> str:
    """The number that `record_id` was given for an Id, as a DuckDB expression."""
    digits = (
        f"(strpos('{BASE62}', substr({identifier}, {11 + position}, 1)) - 1)"
        f" * {62 ** (_LOW_DIGITS - 1 - position)}"
        for position in range(_LOW_DIGITS)
    )
    return f"CAST({' + '.join(digits)} AS BIGINT)"


def _letters(text: str) -> str:
    # A list is half as slow to look into as a string.
    return f"string_split('{text}', '')"


ORG_ID = record_id("00D", 1)
