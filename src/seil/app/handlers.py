"""Events of landed and of curated files, handled for whoever received them: the listener, a queue.

Both are idempotent: an event that comes twice, late or out of order changes nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from seil.errors import ConfigurationError, Problem, RejectError, RetryError, SeilError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.events.envelope import Event
    from seil.sf_to_dw.handlers import FileHandlers, Round, StepOutcome
    from seil.sf_to_dw.listen import FileListener

_NAMED = 5

Report = Callable[["StepOutcome"], None]


@dataclass(frozen=True)
class EventOutcome:
    """`retry`: deliver the event again later; `rejected`: it can never be handled as it is."""

    event_id: str
    state: Literal["done", "retry", "rejected"]
    error: SeilError | None = None


def handle_landed(
    site: Site, events: Sequence[Event], *, stop: threading.Event | None = None
) -> list[EventOutcome]:
    """Takes in the files that `Object Created` events name. In the order of the events.

    `stop` ends a wait for the run lock. Raises AbortError where none of them can be handled until
    somebody changes something, AlreadyRunningError on `stop`.
    """
    handlers = file_handlers(site, command="handle-landed", plan=_plan(events), stop=stop)
    with handlers.round() as report:
        return _handle(handlers.handle_landed, events, report)


def handle_curated(
    site: Site, events: Sequence[Event], *, stop: threading.Event | None = None
) -> list[EventOutcome]:
    """Loads what successful `file-ingestion` events put into curated, and builds.

    Raises AbortError, as `handle_landed` does.
    """
    handlers = file_handlers(site, command="handle-curated", plan=_plan(events), stop=stop)
    with handlers.round() as report:
        return _handle(handlers.handle_curated, events, report)


def keep_events(site: Site, events: Sequence[Event]) -> list[EventOutcome]:
    """Adds them to the audit trail in the state; one that is there already stays as it is."""
    site.state.events.publish(events)
    return [EventOutcome(event.id, "done") for event in events]


def _plan(events: Sequence[Event]) -> dict[str, Any]:
    return {"events": len(events), "first": [event.id for event in events[:_NAMED]]}


def _handle(
    handle: Callable[[Sequence[Event]], None], events: Sequence[Event], report: Round
) -> list[EventOutcome]:
    """All together; where that fails, one by one, so that each has an outcome of its own."""
    if len(events) > 1:
        with suppress(RejectError, RetryError):
            handle(events)
            return [EventOutcome(event.id, "done") for event in events]
    outcomes = [_outcome(handle, event) for event in events]
    for outcome in outcomes:
        if outcome.error:
            report.add_problem(f"event {outcome.event_id}: {outcome.error}")
    return outcomes


def _outcome(handle: Callable[[Sequence[Event]], None], event: Event) -> EventOutcome:
    try:
        handle([event])
    except RejectError as error:
        return EventOutcome(event.id, "rejected", error)
    except RetryError as error:
        return EventOutcome(event.id, "retry", error)
    return EventOutcome(event.id, "done")


def file_handlers(
    site: Site,
    report: Report = lambda _: None,
    *,
    command: str,
    plan: Mapping[str, Any] | None = None,
    stop: threading.Event | None = None,
) -> FileHandlers:
    """Each of their rounds that does something is a run of `command`."""
    from seil.sf_to_dw.handlers import FileHandlers

    return FileHandlers(
        lake=site.lake,
        catalog=site.catalog,
        state=site.state,
        bus=site.bus,
        ingestor=site.ingestor,
        open_warehouse=site.warehouse,
        publish=site.publish,
        models=site.models,
        logs_keys=site.logs_keys,
        workers=site.settings.ingest.workers,
        report=report,
        stop=stop or threading.Event(),
        open_round=partial(site.runs.round, command, **(plan or {})),
    )


def listener(
    site: Site,
    report: Report,
    *,
    stop: threading.Event | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> FileListener:
    """`turn` is entered around each round that takes the run lock.

    Raises ConfigurationError where events go to EventBridge, whose rules deliver them.
    """
    from seil.sf_to_dw.listen import FileListener

    if bus := site.settings.events.bus:
        reason = f"events go to EventBridge's bus {bus}, whose rules call functions"
        raise ConfigurationError([Problem("events.bus", reason, "leave it empty to listen here")])

    handlers = file_handlers(site, report, command="listen", stop=stop)
    handlers.turn = turn
    return FileListener(
        lake=site.lake,
        journal=site.journal,
        handlers=handlers,
        keep=site.settings.events.keep,
    )
