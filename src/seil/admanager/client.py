"""Google Ad Manager: one method for each operation of the contract.

REST where it has the operation, SOAP otherwise. Google's libraries are imported, and its clients
built, by the first call that needs them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from seil.admanager import models
from seil.errors import ConfigurationError, Problem, UnexpectedAnswerError
from seil.settings import AdManagerSettings
from seil.time_zones import is_time_zone

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from seil.admanager.pace import CallPace
    from seil.admanager.rest.buyers import Buyers
    from seil.admanager.rest.codecs import Network
    from seil.admanager.rest.forecasts import ExistingForecasts
    from seil.admanager.rest.inventory import AdUnitEntry, InventoryReader, PlacementEntry
    from seil.admanager.rest.line_items import LineItemsService
    from seil.admanager.rest.orders import Orders
    from seil.admanager.rest.reports import ReportRow, Reports
    from seil.admanager.rest.statuses import StatusReader
    from seil.admanager.rest.transport import Rest
    from seil.admanager.soap.forecasts import Forecasts
    from seil.admanager.soap.proposal_line_items import ProposalLineItemsService
    from seil.admanager.soap.proposals import Proposals
    from seil.admanager.soap.transport import Soap

Part = TypeVar("Part")


class NameStore(Protocol):
    """Keeps the name of an object of Ad Manager from one run to the next."""

    def get(self) -> str: ...

    def set(self, value: str) -> None: ...


class AdManager:
    """Thread-safe. Calls keep to `seil.deadline` and to the settings' timeout.

    Every method raises RequestRejectedError for what Ad Manager refuses (status 404 where an
    object does not exist), ConflictError, UnavailableError, TooSlowError, UnexpectedAnswerError,
    LoginError or ConfigurationError, nothing else.
    """

    def __init__(
        self,
        settings: AdManagerSettings,
        credentials: Credentials | None = None,
        *,
        pace: CallPace | None = None,
    ) -> None:
        """`credentials` default to the service account of the settings; `pace` is for flows that
        make many calls.
        """
        self._settings = settings
        self._own_credentials = credentials
        self._pace = pace
        self._parts: dict[str, Any] = {}
        self._lock = threading.RLock()

    def forecast(self, request: models.GetForecast) -> models.Forecast:
        """Through REST for an existing, unchanged line item, through SOAP for all others."""
        item = request.line_items[0].line_item
        if item.id is not None and not set(item.wire()) - {"id", "orderId"}:
            return self._existing_forecasts.of(item.id, item.order_id)
        return self._forecasts.of(request)

    def create_order(self, request: models.CreateOrder) -> models.CreatedOrder:
        return self._orders.create(request)

    def get_order(self, request: models.GetOrder) -> models.Order:
        return self._orders.get(request)

    def act_on_order(self, request: models.ActOnOrder) -> models.NumChanges:
        return self._orders.act(request)

    def create_line_items(self, request: models.CreateLineItems) -> models.CreatedLineItems:
        return self._line_items.create(request)

    def get_line_items(self, request: models.GetLineItems) -> models.LineItems:
        return self._line_items.get(request)

    def update_line_items(self, request: models.UpdateLineItems) -> models.NumUpdated:
        return self._line_items.update(request)

    def act_on_line_items(self, request: models.ActOnLineItems) -> models.NumChanges:
        return self._line_items.act(request)

    def create_proposal(self, request: models.CreateProposal) -> models.Proposal:
        return self._proposals.create(request)

    def get_proposal(self, request: models.GetProposal) -> models.Proposal:
        return self._proposals.get(request)

    def update_proposal(self, request: models.UpdateProposal) -> models.Proposal:
        return self._proposals.update(request)

    def act_on_proposal(self, request: models.ActOnProposal) -> models.NumChanges:
        return self._proposals.act(request)

    def create_proposal_line_items(
        self, request: models.CreateProposalLineItems
    ) -> models.ProposalLineItems:
        return self._proposal_line_items.create(request)

    def get_proposal_line_items(
        self, request: models.GetProposalLineItems
    ) -> models.ProposalLineItems:
        return self._proposal_line_items.get(request)

    def update_proposal_line_items(
        self, request: models.UpdateProposalLineItems
    ) -> models.ProposalLineItems:
        return self._proposal_line_items.update(request)

    def act_on_proposal_line_items(
        self, request: models.ActOnProposalLineItems
    ) -> models.NumChanges:
        return self._proposal_line_items.act(request)

    def network_time_zone(self) -> str:
        """The network's own, an IANA name."""
        network = self._rest.read("Network", "get_network", {"name": self._rest.network})
        zone = str(network.time_zone)
        if not is_time_zone(zone):
            from seil.admanager.calls import SERVICE

            raise UnexpectedAnswerError(SERVICE, f"the network's time zone is {zone!r}")
        return zone

    def check_reports(self) -> None:
        """Raises an error where the service account may not read reports."""
        request = {"parent": self._rest.network, "page_size": 1}
        next(self._rest.pages("Report", "list_reports", request))

    def order_statuses(self, ids: Iterable[int]) -> dict[int, str]:
        """By id; ids that the network does not have are missing."""
        return self._statuses.of_orders(ids)

    def line_item_statuses(self, ids: Iterable[int]) -> dict[int, str]:
        """By id; ids that the network does not have are missing."""
        return self._statuses.of_line_items(ids)

    def proposal_statuses(self, ids: Iterable[int]) -> dict[int, str]:
        """By id; ids that the network does not have are missing."""
        return self._proposals.statuses(ids)

    def ad_units(self) -> Iterator[AdUnitEntry]:
        return self._inventory.ad_units()

    def placements(self) -> Iterator[PlacementEntry]:
        return self._inventory.placements()

    def report(
        self,
        dimensions: Sequence[str],
        metrics: Sequence[str],
        days: tuple[date, date],
        *,
        seconds: float = 300.0,
        name_store: NameStore | None = None,
    ) -> Iterator[ReportRow]:
        """Streams the rows of a report; `days` are inclusive.

        `report(["LINE_ITEM_ID", "DATE"], ["AD_SERVER_IMPRESSIONS"], (yesterday, today))`. A date is
        a number: 20261123. `seconds` is the timeout for generating the report.

        With `name_store`, one report is changed each time; otherwise each call leaves a new one in
        the network.
        """
        name = name_store.get() if name_store else ""
        name = self._reports.prepare(dimensions, metrics, days, name=name)
        if name_store:
            name_store.set(name)
        yield from self._reports.rows(name, dimensions, metrics, seconds=seconds)

    @property
    def _statuses(self) -> StatusReader:
        from seil.admanager.rest.statuses import StatusReader

        return self._once("statuses", lambda: StatusReader(self._rest))

    @property
    def _inventory(self) -> InventoryReader:
        from seil.admanager.rest.inventory import InventoryReader

        return self._once("inventory", lambda: InventoryReader(self._rest))

    @property
    def _reports(self) -> Reports:
        from seil.admanager.rest.reports import Reports

        return self._once("reports", lambda: Reports(self._rest))

    @property
    def _existing_forecasts(self) -> ExistingForecasts:
        from seil.admanager.rest.forecasts import ExistingForecasts

        return self._once("existing", lambda: ExistingForecasts(self._rest, self._network))

    @property
    def _forecasts(self) -> Forecasts:
        from seil.admanager.soap.forecasts import Forecasts

        return self._once("forecasts", lambda: Forecasts(self._soap))

    @property
    def _line_items(self) -> LineItemsService:
        from seil.admanager.rest.line_items import LineItemsService

        return self._once(
            "line items",
            lambda: LineItemsService(self._rest, self._network, self._settings.attempts),
        )

    @property
    def _proposals(self) -> Proposals:
        from seil.admanager.soap.proposals import Proposals

        return self._once(
            "proposals", lambda: Proposals(self._soap, self._buyers, self._settings.attempts)
        )

    @property
    def _proposal_line_items(self) -> ProposalLineItemsService:
        from seil.admanager.soap.proposal_line_items import ProposalLineItemsService

        return self._once(
            "proposal line items",
            lambda: ProposalLineItemsService(self._soap, self._proposals, self._settings.attempts),
        )

    @property
    def _buyers(self) -> Buyers:
        from seil.admanager.rest.buyers import Buyers

        return self._once("buyers", lambda: Buyers(self._rest))

    @property
    def _soap(self) -> Soap:
        from seil.admanager.soap.transport import Soap

        return self._once("soap", lambda: Soap(self._settings, self._credentials, self._pace))

    @property
    def _orders(self) -> Orders:
        from seil.admanager.rest.orders import Orders

        return self._once("orders", lambda: Orders(self._rest, self._network))

    @property
    def _rest(self) -> Rest:
        from seil.admanager.rest.transport import Rest

        return self._once("rest", lambda: Rest(self._settings, self._credentials, self._pace))

    @property
    def _credentials(self) -> Credentials:
        from seil.admanager.credentials import account_credentials

        return self._once(
            "credentials", lambda: self._own_credentials or account_credentials(self._settings)
        )

    @property
    def _network(self) -> Network:
        from seil.admanager.rest.codecs import Network

        zone = self._settings.time_zone
        if not is_time_zone(zone):
            problem = Problem("admanager.time_zone", f"{zone!r} is not an IANA time zone")
            raise ConfigurationError([problem])
        return Network.of(self._settings.network_code, zone)

    def _once(self, name: str, build: Callable[[], Part]) -> Part:
        """Built by the first thread that needs it, then shared.

        Built parts are returned without the lock, since building may wait for a secret.
        """
        if name not in self._parts:
            with self._lock:
                if name not in self._parts:
                    self._parts[name] = build()
        part: Part = self._parts[name]
        return part
