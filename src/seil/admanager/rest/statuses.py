"""Statuses of many orders or line items, by id."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote_plus

from seil.admanager.rest.names import Names, equals, id_of
from seil.admanager.rest.transport import Rest

# Of a filter, which has to fit into the URL: some 100 names.
_LONGEST_FILTER = 6_000
_OR = len(quote_plus(' OR name = ""'))
_log = logging.getLogger(__name__)


class StatusReader:
    """Ids that the network does not have are missing from the answers."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._names = Names(rest.network)

    def of_orders(self, ids: Iterable[int]) -> dict[int, str]:
        return self._find("Order", "orders", "orders", ids)

    def of_line_items(self, ids: Iterable[int]) -> dict[int, str]:
        return self._find("LineItem", "lineItems", "line_items", ids)

    def _find(
        self, service: str, collection: str, snake: str, ids: Iterable[int]
    ) -> dict[int, str]:
        """`snake` is the collection's name in Google's client."""
        statuses: dict[int, str] = {}
        for names in _fitting(self._names.all_of(collection, dict.fromkeys(ids))):
            request = {"parent": self._rest.network, "filter": equals("name", *names)}
            mask = f"{collection}.name,{collection}.status"
            for page in self._rest.pages(service, f"list_{snake}", request, fields=mask):
                for entity in getattr(page, snake):
                    # A status that this client has no name for is a number.
                    if status := getattr(entity.status, "name", ""):
                        statuses[id_of(entity.name)] = status
                    else:
                        _log.warning("%s has the unknown status %s", entity.name, entity.status)
        return statuses


def _fitting(names: Sequence[str]) -> Iterator[list[str]]:
    """Batches whose filter fits into a URL."""
    batch: list[str] = []
    length = 0
    for name in names:
        size = len(quote_plus(name)) + _OR
        if batch and length + size > _LONGEST_FILTER:
            yield batch
            batch, length = [], 0
        batch.append(name)
        length += size
    if batch:
        yield batch
