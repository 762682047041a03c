"""A stand-in Ad Manager that listens, in a thread of its own or as a process."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from aiohttp import web

from seil.errors import ConfigurationError, Problem
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

_log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server:
    """The network of a folder over HTTP; port 0 takes any that is free.

    The first start makes a new network and its service account's key; a later server on the same
    folder goes on where this one stopped. `start` returns when it listens; or use it in a `with`
    block. Raises ConfigurationError where the folder cannot be used or the port is taken.
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
        self.folder = folder
        self.host = host
        self.port = port
        self.options = options or Options()
        self.faults = Faults(faults)
        self.network_code = self.options.network_code
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._parts: _Parts | None = None

    @property
    def url(self) -> str:
        """What `endpoint` and `soap_endpoint` are set to."""
        return f"http://{self.host}:{self.port}"

    @property
    def service_account_key(self) -> Path:
        """Google's JSON key file; written anew where the address changes."""
        return self.folder / KEY_NAME

    def start(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("The server is already running")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sandbox-admanager", daemon=True
        )
        self._thread.start()
        try:
            listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
            self._runner = listening.result()
        except BaseException:
            self._close()
            raise
        _log.info("The stand-in Ad Manager in %s listens at %s", self.folder, self.url)
        return self

    def stop(self) -> None:
        if self._thread is None or self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(_shut_down(self._runner), self._loop).result()
        self._close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def _listen(self) -> web.AppRunner:
        """The port is taken before anything is made, since the key file names it."""
        bound = _bound(self.host, self.port)
        try:
            self.port = int(bound.getsockname()[1])
            self._parts = _Parts(self.folder, self.url, self.options, self.faults)
            self.network_code = self._parts.network.code
            runner = web.AppRunner(
                self._parts.frame.application(),
                access_log=None,
                handle_signals=False,
                shutdown_timeout=_SHUTDOWN_SECONDS,
            )
            await runner.setup()
            await web.SockSite(runner, bound).start()
        except BaseException:
            bound.close()
            raise
        return runner

    def _close(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        if self._parts is not None:
            self._parts.close()
        self._loop = self._thread = self._parts = None


async def _shut_down(runner: web.AppRunner) -> None:
    """Ends when the last request has: its thread cannot be stopped, and may be writing."""
    await runner.cleanup()
    this = asyncio.current_task()
    if under_way := [task for task in asyncio.all_tasks() if task is not this]:
        await asyncio.wait(under_way)


def serve(server: Server, started: Callable[[], None]) -> None:
    """Runs until SIGINT or SIGTERM; `started` is called when it listens. For the main thread."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in _STOP_SIGNALS}
    try:
        with server:
            started()
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bound(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError where nobody can listen."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "the port is already in use"
        cure = "stop what listens there, or name another --port"
        raise ConfigurationError([Problem(f"{host}:{port}", reason, cure)]) from error
    return bound


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
