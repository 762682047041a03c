"""The audit trail: newest events, those to come; what could not be delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.events.audit_trail import Where
    from seil.events.dispatch_state import DeadLetter
    from seil.events.envelope import Event

# SQLite's.
_LAST_NUMBER = 2**63 - 1


def newest(site: Site, where: Where, *, limit: int) -> list[tuple[int, Event]]:
    """Numbered, oldest first."""
    log = site.audit_trail_to_read
    return list(log.read(limit=limit, newest_first=True, **where))[::-1] if log else []


def follow(site: Site, where: Where, *, limit: int) -> Iterator[tuple[int, Event]]:
    """The newest ones, then each as it is published; never ends."""
    from seil.events.audit_trail import follow as follow_trail

    log = site.audit_trail
    last = log.last()
    for last, event in newest(site, where, limit=limit):
        yield last, event
    yield from follow_trail(log, last, **where)


def publish(site: Site, event: Event) -> None:
    site.bus.publish([event])


def dead_letters(site: Site, subscriber: str = "") -> Sequence[DeadLetter]:
    from seil.events.dispatch_state import dead_letters as read_dead_letters

    return read_dead_letters(site.journal, subscriber or None) if site.has_journal else []


def redeliver(site: Site, number: int | None = None, *, subscriber: str = "") -> int:
    """Puts one dead letter back in line, or all without a number; returns how many."""
    from seil.events import dispatch

    if not site.has_journal or (number or 0) > _LAST_NUMBER:
        return 0
    return dispatch.redeliver(site.journal, subscriber=subscriber or None, seq=number)
