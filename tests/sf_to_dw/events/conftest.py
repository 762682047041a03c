"""Sites whose accounts stream."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.shared import build_once
from tests.sites import Site

from seil.app.subscribe import subscriber
from seil.sf_to_dw.subscriber import BatchOutcome, EventSubscriber
from seil.state.streams import StreamPosition

STREAM = """
[objects.Account.flow]
streams = true
[objects.Contact.flow]
streams = true
"""
_LONGEST = 60.0


@pytest.fixture(scope="session")
def loaded(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Accounts and contacts, read once; no table is built."""

    def make(folder: Path) -> None:
        shutil.copytree(generated, folder / "org")
        site = Site(folder, ("Account", "Contact"), ("sales_order_contacts",))
        with site.serve():
            assert site.run().ok

    return build_once(tmp_path_factory, "streaming", make)


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Site:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path, ("Account", "Contact"), ("sales_order_contacts",))


@dataclass
class Subscribing:
    """A subscriber in a thread; `outcomes` are those of its batches."""

    subscriber: EventSubscriber
    outcomes: list[BatchOutcome] = field(default_factory=list)
    error: BaseException | None = None

    def wait(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + _LONGEST
        while not condition():
            if self.error:
                raise self.error
            assert time.monotonic() < ends, "the subscriber did not get there"
            time.sleep(0.02)

    def wait_for_streams(self) -> None:
        """Every topic has its place, and no object a gap."""
        state = self.subscriber.state.streams
        self.wait(lambda: _is_settled(self.subscriber, state.all()))


def _is_settled(subscriber: EventSubscriber, positions: dict[str, StreamPosition]) -> bool:
    return len(positions) == len(subscriber.objects) and not any(
        position.gap for position in positions.values()
    )


@contextmanager
def subscribing(site: Site) -> Iterator[Subscribing]:
    with site.open() as context:
        running = Subscribing(subscriber(context))
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


def _run(running: Subscribing) -> None:
    try:
        running.subscriber.run()
    except BaseException as error:  # noqa: BLE001  (raised in the test's thread)
        running.error = error
