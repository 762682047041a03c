"""Delivery of the journal's events to subscribers, each at least once and in order.

A subscriber's cursor is stored after its handler returns: whoever is killed in between gets the
event again, so handlers must be safe to repeat. An event that cannot be handled is kept as a dead
letter with its reason, and what comes behind it goes on.
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
_PAGE_TOGETHER = 5000


@dataclass(frozen=True)
class Subscriber:
    """`name` is what its cursor is kept under.

    What `handle` raises decides: RejectError is a dead letter at once, AbortError stops the
    dispatcher and leaves the event where it is, anything else is tried `attempts` times in all.
    With `replay`, a new subscriber also gets what the journal already holds.

    With `handle_all`, what is pending together is handed over together. What it cannot handle, or
    what kills it again and again, is then given to `handle` one by one.
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
    """One a process; run it in a thread of its own or between other work."""

    def __init__(
        self,
        journal: Journal,
        subscribers: Sequence[Subscriber],
        *,
        stop: threading.Event | None = None,
    ) -> None:
        self._journal = journal
        self._stop = stop or threading.Event()
        self._lines = [(s, DispatchCursor(journal, s.name, replay=s.replay)) for s in subscribers]

    def drain(self) -> DeliveryCount:
        """Delivers what is there, also what handlers publish meanwhile, then returns."""
        total = DeliveryCount()
        while not self._stop.is_set():
            behind = self._journal.last()
            for subscriber, cursor in self._lines:
                total += self._again(subscriber, cursor) + self._up_to(behind, subscriber, cursor)
            if self._journal.last() == behind:
                break
        return total

    def run(self, *, poll: float = 0.25) -> DeliveryCount:
        """Delivers until `stop` is set; an event under way is finished first."""
        total = DeliveryCount()
        while not self._stop.is_set():
            total += self.drain()
            self._stop.wait(poll)
        return total

    def _up_to(self, last: int, subscriber: Subscriber, cursor: DispatchCursor) -> DeliveryCount:
        total = DeliveryCount()
        position = cursor.position()
        size = _PAGE_TOGETHER if subscriber.handle_all else _PAGE
        while position < last:
            page = list(self._journal.read(position, limit=size))
            wanted = [(seq, event) for seq, event in page if subscriber.pattern.matches(event)]
            settled, is_stopped = self._deliver_page(subscriber, cursor, wanted)
            total += settled
            if is_stopped:
                break
            position = page[-1][0] if page else last
            cursor.advance(position)
        return total

    def _deliver_page(
        self, subscriber: Subscriber, cursor: DispatchCursor, page: Sequence[tuple[int, Event]]
    ) -> tuple[DeliveryCount, bool]:
        """Also whether `stop` came before its end."""
        attempt = None
        if subscriber.handle_all and len(page) > 1 and not self._stop.is_set():
            attempt = cursor.attempt(page[0][0])
            if attempt < subscriber.attempts and self._deliver_together(subscriber, cursor, page):
                return DeliveryCount(handled=len(page)), False
        total = DeliveryCount()
        for seq, event in page:
            settled = self._deliver(subscriber, cursor, seq, event, attempt=attempt)
            if settled is None:
                return total, True
            attempt = None
            total += settled
        return total, False

    def _deliver_together(
        self, subscriber: Subscriber, cursor: DispatchCursor, page: Sequence[tuple[int, Event]]
    ) -> bool:
        if not subscriber.handle_all:
            return False
        try:
            subscriber.handle_all([event for _, event in page])
        except AbortError:
            cursor.release()
            raise
        except Exception:
            words = "%s cannot handle %d events together, and takes them one by one"
            logger.exception(words, subscriber.name, len(page))
            return False
        except BaseException:
            cursor.release()
            raise
        cursor.advance(page[-1][0])
        return True

    def _again(self, subscriber: Subscriber, cursor: DispatchCursor) -> DeliveryCount:
        total = DeliveryCount()
        for letter in cursor.waiting():
            settled = self._deliver(subscriber, cursor, letter.seq, letter.event)
            if settled is None:
                break
            if settled.handled:
                cursor.forgive(letter.seq)
            total += settled
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
        """None when `stop` came first: the event is still to be delivered.

        `attempt` is the number of this one where it is counted already.
        """
        while not self._stop.is_set():
            attempt = attempt or cursor.attempt(seq)
            if attempt > subscriber.attempts:
                cursor.bury(seq, "the process died each time it was handled", attempt - 1)
                return DeliveryCount(dead=1)
            try:
                subscriber.handle(event)
            except AbortError:
                cursor.release()
                raise
            except Exception as error:
                logger.exception(
                    "%s cannot handle event %s, attempt %d of %d",
                    subscriber.name,
                    event.id,
                    attempt,
                    subscriber.attempts,
                )
                if isinstance(error, RejectError) or attempt >= subscriber.attempts:
                    cursor.bury(seq, f"{type(error).__name__}: {error}", attempt)
                    return DeliveryCount(dead=1)
                self._stop.wait(subscriber.wait.total_seconds() * 2 ** (attempt - 1))
                attempt = None
            except BaseException:
                # Ctrl-C, SIGTERM: not the event's fault.
                cursor.release()
                raise
            else:
                cursor.advance(seq)
                return DeliveryCount(handled=1)
        return None
