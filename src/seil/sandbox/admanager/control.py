"""Control of the stand-in at /sandbox/, without a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from seil.sandbox.admanager.clock import moment, stamp
from seil.sandbox.admanager.errors import invalid, not_found
from seil.sandbox.admanager.faults import KINDS, AdManagerFault
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.messages import JSON, AdManagerHandler, AdManagerRequest, json_reply
from seil.sandbox.admanager.network import SandboxNetwork, ident
from seil.sandbox.base.control import FaultControl
from seil.sandbox.base.faults import FaultTable
from seil.sandbox.base.messages import NoRouteError, Reply, RouteTable

if TYPE_CHECKING:
    from seil.sandbox.admanager.soap.buyers import SandboxBuyers


class NetworkControl:
    def __init__(
        self,
        network: SandboxNetwork,
        faults: FaultTable[AdManagerFault],
        line_items: SandboxLineItems,
        buyers: SandboxBuyers,
    ) -> None:
        self._network = network
        self._line_items = line_items
        self._buyers = buyers
        fault_control = FaultControl(faults, KINDS, reply=_reply, refusal=invalid)
        own: list[tuple[str, str, AdManagerHandler]] = [
            ("GET", "/sandbox/clock", self._clock),
            ("POST", "/sandbox/clock", self._set_clock),
            ("GET", "/sandbox/summary", self._summary),
            ("POST", "/sandbox/bookings", self._book),
            ("POST", "/sandbox/proposals/{number#}/accept", self._accept),
            ("POST", "/sandbox/proposals/{number#}/counter", self._counter),
            ("POST", "/sandbox/proposals/{number#}/terminate", self._terminate),
            ("POST", "/sandbox/lineItems/{number#}/creatives", self._creatives),
        ]
        routes = [*fault_control.routes("/sandbox"), *own]
        self._routes: RouteTable[AdManagerHandler] = RouteTable(routes)

    def answer(self, request: AdManagerRequest) -> Reply:
        try:
            handler, args = self._routes.find(request.method, request.path)
        except NoRouteError as error:
            raise not_found(str(error)) from error
        with self._network.store.transaction():
            return handler(replace(request, args=args))

    def _clock(self, _request: AdManagerRequest) -> Reply:
        return json_reply({"now": stamp(self._network.clock.now())})

    def _set_clock(self, request: AdManagerRequest) -> Reply:
        """{"now": ISO time}, or {"days": n, "hours": n} to advance; {} returns to real time."""
        body = request.json_object()
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
        return self._clock(request)

    def _summary(self, _request: AdManagerRequest) -> Reply:
        orders: dict[str, int] = {}
        for order in self._network.store.all("orders"):
            orders[order["status"]] = orders.get(order["status"], 0) + 1
        items: dict[str, int] = {}
        for item in self._line_items.all():
            items[item["status"]] = items.get(item["status"], 0) + 1
        return json_reply(
            {
                "network": self._network.code,
                "now": stamp(self._network.clock.now()),
                "counts": self._network.store.counts(),
                "orders": orders,
                "lineItems": items,
            }
        )

    def _book(self, request: AdManagerRequest) -> Reply:
        """Orders, line items and proposals with the given ids: see `Bookings`."""
        from seil.sandbox.admanager.bookings import Bookings

        return json_reply(Bookings.parse(request.json_object()).store(self._network))

    def _accept(self, request: AdManagerRequest) -> Reply:
        """The buyer accepts."""
        return json_reply(self._buyers.accept(_number(request)))

    def _counter(self, request: AdManagerRequest) -> Reply:
        """The buyer's counter-offer: {"netRate": micros, "units": n, "comment": text}."""
        return json_reply(self._buyers.counter(_number(request), request.json_object()))

    def _terminate(self, request: AdManagerRequest) -> Reply:
        """The buyer terminates the negotiation."""
        return json_reply(self._buyers.terminate(_number(request)))

    def _creatives(self, request: AdManagerRequest) -> Reply:
        """Supplies the line item's creatives, and activates it."""
        item = self._line_items.supply_creatives(
            self._network.name("lineItems", request.args["number"])
        )
        return json_reply({"lineItem": ident(item["name"]), "status": item["status"]})


def _number(request: AdManagerRequest) -> int:
    return int(request.args["number"])


def _reply(status: int, content: Any) -> Reply:
    return Reply(204, b"", JSON) if status == 204 else json_reply(content, status)
