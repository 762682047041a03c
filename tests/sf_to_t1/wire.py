"""TechOne's warehouse behind a transport, in this process, that fails as it is told to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from seil.observe.progress import SILENT
from seil.sandbox.techone.messages import TechOneRequest
from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.soap import Endpoint
from seil.sandbox.techone.store import TechOneStore
from seil.sandbox.techone.warehouse import WarehouseService
from seil.sandbox.techone.wsdl import Wsdl
from seil.settings import SfToT1Settings, TechOneSettings
from seil.sf_to_t1.importing import Importer
from seil.sf_to_t1.sending import BatchSender
from seil.sf_to_t1.target import target_table
from seil.state.billing import BillingFile
from seil.state.database import Database, Transaction
from seil.state.store import State
from seil.techone.warehouse import TechOneWarehouse

FAILURES = ("ok", "lost", "half", "unsent", "malformed", "slow", "late", "unavailable")
_ROW = re.compile(rb"<Row>.*?</Row>", re.DOTALL)


def _first_half(body: bytes) -> bytes:
    rows = _ROW.findall(body)
    start = body.index(b"<Rows>") + len(b"<Rows>")
    end = body.index(b"</Rows>")
    return body[:start] + b"".join(rows[: len(rows) // 2]) + body[end:]


class Killed(BaseException):
    """The process died here."""


class Wire(httpx.BaseTransport):
    """`next_failure` is drawn for each import; `before_call` may raise Killed."""

    def __init__(self, folder: Path, *, keys: dict[str, str] | None = None) -> None:
        self.store = TechOneStore(folder / "techone.sqlite")
        service = WarehouseService(self.store, TechOneOptions(keys=keys or {}))
        self._endpoint = Endpoint(Wsdl(), service.operations())
        self.next_failure: Callable[[], str] = lambda: "ok"
        self.tick: Callable[[], None] = lambda: None
        self._late: list[tuple[httpx.Request, bytes]] = []
        self.imports = 0
        self.reads = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        self.tick()
        if b"Warehouse_DoRead" in body[:400]:
            self.reads += 1
            return self._answer(request, body)
        self.imports += 1
        failure = self.next_failure()
        if failure == "unsent":
            raise httpx.ConnectError("refused", request=request)
        if failure == "late":
            self._late.append((request, body))
            raise httpx.ReadTimeout("slow", request=request)
        if failure == "half":
            body = _first_half(body)
        response = self._answer(request, body)
        self.tick()
        if failure in ("lost", "half"):
            raise httpx.ReadError("reset", request=request)
        if failure == "slow":
            raise httpx.ReadTimeout("slow", request=request)
        texts = {"malformed": (200, b"<html><p>"), "unavailable": (503, b"")}
        status, text = texts.get(failure, (response.status_code, response.content))
        return httpx.Response(status, content=text, headers=response.headers)

    def sleep(self, _seconds: float) -> None:
        """Meanwhile TechOne carries out what it was slow to do."""
        while self._late:
            self._answer(*self._late.pop())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        headers = {name.title(): value for name, value in request.headers.items()}
        headers["SOAPAction"] = request.headers["SOAPAction"]
        reply = self._endpoint.answer(TechOneRequest("POST", "/x", headers=headers, body=body))
        return httpx.Response(
            reply.status, content=reply.body, headers={"Content-Type": reply.content_type}
        )

    def rows(self, place: str, columns: int) -> Counter[tuple[str, ...]]:
        """Of the first columns, which are the file's."""
        stored = self.store.rows(place)
        return Counter(tuple(row.values())[:columns] for _, row in stored)


class MortalDatabase:
    """The state's database, of which a commit can be the last thing that a process did."""

    def __init__(self, database: Database, tick: Callable[[], None]) -> None:
        self._database = database
        self._tick = tick

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        self._tick()
        with self._database.transaction(durable=durable) as transaction:
            yield transaction
        self._tick()


def run_once(
    state: State,
    wire: Wire,
    settings: SfToT1Settings,
    contents: dict[str, bytes],
    *,
    tick: Callable[[], None] = lambda: None,
) -> list[BillingFile]:
    """A process's life: recovers, then imports what is open."""
    store = State(MortalDatabase(state.database, tick)).billing
    table = target_table(settings)
    techone = TechOneSettings(attempts=1)

    @contextmanager
    def open_content(file_id: str) -> Iterator[Iterator[bytes]]:
        yield iter([contents[file_id]])

    with TechOneWarehouse(techone, transport=wire, sleep=lambda _: None) as warehouse:
        sender = BatchSender(store, warehouse, settings, "run", sleep=wire.sleep)
        importer = Importer(sender, open_content)
        importer.recover(table)
        results = []
        for file in store.files(state="open"):
            with SILENT.step("import") as step:
                results.append(importer.import_file(table, file, step))
    return results
