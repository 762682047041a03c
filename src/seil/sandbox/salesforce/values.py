"""Generated values of described fields, as DuckDB expressions over a record's number.

Every value follows from the seed, the object, the field and the number alone, so that the same
org comes out whatever the number of threads. The expressions use the macros of org/plan/macros.sql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seil.sandbox.salesforce.metadata import SField

# What breaks naive readers: look-alikes of null, numbers that are text, quotes and separators,
# blanks at the ends, right-to-left and combining characters, formulas, markup.
ODD_TEXTS = (
    "NA",
    "N/A",
    "n/a",
    "null",
    "NULL",
    "None",
    "nan",
    "NaN",
    "TRUE",
    "false",
    "00123",
    "0",
    "-1",
    "1e5",
    "+61 2 5550 0100",
    "1,234.50",
    "12/11/2024",
    "2024-02-30",
    'She said "yes"',
    '"',
    '""',
    "O'Brien & Söhne, Ltd.",
    "a,b;c|d^e`f",
    "back\\slash \\n",
    " leading blank",
    "trailing blank ",
    "  both  ",
    "🎬📺 Launch 🚀",
    "👩‍👩‍👧‍👦 family plan",
    "שלום עולם",
    "مرحبا بالعالم",
    "e\u0301te\u0301 combining",
    "Z̃a̐l̋g̊o",
    "Straße 北京 Ωmega ﷽",
    "\u200bzero width\u200b",
    "non\u00a0breaking",
    "=SUM(A1:A9)",
    "<b>bold</b> &amp; co",
    "#N/A",
    "--",
)
ODD_LONG_TEXTS = (
    "first line\nsecond line",
    "first line\r\nsecond line\r\n",
    "a\rb",
    "\n",
    "tab\tseparated\tvalues",
    'quoted "multi\nline", with, commas',
    "paragraph\n\nparagraph — “curly” quotes…",
)
PHRASES = (
    "Confirmed with the agency",
    "Waiting for the creative",
    "Run of site",
    "Exclude finance section",
    "Makegood for last month",
    "Client asked for weekly reports",
    "Bonus lines included",
    "Please check the dates",
    "Moved from the old system",
    "Signed off by sales",
    "First quarter only",
    "Needs a purchase order",
    "Shared with planning",
    "Second flight",
    "Sponsorship of the final",
    "As discussed",
)
_DAY_MILLISECONDS = 86_400_000
_MILLION = 1_000_000
LONG_TEXT = 255
_DRAWN_DIGITS = 18
_MOST_DIGITS = 38
# Up to which hundredth of the fields which share of their values is filled.
_PACKAGED = ((60, 0.0), (85, 0.02), (95, 0.2), (100, 0.6))
_OWN = ((20, 0.0), (50, 0.1), (80, 0.5), (100, 0.85))


@dataclass(frozen=True)
class Draw:
    """The parameters of generated values: object, seed, period.

    `reference` turns an object's name and a roll into an expression for the Id of one of its
    records, None where there is none.
    """

    object_name: str
    seed: int
    start: str
    until: str
    reference: Callable[[str, str], str | None]
    dense: bool = False
    number: str = "number"

    def roll(self, field: SField, purpose: str = "") -> str:
        """A uniform draw of 64 bits."""
        return f"hash(xor(CAST({self.number} AS UBIGINT), {self._salt(field, purpose)}))"

    def below(self, field: SField, purpose: str, ceiling: int) -> str:
        return f"CAST({self.roll(field, purpose)} % {ceiling} AS BIGINT)"

    def _salt(self, field: SField, purpose: str) -> int:
        return _digest(f"{self.seed}/{self.object_name}/{field.name}/{purpose}".lower())


def value_sql(field: SField, draw: Draw) -> str:
    """An expression for the field's value, with a typical share of nulls."""
    value = _value(field, draw)
    if value is None:
        return "NULL"
    if not field.nillable:
        return value
    share = fill_rate(field, draw)
    if share <= 0:
        return "NULL"
    filled = draw.below(field, "filled", _MILLION)
    return f"CASE WHEN {filled} < {round(share * _MILLION)} THEN {value} END"


def fill_rate(field: SField, draw: Draw) -> float:
    """The share of non-null values of a nillable field.

    In a wide org most fields of managed packages are never used and few are always; `dense` fills
    every field, for objects made of nothing but their describe.
    """
    bucket = _digest(f"{draw.object_name}/{field.name}".lower()) % 100
    if draw.dense:
        return 0.2 + 0.75 * bucket / 100
    packaged = field.name.count("__") > 1
    share = next(s for limit, s in (_PACKAGED if packaged else _OWN) if bucket < limit)
    return min(share, 0.02) if field.type == "textarea" and field.length > LONG_TEXT else share


def text_list(texts: Sequence[str]) -> str:
    """A DuckDB list of the texts."""
    return f"[{', '.join(text_literal(text) for text in texts)}]"


def text_literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f"e'{escaped}'" if "\\" in escaped else f"'{escaped}'"


def _value(field: SField, draw: Draw) -> str | None:
    if field.type == "reference":
        return _reference(field, draw)
    if field.auto_number or field.unique or field.external_id:
        return _auto_number(field, draw)
    maker = _MAKERS.get(field.type, _text)
    return maker(field, draw)


def _reference(field: SField, draw: Draw) -> str | None:
    for target in field.reference_to:
        if expression := draw.reference(target, draw.roll(field, "target")):
            return expression
    return None


