"""Resource names and filters, from checked ids and quoted values."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seil.admanager.calls import SERVICE
from seil.errors import RequestRejectedError, UnexpectedAnswerError

_FIELD = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")
_LARGEST_ID = 2**63 - 1


class Names:
    """Of the form networks/{network code}/{collection}/{id}."""

    def __init__(self, network: str) -> None:
        self.network = network

    def of(self, collection: str, identity: int) -> str:
        return f"{self.network}/{collection}/{check_id(identity)}"

    def all_of(self, collection: str, identities: Iterable[int]) -> list[str]:
        return [self.of(collection, identity) for identity in identities]


def check_id(identity: int) -> int:
    """Raises TypeError for anything but an int, and RequestRejectedError (404) out of range."""
    if isinstance(identity, bool) or not isinstance(identity, int):
        raise TypeError(f"{identity!r} is not an id")
    if not 0 <= identity <= _LARGEST_ID:
        reason = f"there is no object with the id {identity}"
        raise RequestRejectedError(SERVICE, "NOT_FOUND", reason, status=404)
    return identity


def id_of(name: str) -> int:
    """The id at the end of a resource name. Raises UnexpectedAnswerError where there is none.

    Some have a suffix: `audienceSegments/4567~direct`.
    """
    number = name.rpartition("/")[2].partition("~")[0]
    if not (number.isascii() and number.isdigit()):
        raise UnexpectedAnswerError(SERVICE, "a resource name does not end with an id")
    return int(number)


def ids_of(names: Iterable[str]) -> list[int]:
    return [id_of(name) for name in names]


def equals(field: str, *values: str | int) -> str:
    """A filter: `field` is one of `values` (https://developers.google.com/ad-manager/api/beta/filters).

    Raises ValueError for an invalid field name, or without values.
    """
    if not _FIELD.fullmatch(field) or not values:
        raise ValueError(f"not a filter: {field!r} is one of {values!r}")
    return " OR ".join(f"{field} = {_literal(value)}" for value in values)


def _literal(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
