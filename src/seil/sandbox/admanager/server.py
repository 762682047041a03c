"""The stand-in Ad Manager, put together."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from seil.sandbox.admanager.account import FILE_NAME as KEY_NAME
from seil.sandbox.admanager.account import AdManagerTokens, key_file
from seil.sandbox.admanager.clock import Clock
from seil.sandbox.admanager.control import NetworkControl
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.frame import AdManagerFrame
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.orders import SandboxOrders
from seil.sandbox.admanager.seed import plant
from seil.sandbox.admanager.store import FILE_NAME, NetworkStore
from seil.sandbox.base.faults import FaultTable
from seil.sandbox.base.listening import FrameParts, StandIn


class AdManagerServer(StandIn["_Parts", AdManagerOptions, AdManagerFault]):
    """The network of a folder over HTTP.

    The first start makes a new network and its service account's key. `url` is what `endpoint` and
    `soap_endpoint` are set to.
    """

    name = "sandbox-admanager"

    @classmethod
    @override
    def default_options(cls) -> AdManagerOptions:
        return AdManagerOptions()

    @property
    def network_code(self) -> str:
        """Of the network in the folder; until it is opened, that of the options."""
        return self._parts.network.code if self._parts else self.options.network_code

    @property
    def service_account_key(self) -> Path:
        """Google's JSON key file; written anew where the address changes."""
        return self.folder / KEY_NAME

    @override
    def _open(self) -> _Parts:
        return _Parts(self.folder, self.url, self.options, self.faults)


class _Parts(FrameParts):
    """The parts of a running server, in the order of opening."""

    store: NetworkStore

    def __init__(
        self, folder: Path, url: str, options: AdManagerOptions, faults: FaultTable[AdManagerFault]
    ) -> None:
        self.store = NetworkStore(folder / FILE_NAME)
        try:
            clock = Clock(self.store, options.now)
            plant(self.store, clock, options)
            self.network = SandboxNetwork(self.store, clock, options)
            tokens = AdManagerTokens(self.store, key_file(folder, url), options.token_lifetime)
            self.frame = _frame(self.network, tokens, faults)
        except BaseException:
            self.store.close()
            raise


def _frame(
    network: SandboxNetwork, tokens: AdManagerTokens, faults: FaultTable[AdManagerFault]
) -> AdManagerFrame:
    """Imports Google's types, which takes a second, only when a server starts."""
    from seil.sandbox.admanager.rest import forecasts
    from seil.sandbox.admanager.rest.gateway import RestGateway
    from seil.sandbox.admanager.rest.operations import operations
    from seil.sandbox.admanager.rest.reports import SandboxReports
    from seil.sandbox.admanager.soap.buyers import SandboxBuyers
    from seil.sandbox.admanager.soap.forecasts import SandboxForecasts
    from seil.sandbox.admanager.soap.gateway import SoapGateway
    from seil.sandbox.admanager.soap.negotiation import Negotiation
    from seil.sandbox.admanager.soap.proposals import SandboxProposals

    line_items = SandboxLineItems(network)
    orders = SandboxOrders(network, line_items)
    served = {
        **operations(network, orders, line_items),
        **forecasts.operations(network, line_items),
        **SandboxReports(network).operations(),
    }
    rest = RestGateway(network, tokens, served)
    proposals = SandboxProposals(network, line_items)
    negotiation = Negotiation(network, proposals, orders, line_items)
    soap = SoapGateway(
        network,
        tokens,
        proposals=proposals,
        negotiation=negotiation,
        forecasts=SandboxForecasts(network, line_items),
    )
    buyers = SandboxBuyers(proposals, negotiation)
    handlers = {
        "/token": tokens.answer,
        "/v1/": rest.answer,
        "/apis/ads/publisher/": soap.answer,
        "/sandbox/": NetworkControl(network, faults, line_items, buyers).answer,
    }
    return AdManagerFrame(handlers, network.store, faults)
