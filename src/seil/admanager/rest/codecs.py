"""Converts between the contract's JSON, which has SOAP's shapes, and the REST API's.

A field that the REST API cannot express is refused by name instead of being dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from seil.admanager.calls import SERVICE
from seil.admanager.rest.names import Names, id_of
from seil.errors import RequestRejectedError, UnexpectedAnswerError

Json = Any
_MICROS = 1_000_000
_FRACTION = re.compile(r"\.\d+")


@dataclass(frozen=True)
class Network:
    """The network that resource names and times belong to."""

    names: Names
    zone: str

    @classmethod
    def of(cls, code: str, zone: str) -> Network:
        return cls(Names(f"networks/{code}"), zone)


@dataclass(frozen=True)
class Codec:
    """`write` converts a contract value at a path, `read` a REST value."""

    write: Callable[[Json, Network, str], Json]
    read: Callable[[Json, Network], Json]


@dataclass(frozen=True)
class MappedField:
    """A contract field and its REST field."""

    name: str
    rest: str
    codec: Codec


def encode_fields(
    fields: Sequence[MappedField], values: Mapping[str, Json], to: Network, path: str
) -> Json:
    """REST JSON of the fields that are set."""
    return {
        field.rest: _write(field, values[field.name], to, f"{path}.{field.name}")
        for field in fields
        if values.get(field.name) is not None
    }


def _write(field: MappedField, value: Json, to: Network, path: str) -> Json:
    """A 404 becomes a 400: it concerns a referenced id, not the requested object."""
    try:
        return field.codec.write(value, to, path)
    except RequestRejectedError as error:
        if error.status != 404:
            raise
        raise not_supported(path, error.reason) from error


def decode_fields(fields: Sequence[MappedField], values: Mapping[str, Json], of: Network) -> Json:
    pairs = (
        (field.name, field.codec.read(values[field.rest], of))
        for field in fields
        if field.rest in values
    )
    return {name: value for name, value in pairs if value is not None}


def not_supported(path: str, reason: str) -> RequestRejectedError:
    text = f"{path.removeprefix('.')}: {reason}"
    return RequestRejectedError(SERVICE, "NOT_SUPPORTED", text, status=400)


def shape(fields: Sequence[MappedField], *, missing: Sequence[str] = ()) -> Codec:
    """A nested object; `missing` are contract fields that REST lacks."""

    def write(value: Json, to: Network, path: str) -> Json:
        reject_missing(value, missing, path)
        return encode_fields(fields, value, to, path)

    return Codec(write, lambda value, of: decode_fields(fields, value, of))


def reject_missing(value: Mapping[str, Json], missing: Sequence[str], path: str) -> None:
    for name in missing:
        if value.get(name) not in (None, [], {}):
            raise not_supported(f"{path}.{name}", "Ad Manager's REST API does not have it")


def list_of(codec: Codec) -> Codec:
    return Codec(
        lambda values, to, path: [
            codec.write(value, to, f"{path}[{at}]") for at, value in enumerate(values)
        ],
        lambda values, of: [codec.read(value, of) for value in values] or None,
    )


def _itself(value: Json, *_: Any) -> Json:
    return value


AS_IS = Codec(_itself, _itself)
# protobuf's JSON writes 64-bit integers as strings.
LONG = Codec(lambda value, _to, _path: str(value), lambda value, _of: int(value))


def ref(collection: str) -> Codec:
    """An id; in REST a resource name."""
    return Codec(
        lambda value, to, _path: to.names.of(collection, value),
        lambda value, _of: id_of(value),
    )


def refs(collection: str) -> Codec:
    return list_of(ref(collection))


def enum(renamed: Mapping[str, str] | None = None) -> Codec:
    """An enum value; `renamed` maps the contract's values to REST's."""
    to_rest = dict(renamed or {})
    from_rest = {value: name for name, value in to_rest.items()}

    def decode(value: Json, _of: Network) -> Json:
        # A value unknown to the client comes as its number.
        text = str(value)
        return None if text.endswith("_UNSPECIFIED") else from_rest.get(text, text)

    return Codec(lambda value, _to, _path: to_rest.get(value, value), decode)


def _write_money(value: Json, _to: Network, _path: str) -> Json:
    micros = value["microAmount"]
    units, fraction = divmod(abs(micros), _MICROS)
    sign = -1 if micros < 0 else 1
    return {
        "currencyCode": value["currencyCode"],
        "units": str(sign * units),
        "nanos": sign * fraction * 1000,
    }


def _read_money(value: Json, _of: Network) -> Json:
    nanos = int(value.get("units", 0)) * 10**9 + int(value.get("nanos", 0))
    # Ad Manager's own amounts are whole micros; floats would round large ones.
    micros = round(nanos / 1000) if nanos % 1000 else nanos // 1000
    return {"currencyCode": value.get("currencyCode", ""), "microAmount": micros}


MONEY = Codec(_write_money, _read_money)


def _write_time(value: Json, _to: Network, path: str) -> Json:
    date, zone = value["date"], ZoneInfo(value["timeZoneId"])
    clock = (value.get("hour", 0), value.get("minute", 0), value.get("second", 0))
    try:
        local = datetime(date["year"], date["month"], date["day"], *clock, tzinfo=zone)
        moment = local.astimezone(UTC)
    except (OverflowError, ValueError):
        raise not_supported(path, "is outside of Ad Manager's range of dates") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _read_time(value: Json, of: Network) -> Json:
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", value))
        local = moment.astimezone(ZoneInfo(of.zone))
    except (OverflowError, ValueError):
        raise UnexpectedAnswerError(SERVICE, "a time cannot be read") from None
    return date_time(local, of.zone)


def date_time(local: datetime, zone: str) -> dict[str, Json]:
    return {
        "date": {"year": local.year, "month": local.month, "day": local.day},
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "timeZoneId": zone,
    }


TIME = Codec(_write_time, _read_time)

MILLISECONDS = Codec(
    lambda value, _to, _path: f"{value // 1000}.{value % 1000:03d}s",
    lambda value, _of: round(float(value.removesuffix("s")) * 1000),
)

_LABEL = (
    MappedField("labelId", "label", ref("labels")),
    MappedField("isNegated", "negated", AS_IS),
)
# protobuf's JSON omits `negated` where it is false.
LABELS = list_of(
    Codec(
        shape(_LABEL).write,
        lambda value, of: decode_fields(_LABEL, {"negated": False, **value}, of),
    )
)


def _write_custom_value(value: Json, to: Network, path: str) -> Json:
    content = (value.get("value") or {}).get("value")
    if "customFieldOptionId" in value:
        encoded: Json = {"dropdownValue": str(value["customFieldOptionId"])}
    elif isinstance(content, bool):
        encoded = {"toggleValue": content}
    elif isinstance(content, int | float):
        encoded = {"numberValue": content}
    elif isinstance(content, str):
        encoded = {"stringValue": content}
    else:
        raise not_supported(path, "a custom field needs a value or an option")
    return {"customField": to.names.of("customFields", value["customFieldId"]), "value": encoded}


def _read_custom_value(value: Json, _of: Network) -> Json:
    field, content = id_of(value.get("customField", "")), value.get("value") or {}
    if "dropdownValue" in content:
        return {"customFieldId": field, "customFieldOptionId": int(content["dropdownValue"])}
    plain_value = next((v for k, v in content.items() if k != "dropdownValue"), None)
    return {"customFieldId": field} | (
        {} if plain_value is None else {"value": {"value": plain_value}}
    )


CUSTOM_FIELDS = list_of(Codec(_write_custom_value, _read_custom_value))
