"""A stand-in Ad Manager that listens, in a thread of its own or as a process."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from typing_extensions import override

from seil.sandbox.admanager.account import FILE_NAME as KEY_NAME
from seil.sandbox.admanager.account import Tokens, key_file
from seil.sandbox.admanager.clock import Clock
from seil.sandbox.admanager.control import Control
from seil.sandbox.admanager.faults import Fault, Faults
from seil.sandbox.admanager.frame import Frame
from seil.sandbox.admanager.line_items import LineItems
from seil.sandbox.admanager.network import Network
from seil.sandbox.admanager.options import Options
from seil.sandbox.admanager.orders import Orders
from seil.sandbox.admanager.seed import plant
from seil.sandbox.admanager.store import FILE_NAME, Store
from seil.sandbox.listening import StandIn


class Server(StandIn["_Parts"]):
    """The network of a folder over HTTP; port 0 takes any that is free.

    The first start makes a new network and its service account's key; a later server on the same
    folder goes on where this one stopped. `url` is what `endpoint` and `soap_endpoint` are set to.
    Raises ConfigurationError where the folder cannot be used or the port is taken.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        options: Options | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__("sandbox-admanager", folder, host, port)
        self.options = options or Options()
        self.faults = Faults(faults)
        self.network_code = self.options.network_code

    @property
    def service_account_key(self) -> Path:
        """Google's JSON key file; written anew where the address changes."""
        return self.folder / KEY_NAME

    @override
    def _open(self) -> _Parts:
        parts = _Parts(self.folder, self.url, self.options, self.faults)
        self.network_code = parts.network.code
        return parts


class _Parts:
    """What one running server is made of, in the order it is opened."""

    def __init__(self, folder: Path, url: str, options: Options, faults: Faults) -> None:
        self.store = Store(folder / FILE_NAME)
        try:
            clock = Clock(self.store, options.now)
            plant(self.store, clock, options)
            self.network = Network(self.store, clock, options)
            tokens = Tokens(self.store, key_file(folder, url), options.token_lifetime)
            self.frame = _frame(self.network, tokens, faults)
        except BaseException:
            self.store.close()
            raise

    def application(self) -> web.Application:
        return self.frame.application()

    def listening(self) -> None: ...

    def close(self) -> None:
        self.frame.close()
        self.store.close()


def _frame(network: Network, tokens: Tokens, faults: Faults) -> Frame:
    """Google's types take a second to import: only a server that starts pays for them."""
    from seil.sandbox.admanager.rest import forecasts
    from seil.sandbox.admanager.rest.gateway import Rest
    from seil.sandbox.admanager.rest.operations import operations
    from seil.sandbox.admanager.rest.reports import Reports
    from seil.sandbox.admanager.soap.buyers import Buyers
    from seil.sandbox.admanager.soap.forecasts import Forecasts
    from seil.sandbox.admanager.soap.gateway import Soap
    from seil.sandbox.admanager.soap.negotiation import Negotiation
    from seil.sandbox.admanager.soap.proposals import Proposals

    line_items = LineItems(network)
    orders = Orders(network, line_items)
    carried_out = {
        **operations(network, orders, line_items),
        **forecasts.operations(network, line_items),
        **Reports(network).operations(),
    }
    rest = Rest(network, tokens, carried_out)
    proposals = Proposals(network, line_items)
    negotiation = Negotiation(network, proposals, orders, line_items)
    soap = Soap(
        network,
        tokens,
        proposals=proposals,
        negotiation=negotiation,
        forecasts=Forecasts(network, line_items),
    )
    buyers = Buyers(proposals, negotiation)
    handlers = {
        "/token": tokens.answer,
        "/v1/": rest.answer,
        "/apis/ads/publisher/": soap.answer,
        "/sandbox/": Control(network, faults, line_items, buyers).answer,
    }
    return Frame(handlers, network.store, faults)
