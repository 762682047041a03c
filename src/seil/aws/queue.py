"""Functions that SQS queues call with the events that EventBridge's rules have put there.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seil.app.site import Site
from seil.aws.limits import seconds_left
from seil.aws.runtime import flush_traces, start
from seil.errors import LakeError
from seil.events.event_bridge import received

if TYPE_CHECKING:
    from seil.app.handlers import EventOutcome
    from seil.events.envelope import Event
    from seil.settings import Settings

__all__ = ["EventHandler", "QueueFunction"]

_log = logging.getLogger(__name__)

# Seconds before the function's timeout at which it stops waiting for a lock: the message comes
# again. What has begun by then has this long to end.
_RESERVE = 60.0


EventHandler = Callable[[Site, Sequence["Event"], threading.Event], Sequence["EventOutcome"]]


class QueueFunction:
    """Hands a batch's events to `handle`, each once, and answers which messages stay in the queue.

    The site is opened at the first event, and kept: connections outlive an invocation. An exception
    of `handle` fails the whole batch; the queue delivers it again, and finally to its dead letters.
    `handle` gets an event that is set when it should no longer wait for a lock.
    """

    def __init__(self, handle: EventHandler, *, settings: Callable[[], Settings] = start) -> None:
        self._handle = handle
        self._settings = settings
        self._site: Site | None = None

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        try:
            return self._answer(event["Records"], context)
        finally:
            flush_traces(context)

    def _answer(self, records: Sequence[Mapping[str, Any]], context: Any) -> dict[str, Any]:
        site = self._opened()
        failed: list[str] = []
        events: dict[str, Event] = {}
        messages: dict[str, list[str]] = {}
        for record in records:
            try:
                event = received(json.loads(record["body"]), site.lake.staging)
            except (ValueError, KeyError, TypeError, AttributeError, LakeError):
                _log.exception("message %s is no event that can be read", record["messageId"])
                failed.append(record["messageId"])
                continue
            events[event.id] = event
            messages.setdefault(event.id, []).append(record["messageId"])
        if events:
            with _stop_after(seconds_left(context, reserve=_RESERVE)) as stop:
                outcomes = self._handle(site, list(events.values()), stop)
            failed += [
                message
                for outcome in outcomes
                if outcome.state != "done"
                for message in messages[outcome.event_id]
            ]
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _opened(self) -> Site:
        if self._site is None:
            self._site = Site(self._settings())
        return self._site


@contextmanager
def _stop_after(seconds: float | None) -> Iterator[threading.Event]:
    """An event that is set after so many seconds; None: never."""
    stop = threading.Event()
    if seconds is None:
        yield stop
        return
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
