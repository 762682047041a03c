"""Open streams, each read by a thread of its own and opened again wherever it ends."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seil.errors import RetryError, SeilError
from seil.salesforce.pubsub.faults import ReplayLostError, StreamLoginError

if TYPE_CHECKING:
    from seil.salesforce.pubsub.client import Fetched, PubSub, Subscription
    from seil.salesforce.pubsub.events import StreamEvent
    from seil.salesforce.session import Session

log = logging.getLogger(__name__)

_FIRST_WAIT = 0.5
# While so many deliveries wait, no stream asks for more.
_MOST_WAITING = 50


# Where a stream without a place begins: each time with what happens from now on; only the first
# time, and later with the earliest event that is kept; or with that at once.
StreamStart = Literal["now", "now at first", "earliest"]


@dataclass(frozen=True)
class StreamDelivery:
    """`events` may be none: then `replay_id` moves the stream's place on.

    `is_open`: the stream begins with what happens from now on, unless an error follows, which is
    why it does not open.
    """

    topic: str
    events: tuple[StreamEvent, ...] = ()
    replay_id: bytes = b""
    is_open: bool = False
    error: SeilError | None = None


class Streams:
    """The streams of several topics; what they bring is in `inbox`.

    `renew` replaces a session that was refused. `silence` and `max_wait` are in seconds.
    """

    def __init__(
        self,
        client: PubSub,
        renew: Callable[[Session], object],
        *,
        silence: float,
        max_wait: float,
    ) -> None:
        self.inbox: queue.Queue[StreamDelivery] = queue.Queue()
        self._client = client
        self._renew = renew
        self._silence = silence
        self._max_wait = max_wait
        self._streams: list[_Stream] = []
        self._stop = threading.Event()

    @property
    def topics(self) -> list[str]:
        return [stream.topic for stream in self._streams]

    def start(self, topic: str, after: bytes, start: StreamStart) -> None:
        """Events after that replay id; empty: as `start` says."""
        stream = _Stream(self._client, topic, after, start, stop=self._stop)
        self._streams.append(stream)
        stream.thread = threading.Thread(
            target=self._keep_open, args=[stream], name=f"stream {topic}", daemon=True
        )
        stream.thread.start()

    def close(self) -> None:
        self._stop.set()
        for stream in self._streams:
            stream.cancel()
        for stream in self._streams:
            if stream.thread:
                stream.thread.join()
        self._client.close()

    def resume(self) -> None:
        """Asks for more events where the inbox was full."""
        if self.inbox.qsize() < _MOST_WAITING:
            for stream in self._streams:
                stream.request()

    def end_silent(self) -> None:
        """Ends streams without a sign of life, which opens them again."""
        for stream in self._streams:
            if stream.silent_seconds > self._silence:
                log.warning("%s: silent for %.0f s; opened again", stream.topic, self._silence)
                stream.cancel()

    def _keep_open(self, stream: _Stream) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                for delivery in stream.read():
                    if not delivery.is_open:
                        failures = 0
                    self.inbox.put(delivery)
                    self.resume()
            except SeilError as error:
                if not self._stop.is_set():
                    failures += 1
                    self._handle(stream, error, failures)
            else:
                failures = 0
                self._pause(1)

    def _handle(self, stream: _Stream, error: SeilError, failures: int) -> None:
        log.log(
            logging.INFO if failures == 1 and isinstance(error, RetryError) else logging.WARNING,
            "%s: %s",
            stream.topic,
            error.message,
        )
        if isinstance(error, ReplayLostError):
            stream.after = b""
        if not isinstance(error, RetryError) or failures > 1:
            self.inbox.put(StreamDelivery(stream.topic, error=error))
        if isinstance(error, StreamLoginError) and stream.session:
            try:
                self._renew(stream.session)
            except SeilError as refusal:
                self.inbox.put(StreamDelivery(stream.topic, error=refusal))
        self._pause(failures)

    def _pause(self, failures: int) -> None:
        longest = min(_FIRST_WAIT * 2 ** min(failures - 1, 20), self._max_wait)
        self._stop.wait(longest * random.uniform(0.5, 1))


class _Stream:
    """Read by its own thread; `request` and `cancel` are called by others, too. Ends as it opens
    where `stop` is set.
    """

    def __init__(
        self,
        client: PubSub,
        topic: str,
        after: bytes,
        start: StreamStart,
        *,
        stop: threading.Event,
    ) -> None:
        self.topic = topic
        self.after = after
        self._start = start
        self.session: Session | None = None
        self.thread: threading.Thread | None = None
        self._client = client
        self._stop = stop
        self._subscription: Subscription | None = None
        self._heard_at = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """0 while it is not open."""
        return time.monotonic() - self._heard_at if self._subscription else 0.0

    def request(self) -> None:
        if subscription := self._subscription:
            subscription.request()

    def cancel(self) -> None:
        if subscription := self._subscription:
            subscription.cancel()

    def read(self) -> Iterator[StreamDelivery]:
        """Until the stream ends. Raises SeilError."""
        self._heard_at = time.monotonic()
        is_anew = not self.after and self._start != "earliest"
        self._subscription = subscription = self._client.subscribe(
            self.topic, self.after or None, earliest=not is_anew
        )
        self.session = subscription.session
        try:
            if self._stop.is_set():
                # Who has set it may have found nothing to cancel yet.
                return
            if self._start == "now at first":
                self._start = "earliest"
            if is_anew:
                subscription.wait_until_open()
                yield StreamDelivery(self.topic, is_open=True)
            for fetched in subscription:
                self._heard_at = time.monotonic()
                yield self._delivery(fetched)
        finally:
            self._subscription = None
            subscription.cancel()

    def _delivery(self, fetched: Fetched) -> StreamDelivery:
        events = fetched.events
        self.after = events[-1].replay_id if events else fetched.replay_id or self.after
        return StreamDelivery(self.topic, events, self.after)
