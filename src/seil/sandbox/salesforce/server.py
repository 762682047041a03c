"""A stand-in org that listens: everything put together, in a thread of its own or as a process."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from aiohttp import web

from seil.errors import ConfigurationError, Problem
from seil.sandbox.salesforce.auth import Logins
from seil.sandbox.salesforce.composite import Batch
from seil.sandbox.salesforce.control import Control
from seil.sandbox.salesforce.describe import Describe
from seil.sandbox.salesforce.extras import Files, UsageSummaries
from seil.sandbox.salesforce.fault_routes import FaultTable
from seil.sandbox.salesforce.faults import Fault, Faults
from seil.sandbox.salesforce.frame import Frame
from seil.sandbox.salesforce.ingest_jobs import IngestJobs
from seil.sandbox.salesforce.jobs import Workers
from seil.sandbox.salesforce.keys import certificate, key_pair
from seil.sandbox.salesforce.messages import Router
from seil.sandbox.salesforce.options import Options
from seil.sandbox.salesforce.query import Queries
from seil.sandbox.salesforce.query_jobs import QueryJobs
from seil.sandbox.salesforce.record_ids import record_id
from seil.sandbox.salesforce.record_routes import RecordRoutes
from seil.sandbox.salesforce.records import Records
from seil.sandbox.salesforce.state import State
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.usage import Usage

_log = logging.getLogger(__name__)

_LONGEST_LINE = 1 << 20
_SHUTDOWN_SECONDS = 2.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_USER = record_id("005", 1)
_ORG = record_id("00D", 1)


class Server:
    """The org of a folder over HTTP; port 0 takes any that is free.

    `start` returns when it listens, `stop` when all is safely on disk; or use it in a `with`
    block. A later server on the same folder goes on where this one stopped, jobs included.
    Raises ConfigurationError where the folder holds no org or the port is taken.
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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._parts: _Parts | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self.options.tls else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def jwt_key(self) -> Path:
        """The private key that JWT logins can be tried with."""
        return self.folder / "jwt.key"

    def start(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("The server is already running")
        self._parts = _Parts(self.folder, self.options, self.faults)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sandbox-salesforce", daemon=True
        )
        self._thread.start()
        try:
            runner = asyncio.run_coroutine_threadsafe(self._listen(self._parts), self._loop)
            self._runner = runner.result()
        except BaseException:
            self._close()
            raise
        self._parts.resume()
        _log.info("The stand-in org in %s listens at %s", self.folder, self.url)
        return self

    def stop(self) -> None:
        """Jobs under way are left for the next start."""
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

    async def _listen(self, parts: _Parts) -> web.AppRunner:
        runner = web.AppRunner(
            parts.frame.application(),
            access_log=None,
            handle_signals=False,
            # What is too long for the real service is answered by our own frame, as it does.
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls())
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise _deaf(self.host, self.port, error) from error
        self.port = int(runner.addresses[0][1])
        return runner

    def _tls(self) -> ssl.SSLContext | None:
        if not self.options.tls:
            return None
        chain, key = certificate(self.folder, self.host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context

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


def check_address(host: str, port: int) -> None:
    """Raises ConfigurationError where nobody can listen, before anything is made or opened."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _deaf(host, port, error) from error


def _deaf(host: str, port: int, error: OSError) -> ConfigurationError:
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        reason = "the port is already in use"
    return ConfigurationError(
        [Problem(f"{host}:{port}", reason, "stop what listens there, or name another --port")]
    )


class _Parts:
    """What one running server is made of, in the order it is opened."""

    def __init__(self, folder: Path, options: Options, faults: Faults) -> None:
        self.store = OrgStore.open(folder)
        try:
            self.state = State(folder / "service.sqlite")
        except BaseException:
            self.store.close()
            raise
        public_key = options.public_key or key_pair(folder)
        self.logins = Logins(self.state, options, public_key=public_key, org_id=_ORG, user_id=_USER)
        self.usage = Usage(self.state, options)
        self.workers = Workers()
        records = Records(self.store, user_id=_USER)
        self.queries = Queries(self.store, self.state, options, folder / "queries")
        describe = Describe(self.store)
        batch = Batch()
        self.query_jobs = QueryJobs(
            self.store,
            self.state,
            self.usage,
            self.workers,
            options=options,
            folder=folder / "jobs",
            user_id=_USER,
        )
        self.ingest_jobs = IngestJobs(
            self.store,
            self.state,
            self.usage,
            self.workers,
            options=options,
            folder=folder / "jobs",
            user_id=_USER,
            records=records,
        )
        resources = (
            self.logins,
            FaultTable(faults),
            Control(self.store, self.usage, describe),
            UsageSummaries(),
            Files(self.store, records, folder / "files"),
            describe,
            self.usage,
            self.queries,
            batch,
            self.query_jobs,
            self.ingest_jobs,
            RecordRoutes(self.store, records, self.queries),
        )
        router = Router(route for resource in resources for route in resource.routes())
        batch.use(router)
        self.frame = Frame(
            router, self.logins, self.usage, faults, expire_jobs=self.query_jobs.forget_all
        )

    def resume(self) -> None:
        self.queries.expire()
        self.query_jobs.resume()
        self.ingest_jobs.resume()

    def close(self) -> None:
        self.workers.stop()
        self.frame.close()
        self.state.close()
        self.store.close()
