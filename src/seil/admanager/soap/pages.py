"""Queries by statement, and overlays of changes on their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seil.admanager.calls import SERVICE
from seil.admanager.models.base import Shape
from seil.admanager.soap.transport import Soap
from seil.admanager.soap.values import statement, to_soap
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
            results, total = _read(page)
            yield from results
            offset += len(results)
            if offset >= total:
                return
            if not results:
                raise UnexpectedAnswerError(SERVICE, f"{offset} results, where it says {total}")


def _read(page: Any) -> tuple[list[Any], int]:
    """The client returns None for what it cannot parse, and for missing parts."""
    total = getattr(page, "totalResultSetSize", None)
    if total is None:
        raise UnexpectedAnswerError(SERVICE, "a page has no totalResultSetSize")
    results = list(page.results or ())
    if any(getattr(result, "id", None) is None for result in results):
        raise UnexpectedAnswerError(SERVICE, "a result has no id")
    return results, int(total)


def exactly(answer: Any, count: int) -> list[Any]:
    """The created or updated objects. Raises UnexpectedAnswerError unless there are `count`."""
    results = list(answer or ())
    if len(results) != count:
        raise UnexpectedAnswerError(SERVICE, f"{len(results)} objects for {count}")
    return results


def overlay(target: Any, changes: Shape, zone: str, *, but: Iterable[str] = ()) -> None:
    """Sets the given fields on `target`, since SOAP updates whole objects; null clears a field."""
    values = changes.wire()
    for name in changes.model_fields_set - set(but):
        alias = type(changes).model_fields[name].alias or name
        if alias not in dir(target):
            reason = f"{alias}: this version of the SOAP API does not have it"
            raise RequestRejectedError(SERVICE, "NOT_SUPPORTED", reason, status=400)
        setattr(target, alias, to_soap(values.get(alias), zone))