def _auto_number(field: SField, draw: Draw) -> str:
    """Unique text with leading zeros, like auto numbers."""
    if field.column_type != "VARCHAR":
        return f"CAST({draw.number} AS {field.column_type})"
    width = min(field.length or 255, 10)
    digits = f"lpad(CAST({draw.number} AS VARCHAR), {width}, '0')"
    return digits if field.auto_number or width < 10 else f"'K' || right({digits}, 9)"


def _picklist(field: SField, draw: Draw) -> str:
    values = field.values or ("Option A", "Option B", "Option C")
    return _choice(values, draw.roll(field, "value"))


def _multipicklist(field: SField, draw: Draw) -> str:
    values = field.values or ("Red", "Green", "Blue")
    several = 1 if field.length and len(";".join(values)) > field.length else 3
    first = f"1 + {draw.below(field, 'value', len(values))}"
    last = f"{first} + {draw.below(field, 'count', several)}"
    return f"array_to_string(list_slice({text_list(values)}, {first}, {last}), ';')"


def _boolean(field: SField, draw: Draw) -> str:
    """Mostly false, as most checkboxes of an org are."""
    bucket = _digest(f"{draw.object_name}/{field.name}".lower()) % 10
    if bucket < 6 and not draw.dense:
        return "FALSE"
    return f"{draw.below(field, 'value', 100)} < {5 + bucket * 5}"


def _integer(field: SField, draw: Draw) -> str:
    return draw.below(field, "value", 10 ** min(field.digits or 9, 6))


def _decimal(field: SField, draw: Draw) -> str:
    """With all digits of its precision, sometimes negative; never through a binary float."""
    precision = field.precision or 18
    percent = field.type == "percent"
    whole = max(0, min(precision - field.scale, 2 if percent else 5))
    digits = min(whole + field.scale, _DRAWN_DIGITS, _MOST_DIGITS - field.scale - 2)
    units = draw.below(field, "value", 10**digits)
    if not percent:
        units = f"CASE WHEN {draw.below(field, 'sign', 100)} < 3 THEN -1 ELSE 1 END * {units}"
    if field.scale == 0:
        return f"CAST({units} AS {field.column_type})"
    step = f"CAST('{_step(field.scale)}' AS DECIMAL({field.scale + 1}, {field.scale}))"
    return f"CAST(CAST({units} AS DECIMAL({digits + 1}, 0)) * {step} AS {field.column_type})"


def _step(scale: int) -> str:
    return f"0.{'0' * (scale - 1)}1"


def _date(field: SField, draw: Draw) -> str:
    day = f"CAST({draw.below(field, 'day', 1200)} AS INTEGER)"
    return f"CAST(TIMESTAMP '{draw.start}' AS DATE) + {day}"


def _datetime(field: SField, draw: Draw) -> str:
    part = f"CAST({draw.roll(field, 'value')} % {_MILLION} AS DOUBLE) / {_MILLION}"
    return f"between_times(TIMESTAMP '{draw.start}', TIMESTAMP '{draw.until}', {part})"


def _time(field: SField, draw: Draw) -> str:
    millis = draw.below(field, "value", _DAY_MILLISECONDS)
    return f"CAST(TIMESTAMP '2000-01-01' + to_milliseconds({millis}) AS TIME)"


def _email(field: SField, draw: Draw) -> str:
    return _cut(field, f"'m' || {draw.below(field, 'value', _MILLION)} || '@example.com'")


def _phone(field: SField, draw: Draw) -> str:
    return _cut(
        field,
        f"'+61 2 5550 ' || lpad(CAST({draw.below(field, 'value', 10000)} AS VARCHAR), 4, '0')",
    )


def _url(field: SField, draw: Draw) -> str:
    return _cut(field, f"'https://example.com/' || {draw.below(field, 'value', _MILLION)}")


def _text(field: SField, draw: Draw) -> str:
    texts = (*ODD_TEXTS, *ODD_LONG_TEXTS) if field.type == "textarea" else ODD_TEXTS
    odd = tuple(text for text in texts if len(text) <= (field.length or LONG_TEXT))
    if any(word in field.name.lower() for word in ("json", "metadata", "logdata")):
        plain = f'\'{{"key": "\' || {draw.below(field, "number", 10000)} || \'", "list": [1, 2]}}\''
    else:
        phrase = _choice(PHRASES, draw.roll(field, "phrase"))
        plain = f"{phrase} || ' ' || {draw.below(field, 'number', 10000)}"
    one_in = 12 if draw.dense else 150
    return (
        f"CASE WHEN {draw.below(field, 'odd', one_in)} = 0"
        f" THEN {_choice(odd, draw.roll(field, 'which'))} ELSE {_cut(field, plain)} END"
    )


def _cut(field: SField, text: str) -> str:
    return f"left({text}, {field.length})" if field.length else text


def _choice(values: Sequence[str], roll: str) -> str:
    return f"list_extract({text_list(values)}, 1 + CAST({roll} % {len(values)} AS BIGINT))"


def _never(_field: SField, _draw: Draw) -> None:
    return None


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


_MAKERS: dict[str, Callable[[SField, Draw], str | None]] = {
    "id": _never,
    "picklist": _picklist,
    "combobox": _picklist,
    "multipicklist": _multipicklist,
    "boolean": _boolean,
    "int": _integer,
    "long": _integer,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "email": _email,
    "phone": _phone,
    "url": _url,
}
