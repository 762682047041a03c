"""Events of landed and of curated files, handled for whoever received them: the listener, a queue.

Both are idempotent: an event that comes twice, late or out of order changes nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seil.errors import RejectError, RetryError, SeilError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.events.envelope import Event
    from seil.sf_to_dw.handlers import FileHandlers, StepOutcome
    from seil.sf_to_dw.listen import FileListener

Report = Callable[["StepOutcome"], None]


@dataclass(frozen=True)
class EventOutcome:
    """`retry`: deliver the event again later; `rejected`: it can never be handled as it is."""

    event_id: str
    state: Literal["done", "retry", "rejected"]
    error: SeilError | None = None


def handle_landed(site: Site, events: Sequence[Event]) -> list[EventOutcome]:
    """Takes in the files that `Object Created` events name. In the order of the events.

    Raises AbortError where none of them can be handled until somebody changes something.
    """
    return _handle(file_handlers(site).handle_landed, events)


def handle_curated(site: Site, events: Sequence[Event]) -> list[EventOutcome]:
    """Loads what successful `file-ingestion` events put into curated, and builds.

    Raises AbortError, as `handle_landed` does.
    """
    return _handle(file_handlers(site).handle_curated, events)


def _handle(
    handle: Callable[[Sequence[Event]], None], events: Sequence[Event]
) -> list[EventOutcome]:
    """All together; where that fails, one by one, so that each has an outcome of its own."""
    if len(events) > 1:
        with suppress(RejectError, RetryError):
            handle(events)
            return [EventOutcome(event.id, "done") for event in events]
    return [_outcome(handle, event) for event in events]


def _outcome(handle: Callable[[Sequence[Event]], None], event: Event) -> EventOutcome:
    try:
        handle([event])
    except RejectError as error:
        return EventOutcome(event.id, "rejected", error)
    except RetryError as error:
        return EventOutcome(event.id, "retry", error)
    return EventOutcome(event.id, "done")


def file_handlers(site: Site, report: Report = lambda _: None) -> FileHandlers:
    from seil.sf_to_dw.handlers import FileHandlers

    return FileHandlers(
        lake=site.lake,
        catalog=site.catalog,
        state=site.state,
        bus=site.journal,
        ingestor=site.ingestor,
        open_warehouse=site.warehouse,
        publish=site.publish,
        models=site.models,
        workers=site.settings.ingest.workers,
        report=report,
    )


def listener(site: Site, report: Report) -> FileListener:
    from seil.sf_to_dw.listen import FileListener

    return FileListener(
        lake=site.lake,
        journal=site.journal,
        handlers=file_handlers(site, report),
        keep=site.settings.events.keep,
    )
