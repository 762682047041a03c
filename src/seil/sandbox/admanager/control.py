"""/sandbox/: the levers of a person or a test. They need no token."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from seil.sandbox.admanager.clock import moment, stamp
from seil.sandbox.admanager.errors import invalid, not_found
from seil.sandbox.admanager.faults import KINDS, Fault, Faults, ordered
from seil.sandbox.admanager.line_items import LineItems
from seil.sandbox.admanager.messages import Call, Reply
from seil.sandbox.admanager.network import Network, ident
from seil.sandbox.fault_table import described

if TYPE_CHECKING:
    from seil.sandbox.admanager.soap.buyers import Buyers

_NO_CONTENT = Reply(204, b"")


class Control:
    def __init__(
        self, network: Network, faults: Faults, line_items: LineItems, buyers: Buyers
    ) -> None:
        self._network = network
        self._faults = faults
        self._line_items = line_items
        self._buyers = buyers
        self._routes: dict[tuple[str, str], Callable[..., Reply]] = {
            ("GET", r"/sandbox/faults"): lambda _call: Reply.json(faults.listed()),
            ("GET", r"/sandbox/faults/kinds"): _kinds,
            ("POST", r"/sandbox/faults"): self._order_fault,
            ("DELETE", r"/sandbox/faults(?:/(\d+))?"): self._clear_faults,
            ("GET", r"/sandbox/clock"): self._clock,
            ("POST", r"/sandbox/clock"): self._set_clock,
            ("GET", r"/sandbox/summary"): self._summary,
            ("POST", r"/sandbox/proposals/(\d+)/accept"): self._accept,
            ("POST", r"/sandbox/proposals/(\d+)/counter"): self._counter,
            ("POST", r"/sandbox/proposals/(\d+)/terminate"): self._terminate,
            ("POST", r"/sandbox/lineItems/(\d+)/creatives"): self._creatives,
        }

    def answer(self, call: Call) -> Reply:
        for (method, pattern), handler in self._routes.items():
            if method == call.method and (match := re.fullmatch(pattern, call.path)):
                with self._network.store.transaction():
                    return handler(call, *match.groups())
        raise not_found(f"{call.method} {call.path}")

    def _order_fault(self, call: Call) -> Reply:
        """A fault, or {"kind": name}; answers its number."""
        body = call.json_object()
        try:
            fault = ordered(str(body["kind"])) if "kind" in body else Fault.model_validate(body)
        except ValueError as error:
            raise invalid(described(error)) from error
        return Reply.json({"id": self._faults.add(fault)}, 201)

    def _clear_faults(self, _call: Call, number: str | None) -> Reply:
        self._faults.clear(int(number) if number else None)
        return _NO_CONTENT

    def _clock(self, _call: Call) -> Reply:
        return Reply.json({"now": stamp(self._network.clock.now())})

    def _set_clock(self, call: Call) -> Reply:
        """{"now": ISO time} or {"days": n, "hours": n} further; {} is the real time again."""
        body = call.json_object()
        clock = self._network.clock
        try:
            if "now" in body:
                clock.set_now(moment(str(body["now"])))
            elif body:
                clock.set_now(clock.now() + timedelta(**body))
            else:
                clock.set_ahead(timedelta())
        except (TypeError, ValueError, OverflowError) as error:
            raise invalid(f"now, or days and hours: {error}") from error
        return self._clock(call)

    def _summary(self, _call: Call) -> Reply:
        orders: dict[str, int] = {}
        for order in self._network.store.all("orders"):
            orders[order["status"]] = orders.get(order["status"], 0) + 1
        items: dict[str, int] = {}
        for item in self._line_items.all():
            items[item["status"]] = items.get(item["status"], 0) + 1
        found: dict[str, Any] = {
            "network": self._network.code,
            "now": stamp(self._network.clock.now()),
            "counts": self._network.store.counts(),
            "orders": orders,
            "lineItems": items,
        }
        return Reply.json(found)

    def _accept(self, _call: Call, number: str) -> Reply:
        """The buyer agrees."""
        return Reply.json(self._buyers.accept(int(number)))

    def _counter(self, call: Call, number: str) -> Reply:
        """The buyer asks for something else: {"netRate": micros, "units": n, "comment": text}."""
        return Reply.json(self._buyers.counter(int(number), call.json_object()))

    def _terminate(self, _call: Call, number: str) -> Reply:
        """The buyer goes away."""
        return Reply.json(self._buyers.terminate(int(number)))

    def _creatives(self, _call: Call, number: str) -> Reply:
        """The line item's creatives are there now, and it is activated."""
        item = self._line_items.supply_creatives(self._network.name("lineItems", number))
        return Reply.json({"lineItem": ident(item["name"]), "status": item["status"]})


def _kinds(_call: Call) -> Reply:
    return Reply.json({name: about for name, (about, _) in KINDS.items()})
