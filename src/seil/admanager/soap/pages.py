"""Everything that a statement finds, and changes laid over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seil.admanager.calls import SERVICE
from seil.admanager.models.base import Shape
from seil.admanager.soap.transport import Soap
from seil.admanager.soap.values import packed, statement
from seil.errors import RequestRejectedError, UnexpectedAnswerError


class Finder:
    """Finds a service's objects with one of its get...ByStatement methods."""

    def __init__(self, soap: Soap, service: str, method: str) -> None:
        self._soap = soap
        self._service = service
        self._method = method

    def where(self, field: str, *identities: int) -> Iterator[Any]:
        offset = 0
        while True:
            query = statement(self._soap.version, field, *identities, offset=offset)
            page = self._soap.read(self._service, self._method, query)
            results = list(page.results or ())
            yield from results
            offset += len(results)
            if not results or offset >= (page.totalResultSetSize or 0):
                return


def only(found: Any, count: int) -> list[Any]:
    """The objects that were made or changed: as many as were sent."""
    results = list(found or ())
    if len(results) != count:
        raise UnexpectedAnswerError(SERVICE, f"{len(results)} objects for {count}")
    return results


def overlay(target: Any, changes: Shape, *, but: Iterable[str] = ()) -> None:
    """Lays what is given over what is there: SOAP takes objects whole. Null takes away."""
    values = changes.wire()
    for name in changes.model_fields_set - set(but):
        alias = type(changes).model_fields[name].alias or name
        if alias not in dir(target):
            reason = f"{alias}: this version of the SOAP API does not have it"
            raise RequestRejectedError(SERVICE, "NOT_SUPPORTED", reason, status=400)
        setattr(target, alias, packed(values.get(alias)))
