"""Delivers the journal's events to subscribers, at least once and in order.

A subscriber's cursor is stored after its handler returns: a kill in between delivers the event
again, so handlers must be idempotent. An event whose handler keeps failing becomes a dead letter
with the reason, and delivery continues with the next one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from seil.errors import AbortError, RejectError
from seil.events.dispatch_pattern import Pattern
from seil.events.dispatch_state import (
    DeadLetter,
    DispatchCursor,
    SubscriberState,
    dead_letters,
    redeliver,
    subscriber_states,
)
from seil.events.envelope import Event
from seil.events.journal import Journal

__all__ = [
    "DeadLetter",
    "DeliveryCount",
    "Dispatcher",
    "Pattern",
    "Subscriber",
    "SubscriberState",
    "dead_letters",
    "redeliver",
    "subscriber_states",
]

logger = logging.getLogger(__name__)
_PAGE = 200
_BATCH = 5000


@dataclass(frozen=True)
class Subscriber:
    """`name` is the key of its cursor.

    On RejectError the event is a dead letter at once; AbortError stops the dispatcher and leaves
    the event pending; any other exception is retried, up to `attempts` attempts in all. With
    `replay`, a new subscriber also gets the events already in the journal.

    `handle_all` gets the pending events as one batch. A batch that fails or repeatedly kills the
    process is passed to `handle` event by event.
    """

    name: str
    pattern: Pattern
    handle: Callable[[Event], None]
    attempts: int = 3
    wait: timedelta = timedelta(seconds=1)
    replay: bool = False
    handle_all: Callable[[Sequence[Event]], None] | None = None


@dataclass(frozen=True)
class DeliveryCount:
    handled: int = 0
    dead: int = 0

    def __add__(self, other: DeliveryCount) -> DeliveryCount:
        return DeliveryCount(self.handled + other.handled, self.dead + other.dead)


class Dispatcher:
    """One per process; run it in its own thread or between other work."""

    def __init__(
        self,
        journal: Journal,
        subscribers: Sequence[Subscriber],
        *,
        stop: threading.Event | None = None,
    ) -> None:
        self._journal = journal
        self._stop = stop or threading.Event()
        self._subscriptions = [
            (s, DispatchCursor(journal, s.name, replay=s.replay)) for s in subscribers
        ]

    def drain(self) -> DeliveryCount:
        """Delivers all pending events, including those that handlers publish, then returns."""
        total = DeliveryCount()
        while not self._stop.is_set():
            last = self._journal.last()
            for subscriber, cursor in self._subscriptions:
                total += self._redeliver(subscriber, cursor)
                total += self._deliver_until(last, subscriber, cursor)
            if self._journal.last() == last:
                break
        return total

    def run(self, *, poll: float = 0.25) -> DeliveryCount:
        """Delivers until `stop` is set; a running handler finishes first."""
        total = DeliveryCount()
        while not self._stop.is_set():
            total += self.drain()
            self._stop.wait(poll)
        return total

    def _deliver_until(
        self, last: int, subscriber: Subscriber, cursor: DispatchCursor
    ) -> DeliveryCount:
        total = DeliveryCount()
        position = cursor.position()
        size = _BATCH if subscriber.handle_all else _PAGE
        while position < last:
            page = list(self._journal.read(position, limit=size))
            matches = [(seq, event) for seq, event in page if subscriber.pattern.matches(event)]
            count, is_stopped = self._deliver_page(subscriber, cursor, matches)
            total += count
            if is_stopped:
                break
            position = page[-1][0] if page else last
            cursor.advance(position)
        return total

    def _deliver_page(
        self, subscriber: Subscriber, cursor: DispatchCursor, page: Sequence[tuple[int, Event]]
    ) -> tuple[DeliveryCount, bool]:
        """Returns the count, and whether `stop` was set before the end of the page."""
        attempt = None
        if subscriber.handle_all and len(page) > 1 and not self._stop.is_set():
            attempt = cursor.count_attempt(page[0][0])
            if attempt < subscriber.attempts and self._deliver_batch(subscriber, cursor, page):
                return DeliveryCount(handled=len(page)), False
        total = DeliveryCount()
        for seq, event in page:
            count = self._deliver(subscriber, cursor, seq, event, attempt=attempt)
            if count is None:
                return total, True
            attempt = None
            total += count
        return total, False

    def _deliver_batch(
        self, subscriber: Subscriber, cursor: DispatchCursor, page: Sequence[tuple[int, Event]]
    ) -> bool:
        if not subscriber.handle_all:
            return False
        try:
            subscriber.handle_all([event for _, event in page])
        except AbortError:
            cursor.cancel_attempt()
            raise
        except Exception:
            text = "%s failed on a batch of %d events, which are delivered one by one"
            logger.exception(text, subscriber.name, len(page))
            return False
        except BaseException:
            cursor.cancel_attempt()
            raise
        cursor.advance(page[-1][0])
        return True

    def _redeliver(self, subscriber: Subscriber, cursor: DispatchCursor) -> DeliveryCount:
        total = DeliveryCount()
        for letter in cursor.redeliveries():
            count = self._deliver(subscriber, cursor, letter.seq, letter.event)
            if count is None:
                break
            if count.handled:
                cursor.delete_dead_letter(letter.seq)
            total += count
        return total

    def _deliver(
        self,
        subscriber: Subscriber,
        cursor: DispatchCursor,
        seq: int,
        event: Event,
        *,
        attempt: int | None = None,
    ) -> DeliveryCount | None:
        """None if `stop` was set first: the event is still pending.

        `attempt` is the number of this attempt, if it is counted already.
        """
        while not self._stop.is_set():
            attempt = attempt or cursor.count_attempt(seq)
            if attempt > subscriber.attempts:
                cursor.dead_letter(seq, "the process died on every attempt", attempt - 1)
                return DeliveryCount(dead=1)
            try:
                subscriber.handle(event)
            except AbortError:
                cursor.cancel_attempt()
                raise
            except Exception as error:
                logger.exception(
                    "%s failed on event %s, attempt %d of %d",
                    subscriber.name,
                    event.id,
                    attempt,
                    subscriber.attempts,
                )
                if isinstance(error, RejectError) or attempt >= subscriber.attempts:
                    cursor.dead_letter(seq, f"{type(error).__name__}: {error}", attempt)
                    return DeliveryCount(dead=1)
                self._stop.wait(subscriber.wait.total_seconds() * 2 ** (attempt - 1))
                attempt = None
            except BaseException:
                # Ctrl-C, SIGTERM: does not count as an attempt.
                cursor.cancel_attempt()
                raise
            else:
                cursor.advance(seq)
                return DeliveryCount(handled=1)
        return None
