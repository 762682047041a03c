"""The stand-in TechOne, put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from seil.sandbox.base.faults import FaultTable
from seil.sandbox.base.listening import FrameParts, StandIn
from seil.sandbox.techone.control import TechOneControl
from seil.sandbox.techone.faults import TechOneFault
from seil.sandbox.techone.frame import CONTROL, TechOneFrame
from seil.sandbox.techone.messages import TechOneApiError, TechOneHandler, TechOneRequest
from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.rest import TechOneRest
from seil.sandbox.techone.store import FILE_NAME, TechOneStore
from seil.sandbox.techone.tokens import PATH, TechOneTokens

if TYPE_CHECKING:
    from seil.sandbox.techone.soap import Endpoint

WAREHOUSE_PATH = "/Warehouse.asmx"


class TechOneServer(StandIn["_Parts", TechOneOptions, TechOneFault]):
    """The TechOne of a folder over HTTP.

    The first start seeds its debtors. `url` is what `base_url` is set to. Raises ConfigurationError
    also if the WSDL cannot be used.
    """

    name = "sandbox-techone"

    @classmethod
    @override
    def default_options(cls) -> TechOneOptions:
        return TechOneOptions()

    @property
    def token_url(self) -> str:
        return f"{self.url}{PATH}"

    @property
    def warehouse_url(self) -> str:
        """Where the SOAP service is; its WSDL is at ?wsdl."""
        return f"{self.url}{WAREHOUSE_PATH}"

    @override
    def _open(self) -> _Parts:
        return _Parts(self.folder, self.options, self.faults)


class _Parts(FrameParts):
    """The parts of a running server, in the order of opening."""

    store: TechOneStore

    def __init__(
        self, folder: Path, options: TechOneOptions, faults: FaultTable[TechOneFault]
    ) -> None:
        self.store = TechOneStore(folder / FILE_NAME)
        try:
            _seed(self.store, options)
            self._tokens = TechOneTokens(self.store, options)
            self.frame = TechOneFrame(self._find, faults, end_tokens=self.store.forget_tokens)
            self._warehouse = _warehouse(self.store, options)
            rest = TechOneRest(self.store, options)
            self._rest = {
                options.rate_path: ("GET", rest.rate),
                options.credit_path: ("POST", rest.credit),
            }
            self._control = TechOneControl(self.store, faults, self.frame.requests)
        except BaseException:
            self.store.close()
            raise

    def _find(self, request: TechOneRequest) -> TechOneHandler:
        if request.path.startswith(CONTROL):
            return self._control.answer
        if request.path == PATH:
            return _only("POST", request, self._tokens.answer)
        if request.path.lower() == WAREHOUSE_PATH.lower():
            return self._warehouse.answer
        entry = self._rest.get(request.path)
        if entry is None:
            resource = f"{request.base_url}{request.path}"
            text = f"No HTTP resource was found that matches the request URI '{resource}'."
            raise TechOneApiError(404, text)
        self._tokens.require(request)
        method, handler = entry
        return _only(method, request, handler)


def _warehouse(store: TechOneStore, options: TechOneOptions) -> Endpoint:
    """Imports lxml, only when a server starts."""
    from seil.sandbox.techone.soap import Endpoint
    from seil.sandbox.techone.warehouse import WarehouseService
    from seil.sandbox.techone.wsdl import Wsdl

    return Endpoint(Wsdl(options.wsdl), WarehouseService(store, options).operations())


def _seed(store: TechOneStore, options: TechOneOptions) -> None:
    if store.is_new:
        with store.transaction():
            for debtor, credit in options.debtors.items():
                store.set_credit(debtor, credit)


def _only(method: str, request: TechOneRequest, handler: TechOneHandler) -> TechOneHandler:
    if request.method != method:
        text = f"The requested resource does not support http method '{request.method}'."
        raise TechOneApiError(405, text, headers={"Allow": method})
    return handler
