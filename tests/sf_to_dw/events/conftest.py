"""A site whose accounts stream, on an org of a few records; a run takes half a second."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.limits import until
from tests.rest_writes import write
from tests.sandbox.salesforce.conftest import fill, tiny_objects
from tests.shared import build_once

from seil.app.site import Site
from seil.app.subscribe import subscriber
from seil.modeling.model import Models
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import load_settings
from seil.sf_to_dw.subscriber import BatchOutcome, EventSubscriber
from seil.state import State
from seil.state.streams import StreamPosition

CONFIG = """
[salesforce]
login_url = "{url}"
attempts = 2
max_wait = 0.01
[extract]
poll = 0.05
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
threads = 1
publish = false
[events]
journal = "journal.sqlite"
[subscribe]
endpoint = "http://{address}"
collect = 0.05
max_wait = 0.2
{subscribe}
"""
CATALOG = """
[defaults.flow]
lag = "0s"
compare_ids = "off"
[objects.Account.flow]
streams = true
"""
TOPIC = "/data/AccountChangeEvent"
ACME = "0015g0000000001AAA"


class _Site(Site):
    @cached_property
    def models(self) -> Models:
        return Models([], {})


@dataclass
class StreamingSite:
    """`server` is the org's, while it is served; its clock is so many seconds `ahead`."""

    folder: Path
    options: PubSubOptions = field(default_factory=lambda: PubSubOptions(keepalive=0.2))
    settings: str = ""
    ahead: int = 0
    server: OrgServer = field(init=False)

    @contextmanager
    def serve(self) -> Iterator[OrgServer]:
        options = OrgOptions(pubsub=self.options, clock=self._clock)
        with OrgServer(self.folder / "org", options=options) as server:
            self.server = server
            config = CONFIG.format(
                url=server.url, address=server.pubsub_address, subscribe=self.settings
            )
            (self.folder / "seil.toml").write_text(config)
            (self.folder / "objects.toml").write_text(CATALOG)
            yield server

    def _clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def open(self) -> Site:
        return _Site(load_settings(self.folder / "seil.toml"))

    def write(self, method: str, path: str, values: dict[str, Any] | None = None) -> Any:
        return write(self.server.url, method, path, values)

    def add_account(self, name: str) -> str:
        return str(self.write("POST", "Account", {"Name": name, "Active__c": True})["id"])

    def rename(self, account: str, name: str) -> None:
        self.write("PATCH", f"Account/{account}", {"Name": name})

    def purge(self, account: str) -> None:
        """Deletes for good, with an event, as an emptied recycle bin does not."""
        self.store_records().delete("Account", [account], hard=True)

    def undelete(self, account: str) -> None:
        with self.store.write() as cursor:
            cursor.execute(
                'UPDATE main."Account" SET "IsDeleted" = false, "SystemModstamp" = ?'
                ' WHERE "Id" = ?',
                [self.store_records()._now(), account],
            )
            self.store.touch("Account", [account])

    def store_records(self) -> Any:
        from seil.sandbox.salesforce.records import OrgRecords

        return OrgRecords(self.store, user_id="0055g0000000001AAA")

    @property
    def store(self) -> Any:
        assert self.server._parts is not None
        return self.server._parts.store

    def fault(self, **fault: Any) -> OrgFault:
        injected = OrgFault.model_validate(fault)
        self.server.faults.add(injected)
        return injected

    def run(self) -> Any:
        with self.open() as context:
            return context.pipeline.run(context.catalog.select(["Account"]))

    def positions(self) -> dict[str, StreamPosition]:
        with self.open() as context:
            return context.state.streams.all()

    def published(self, kind: str) -> list[str]:
        """Names in SEIL's own events of that kind."""
        with self.open() as context:
            events = [event for _, event in context.journal.read()]
        return [str(event.detail["name"]) for event in events if event.detail_type == kind]

    def records(self) -> dict[str, dict[str, Any]]:
        """Current ones of the warehouse, without columns of its own."""
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            rows = warehouse.query("SELECT * FROM salesforce.account").to_pylist()
        return {row["id"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in rows}


@dataclass
class Subscription:
    """A subscriber in a thread; `outcomes` are those of its batches."""

    subscriber: EventSubscriber
    outcomes: list[BatchOutcome] = field(default_factory=list)
    error: BaseException | None = None

    def wait(self, condition: Callable[[], bool]) -> None:
        until(lambda: self.error or condition())
        if self.error:
            raise self.error

    def wait_until_settled(self) -> None:
        self.wait(self.is_settled)

    def is_settled(self) -> bool:
        return is_settled(self.subscriber.state, len(self.subscriber.topics))

    def wait_for(self, site: StreamingSite, account: str, name: str | None) -> None:
        """Until the account has the name in the warehouse; None: until it is deleted."""
        before = 0

        def is_there() -> bool:
            nonlocal before
            if len(self.outcomes) == before:
                return False
            before = len(self.outcomes)
            record = site.records().get(account, {})
            return bool(record.get("isdeleted")) if name is None else record.get("name") == name

        self.wait(is_there)


def is_settled(state: State, topics: int) -> bool:
    """So many streams have a place: what happens from now on is received. No object has a gap."""
    positions = state.streams.all().values()
    return len(positions) == topics and all(p.replay_id and not p.gap for p in positions)


def lose_places(site: StreamingSite, *, set_back: timedelta = timedelta()) -> None:
    """Every place in a stream is one that Salesforce refuses; this machine's clock is set back."""
    with site.open() as context:
        places = context.state.streams
        places.store(
            replace(
                each,
                replay_id=b"\xff" * 8,
                placed_at=each.placed_at and each.placed_at + set_back,
            )
            for each in places.all().values()
        )


def forget_places(site: StreamingSite) -> None:
    """As before the first start of a subscriber."""
    with site.open() as context:
        places = context.state.streams
        places.store([StreamPosition(topic) for topic in places.all()])


@contextmanager
def subscribing(site: StreamingSite) -> Iterator[Subscription]:
    with site.open() as context:
        running = Subscription(subscriber(context))
        running.subscriber.report = running.outcomes.append
        thread = threading.Thread(target=_run, args=[running])
        thread.start()
        try:
            yield running
        finally:
            running.subscriber.stop.set()
            thread.join()
    if running.error:
        raise running.error


def _run(running: Subscription) -> None:
    try:
        running.subscriber.run()
    except BaseException as error:  # noqa: BLE001  (raised in the test's thread)
        running.error = error


def streaming_objects() -> list[SObject]:
    """Accounts have a stamp that is never null, so that their windows are bounded."""
    stamp = SField.of("SystemModstamp", "datetime", flags=["required", "read_only"])
    objects = tiny_objects()
    return [entry.with_field(stamp) if entry.name == "Account" else entry for entry in objects]


def make_streaming_org(folder: Path) -> None:
    with OrgStore.create(folder, streaming_objects()) as store:
        fill(store)


@pytest.fixture(scope="session")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that has read its accounts and knows its place in the stream."""

    def make(folder: Path) -> None:
        make_streaming_org(folder / "org")
        site = StreamingSite(folder)
        with site.serve(), subscribing(site) as running:
            running.wait_until_settled()

    return build_once(tmp_path_factory, "streaming", make)


@pytest.fixture
def site(streaming: Path, tmp_path: Path) -> StreamingSite:
    shutil.copytree(streaming, tmp_path, dirs_exist_ok=True)
    return StreamingSite(tmp_path)
