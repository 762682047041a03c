"""A stand-in TechOne that listens, in a thread of its own or as a process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from typing_extensions import override

from seil.sandbox.fault_table import FaultTable
from seil.sandbox.listening import StandIn
from seil.sandbox.techone.control import Control
from seil.sandbox.techone.faults import Fault
from seil.sandbox.techone.frame import CONTROL, Frame
from seil.sandbox.techone.messages import Call, Handler, RefusedError
from seil.sandbox.techone.options import Options
from seil.sandbox.techone.rest import Rest
from seil.sandbox.techone.store import FILE_NAME, Store
from seil.sandbox.techone.tokens import PATH, Tokens

if TYPE_CHECKING:
    from seil.sandbox.techone.soap import Endpoint

WAREHOUSE_PATH = "/Warehouse.asmx"


class Server(StandIn["_Parts"]):
    """The TechOne of a folder over HTTP; port 0 takes any that is free.

    The first start seeds its debtors; a later server on the same folder goes on where this one
    stopped. `url` is what `base_url` is set to. Raises ConfigurationError where the folder or the
    WSDL cannot be used, or the port is taken.
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
        super().__init__("sandbox-techone", folder, host, port)
        self.options = options or Options()
        self.faults = FaultTable(faults)

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


class _Parts:
    """What one running server is made of, in the order it is opened."""

    def __init__(self, folder: Path, options: Options, faults: FaultTable[Fault]) -> None:
        self.store = Store(folder / FILE_NAME)
        try:
            _seed(self.store, options)
            self._tokens = Tokens(self.store, options)
            self.frame = Frame(self._found, faults, end_tokens=self.store.forget_tokens)
            self._warehouse = _warehouse(self.store, options)
            rest = Rest(self.store, options)
            self._rest = {
                options.rate_path: ("GET", rest.rate),
                options.credit_path: ("POST", rest.credit),
            }
            self._control = Control(self.store, faults, self.frame.requests)
        except BaseException:
            self.store.close()
            raise

    def application(self) -> web.Application:
        return self.frame.application()

    def listening(self) -> None: ...

    def close(self) -> None:
        self.frame.close()
        self.store.close()

    def _found(self, call: Call) -> Handler:
        if call.path.startswith(CONTROL):
            return self._control.answer
        if call.path == PATH:
            return _only("POST", call, self._tokens.answer)
        if call.path.lower() == WAREHOUSE_PATH.lower():
            return self._warehouse.answer
        found = self._rest.get(call.path)
        if found is None:
            resource = f"{call.base_url}{call.path}"
            text = f"No HTTP resource was found that matches the request URI '{resource}'."
            raise RefusedError(404, text)
        self._tokens.require(call)
        method, handler = found
        return _only(method, call, handler)


def _warehouse(store: Store, options: Options) -> Endpoint:
    """Only a server that starts pays for lxml."""
    from seil.sandbox.techone.soap import Endpoint
    from seil.sandbox.techone.warehouse import Warehouse
    from seil.sandbox.techone.wsdl import Wsdl

    return Endpoint(Wsdl(options.wsdl), Warehouse(store, options).operations())


def _seed(store: Store, options: Options) -> None:
    if store.new:
        with store.transaction():
            for debtor, credit in options.debtors.items():
                store.set_credit(debtor, credit)


def _only(method: str, call: Call, handler: Handler) -> Handler:
    if call.method != method:
        text = f"The requested resource does not support http method '{call.method}'."
        raise RefusedError(405, text, headers={"Allow": method})
    return handler
