"""The audit trail of events: the embedded journal, or the table that a bus on AWS fills."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypedDict, Unpack

from seil.events.envelope import Event

_PAGE = 500
_LAST_NUMBER = 2**63 - 1
# The entries of a detail that name the file an event is about.
_FILE_KEYS = ("key", "landed_key", "archived_key", "curated_key", "exceptions_key")


class Where(TypedDict, total=False):
    """Conditions on events, ANDed. Times are aware, `until` is exclusive.

    `object` is case-insensitive; `text` is searched for in the whole envelope.
    """

    source: str | None
    detail_type: str | None
    object: str | None
    state: str | None
    since: datetime | None
    until: datetime | None
    text: str | None


class AuditTrail(Protocol):
    """Every event has a number; numbers grow in the order of storage, so that a reader who resumes
    after the last one it read misses nothing.
    """

    def last(self) -> int:
        """The newest event's number, 0 in an empty log."""
        ...

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        **where: Unpack[Where],
    ) -> Iterator[tuple[int, Event]]:
        """Events with a number above `after`, paged: no lock is held while the caller works."""
        ...

    def history(self, key: str) -> list[tuple[int, Event]]:
        """All events about the file with this landing, archived or curated key.

        A moved file keeps its history: its other keys are followed, too.
        """
        ...

    def prune(self, keep: timedelta, *, now: datetime | None = None) -> int:
        """Deletes events older than `keep`, and returns how many."""
        ...


def follow(
    log: AuditTrail,
    after: int | None = None,
    *,
    poll: float = 0.25,
    stop: threading.Event | None = None,
    **where: Unpack[Where],
) -> Iterator[tuple[int, Event]]:
    """New events as they arrive, until `stop` is set; those from now on if `after` is None."""
    stop = stop or threading.Event()
    position = log.last() if after is None else after
    while not stop.is_set():
        newest = log.last()
        for number, event in log.read(position, **where):
            yield number, event
            position = number
        # Skips the events that did not match.
        position = max(position, newest)
        stop.wait(poll)


Numbered = tuple[int, str]
"""An event's number, and its envelope as JSON."""


def read_pages(
    page: Callable[[int, int, int], Sequence[Numbered]],
    after: int,
    *,
    limit: int | None,
    newest_first: bool,
) -> Iterator[tuple[int, Event]]:
    """`page(low, high, size)` reads the numbers between the two, both exclusive, in its order."""
    remaining = limit
    low, high = after, _LAST_NUMBER
    while remaining is None or remaining > 0:
        size = _PAGE if remaining is None else min(remaining, _PAGE)
        rows = page(low, high, size)
        for number, body in rows:
            yield number, Event.from_dict(json.loads(body))
        if len(rows) < size:
            return
        remaining = None if remaining is None else remaining - len(rows)
        low, high = (low, rows[-1][0]) if newest_first else (rows[-1][0], high)


def connected(about: Callable[[str], Sequence[Numbered]], key: str) -> list[tuple[int, Event]]:
    """The history of a file, by the events `about` each of its keys."""
    events: dict[int, Event] = {}
    queue = [storable(key)]
    visited = set(queue)
    while queue:
        for number, body in about(queue.pop()):
            events[number] = Event.from_dict(json.loads(body))
            others = file_keys(events[number]) - visited
            queue += others
            visited |= others
    return sorted(events.items())


def file_keys(event: Event) -> set[str]:
    """The keys of the files that it is about, storable.

    Also of S3's own events: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
    """
    keys: list[Any] = [event.detail.get(name) for name in _FILE_KEYS]
    stored = event.detail.get("object")
    if isinstance(stored, Mapping):
        keys.append(stored.get("key"))
    return {storable(key) for key in keys if isinstance(key, str) and key}


def storable(text: str) -> str:
    """File names that are not UTF-8 have lone surrogates here, which databases refuse."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
