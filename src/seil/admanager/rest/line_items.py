"""Line items over REST."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from seil.admanager.batches import send_in_batches
from seil.admanager.calls import SERVICE, after_conflicts, after_write, before_write
from seil.admanager.models import (
    ActOnLineItems,
    CreatedLineItems,
    CreateLineItems,
    GetLineItems,
    LineItems,
    NumChanges,
    NumUpdated,
    UpdateLineItems,
)
from seil.admanager.models.line_items import LineItemChanges
from seil.admanager.models.lists import BATCH
from seil.admanager.rest.codecs import Network
from seil.admanager.rest.line_item_fields import mask, new_to_rest, of_rest, to_rest
from seil.admanager.rest.messages import as_json, message, parse_answer
from seil.admanager.rest.names import equals, id_of
from seil.admanager.rest.orders import count_changed
from seil.admanager.rest.transport import Rest
from seil.errors import RequestRejectedError, Undone, UnexpectedAnswerError

_BATCHES = {
    "archive": "batch_archive_line_items",
    "pause": "batch_pause_line_items",
    "resume": "batch_resume_line_items",
    "activate": "batch_activate_line_items",
    "reserve": "batch_reserve_line_items",
    "release": "batch_release_line_items",
    "delete": "batch_delete_line_items",
}
_NAMES_PER_FILTER = 50  # 50 names make a filter of some 3 KB, which has to fit into the URL.
_IDENTITY = {"id", "order_id"}


class LineItemsService:
    def __init__(self, rest: Rest, network: Network, attempts: int) -> None:
        self._rest = rest
        self._network = network
        self._attempts = attempts

    def create(self, request: CreateLineItems) -> CreatedLineItems:
        values = [
            new_to_rest(item.wire(), self._network, f"lineItems[{at}]")
            for at, item in enumerate(request.line_items)
        ]
        parent = self._rest.network
        answer = self._rest.write(
            "LineItem",
            "batch_create_line_items",
            {
                "parent": parent,
                "requests": [
                    {"parent": parent, "line_item": message("LineItem", item)} for item in values
                ],
            },
        )
        if len(answer.line_items) != len(values):
            mismatch = f"{len(answer.line_items)} line items for {len(values)}"
            raise UnexpectedAnswerError(SERVICE, mismatch)
        created = [of_rest(as_json(item), self._network) for item in answer.line_items]
        return parse_answer(CreatedLineItems, {"lineItems": created})

    def get(self, request: GetLineItems) -> LineItems:
        """Empty for an order without line items; 404 for an unknown order or line item."""
        names = self._network.names
        if request.line_item_id is not None:
            name = names.of("lineItems", request.line_item_id)
            messages = [self._rest.read("LineItem", "get_line_item", {"name": name})]
        else:
            order = names.of("orders", request.order_id or 0)
            messages = list(self._list(equals("order", order)))
            if not messages:
                self._rest.read("Order", "get_order", {"name": order})
        items = [of_rest(as_json(item), self._network) for item in messages]
        return parse_answer(LineItems, {"lineItems": items})

    def update(self, request: UpdateLineItems) -> NumUpdated:
        """Changes the given fields, skips archived line items, and retries concurrent changes."""
        updates = {
            self._network.names.of("lineItems", changes.id): self._update(changes, at)
            for at, changes in enumerate(request.line_items)
        }

        def once() -> NumUpdated:
            with before_write():
                open_names = self._open(request.line_items)
            count = self._send_updates([updates[name] for name in open_names])
            return NumUpdated(num_updated=count)

        return after_conflicts(self._attempts, once)

    def _update(self, changes: LineItemChanges, at: int) -> dict[str, Any]:
        """Masks the given fields; null clears a field."""
        path = f"lineItems[{at}]"
        values = {name: value for name, value in changes.wire().items() if name != "orderId"}
        fields = type(changes).model_fields
        names = {fields[name].alias or name for name in changes.model_fields_set - _IDENTITY}
        item = to_rest(values, self._network, path)
        paths = mask(names)
        if not paths:  # An empty mask would mean every field.
            reason = f"{path}: no change is given"
            raise RequestRejectedError(SERVICE, "NO_CHANGE", reason, status=400)
        item["name"] = self._network.names.of("lineItems", changes.id)
        return {
            "line_item": message("LineItem", item),
            "update_mask": {"paths": paths},
        }

    def _open(self, items: Iterable[LineItemChanges]) -> list[str]:
        """The resource names of those not archived. Raises RequestRejectedError where one is
        missing or is in another order.
        """
        items = list(items)
        by_id = {id_of(item.name): item for item in self._by_ids(item.id for item in items)}
        if missing := [str(item.id) for item in items if item.id not in by_id]:
            raise _no_such(missing)
        for at, item in enumerate(items):
            if id_of(by_id[item.id].order) != item.order_id:
                reason = f"lineItems[{at}].orderId: line item {item.id} is in another order"
                raise RequestRejectedError(SERVICE, "WRONG_ORDER", reason, status=400)
        return [by_id[item.id].name for item in items if not by_id[item.id].archived]

    def _send_updates(self, updates: list[dict[str, Any]]) -> int:
        if not updates:
            return 0
        request = {"parent": self._rest.network, "requests": updates}
        answer = self._rest.write("LineItem", "batch_update_line_items", request)
        if len(answer.line_items) != len(updates):
            mismatch = f"{len(answer.line_items)} line items for {len(updates)}"
            raise UnexpectedAnswerError(SERVICE, mismatch)
        return len(answer.line_items)

    def act(self, request: ActOnLineItems) -> NumChanges:
        """Counts changes by comparing states, since the REST API returns none."""
        with before_write():
            before = self._states(request.ids)
        if not before:
            raise _no_such([str(identity) for identity in request.ids])
        existing = {id_of(name) for name in before}
        ids = [identity for identity in dict.fromkeys(request.ids) if identity in existing]

        def send(batch: Sequence[int]) -> None:
            names = self._network.names.all_of("lineItems", batch)
            values = {"parent": self._rest.network, "names": names}
            self._rest.write("LineItem", _BATCHES[request.action], values)

        send_in_batches(ids, send, size=BATCH, not_found=_not_found(request.ids, existing))
        with after_write(ids):
            return NumChanges(num_changes=count_changed(before, self._states(request.ids)))

    def _states(self, identities: Iterable[int]) -> dict[str, Any]:
        return {
            item.name: (item.status, item.archived, item.reservation_status)
            for item in self._by_ids(identities)
        }

    def _by_ids(self, identities: Iterable[int]) -> Iterator[Any]:
        names = self._network.names.all_of("lineItems", dict.fromkeys(identities))
        for batch in _batches(names, _NAMES_PER_FILTER):
            yield from self._list(equals("name", *batch))

    def _list(self, where: str) -> Iterator[Any]:
        request = {"parent": self._rest.network, "filter": where}
        for page in self._rest.pages("LineItem", "list_line_items", request):
            yield from page.line_items


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(names)
    while batch := list(islice(remaining, size)):
        yield batch


def _not_found(identities: Iterable[int], existing: Container[int]) -> list[Undone]:
    absent = tuple(identity for identity in dict.fromkeys(identities) if identity not in existing)
    return [Undone(absent, _absent("there is no such line item"))] if absent else []


def _no_such(identities: list[str]) -> RequestRejectedError:
    return _absent(f"there is no line item {', '.join(identities)}")


def _absent(reason: str) -> RequestRejectedError:
    return RequestRejectedError(SERVICE, "NOT_FOUND", reason, status=404)
