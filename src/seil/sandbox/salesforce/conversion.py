"""Converts clients' values, JSON or CSV, to those of the columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce.metadata import SField, SObject

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_EXACT = Context(prec=60)
_EMAIL = re.compile(r"[^\s@<>(),;:\"\\]+@[^\s@.]+(\.[^\s@.]+)+")
_LARGEST = {"int": 2**31 - 1, "long": 2**63 - 1}
_DECIMAL = frozenset({"double", "currency", "percent"})
_ARROW: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
}


@dataclass(eq=False)
class RowError(Exception):
    """Why a record was not written, with the API's code."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def as_text(self) -> str:
        """As in sf__Error, where two dashes end the fields."""
        fields = f"{', '.join(self.fields)} --" if self.fields else "--"
        return f"{self.code}:{self.message}:{fields}"

    def as_json(self) -> dict[str, Any]:
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


def arrow_type(field: SField) -> pa.DataType:
    """The column's type: timestamps are in UTC, without a zone."""
    if field.type in _DECIMAL:
        precision, scale = _digits(field)
        return pa.decimal128(precision, scale)
    return _ARROW.get(field.type, pa.string())


def _digits(field: SField) -> tuple[int, int]:
    """Precision and scale of a decimal column."""
    precision, scale = re.findall(r"\d+", field.column_type)
    return int(precision), int(scale)


def convert(entity: SObject, field: SField, value: Any) -> Any:
    """Raises RowError for a value the field cannot hold. Empty text becomes null."""
    if value is None or value == "":
        return False if field.type == "boolean" else None
    conversion: Callable[[SField, Any], Any] = _CONVERSIONS.get(field.type, _text)
    try:
        return conversion(field, value)
    except (ValueError, TypeError, OverflowError, InvalidOperation) as error:
        raise RowError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{entity.label}: value not of required type: {value}",
            (field.name,),
        ) from error


def _text(field: SField, value: Any) -> str:
    if 0 < field.length < len(value):
        excerpt = value[:100]
        raise RowError(
            "STRING_TOO_LONG",
            f"{field.raw.get('label', field.name)}: data value too large: {excerpt}"
            f" (max length={field.length})",
            (field.name,),
        )
    return str(value)


def _email(field: SField, value: Any) -> str:
    text = _text(field, value)
    if not _EMAIL.fullmatch(text):
        reason = f"{field.raw.get('label', field.name)}: invalid email address: {text}"
        raise RowError("INVALID_EMAIL_ADDRESS", reason, (field.name,))
    return text


def _choice(field: SField, value: Any) -> str:
    text = _text(field, value)
    chosen = text.split(";") if field.type == "multipicklist" else [text]
    wrong = next((part for part in chosen if part not in field.values), None)
    if wrong is not None and field.raw.get("restrictedPicklist"):
        label = field.raw.get("label", field.name)
        reason = f"{label}: bad value for restricted picklist field: {wrong}"
        raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", reason, (field.name,))
    return text


def _identifier(field: SField, value: Any) -> str:
    if match := full_id(str(value)):
        return match
    label = field.raw.get("label", field.name)
    raise RowError("MALFORMED_ID", f"{label}: id value of incorrect type: {value}", (field.name,))


def _boolean(_field: SField, value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _integer(field: SField, value: Any) -> int:
    number = Decimal(str(value))
    if abs(number) > _LARGEST[field.type]:
        raise _out_of_range(field, value)
    if number != number.to_integral_value():
        raise ValueError(value)
    return int(number)


def _decimal(field: SField, value: Any) -> Decimal:
    precision, scale = _digits(field)
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)
    if number.adjusted() >= precision - scale:
        raise _out_of_range(field, value)
    return number


def _out_of_range(field: SField, value: Any) -> RowError:
    label = field.raw.get("label", field.name)
    reason = f"{label}: value outside of valid range on numeric field: {value}"
    return RowError("NUMBER_OUTSIDE_VALID_RANGE", reason, (field.name,))


def _date(_field: SField, value: Any) -> date:
    return date.fromisoformat(str(value)[:10])


def _datetime(_field: SField, value: Any) -> datetime:
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", str(value).strip())
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(tzinfo=None)


def _time(_field: SField, value: Any) -> time:
    return time.fromisoformat(str(value)).replace(tzinfo=None)


_CONVERSIONS: Mapping[str, Callable[[SField, Any], Any]] = {
    "id": _identifier,
    "reference": _identifier,
    "email": _email,
    "picklist": _choice,
    "multipicklist": _choice,
    "boolean": _boolean,
    "int": _integer,
    "long": _integer,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
}
