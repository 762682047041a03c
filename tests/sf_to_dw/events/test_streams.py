"""Streams that do not open, and their end."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from tests.limits import HANGS, until
from tests.sf_to_dw.events.conftest import TOPIC, StreamingSite

from seil.app.subscribe import pubsub
from seil.errors import QuotaExhaustedError, SeilError
from seil.salesforce.pubsub.client import Subscription
from seil.sf_to_dw.streams import Streams, StreamStart


@pytest.mark.parametrize("start", ["now", "now at first", "earliest"])
def test_attempts_of_a_refused_stream_slow_down_and_end_with_why(
    start: StreamStart, site: StreamingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []
    handle = Streams._handle

    def note(self: Streams, stream: object, error: SeilError, number: int) -> None:
        failures.append(number)
        handle(self, stream, error, number)  # type: ignore[arg-type]

    monkeypatch.setattr(Streams, "_handle", note)
    with site.serve(), site.open() as context:
        site.fault(path="/Subscribe/", stream="limit")
        streams = Streams(pubsub(context), context.org.renew_session, silence=HANGS, max_wait=0.01)
        streams.start(TOPIC, b"", start)
        deliveries = iter(streams.inbox.get, None)
        errors = [next(d.error for d in deliveries if d.error) for _ in range(3)]
        streams.close()
    assert {type(error) for error in errors} == {QuotaExhaustedError}
    assert failures[:3] == [1, 2, 3]


def test_stream_that_is_opening_ends_with_the_others(
    site: StreamingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = threading.Event()
    with site.serve(), site.open() as context:
        client = pubsub(context)
        streams = Streams(client, context.org.renew_session, silence=HANGS, max_wait=0.01)
        subscribe = client.subscribe

        def subscribe_late(*arguments: Any, **options: Any) -> Subscription:
            opening.set()
            until(streams._stop.is_set)
            return subscribe(*arguments, **options)

        monkeypatch.setattr(client, "subscribe", subscribe_late)
        streams.start(TOPIC, b"", "earliest")
        opening.wait(HANGS)
        streams.close()
    assert streams.inbox.empty()


def test_stream_that_the_service_ends_at_once_is_opened_again_after_a_pause() -> None:
    opened: list[float] = []

    class Ended:
        session = None

        def __iter__(self) -> Any:
            return iter(())

        def cancel(self) -> None: ...

    def subscribe(*_: object, **__: object) -> Ended:
        opened.append(time.monotonic())
        return Ended()

    client: Any = SimpleNamespace(subscribe=subscribe, close=lambda: None)
    streams = Streams(client, lambda _: None, silence=HANGS, max_wait=0.1)
    streams.start(TOPIC, b"", "earliest")
    until(lambda: len(opened) > 2)
    streams.close()
    assert opened[2] - opened[0] > 0.09
