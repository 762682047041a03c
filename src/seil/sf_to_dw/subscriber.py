"""Keeps tables up to date on Salesforce's events. An event is a trigger, never a row.

The records that change events name are read from the org, as a window reads them; a stream's place
is stored after their commit. What a stream cannot tell is a gap: the object's next window, which
this process or a clock's run reads, closes it. So streaming adds latency, never a second truth.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from seil.errors import (
    AlreadyRunningError,
    ConfigurationError,
    LeaseLostError,
    OtherOrgError,
    RejectError,
    SeilError,
    StateError,
    UnexpectedAnswerError,
)
from seil.observe.progress import SILENT, Progress
from seil.salesforce.clock import OrgClock
from seil.salesforce.pubsub.events import StreamEvent, change_header
from seil.salesforce.pubsub.faults import ReplayLostError
from seil.sf_to_dw.changes import Changes, RecentEvents, change_topic, event_topic, is_earlier
from seil.sf_to_dw.extract.by_id import ChangedIds
from seil.sf_to_dw.extract.flows import FlowStates
from seil.sf_to_dw.lock import run_lock
from seil.sf_to_dw.pipeline import ChangedReport, Pipeline, RunReport
from seil.sf_to_dw.streams import StreamDelivery, Streams, StreamStart
from seil.state.streams import StreamPosition

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.state import State

log = logging.getLogger(__name__)

LOCK_KEY = "subscribe.lock"
_POLL = 0.25
_FIRST_WAIT = 1.0
_SECOND = timedelta(seconds=1)
# Events around the moment itself may be received twice, which changes nothing.
_OPENING_MARGIN, _LOSS_MARGIN = timedelta(minutes=1), timedelta(hours=1)

_NEW = "its place in the stream is not known yet"
_LOST = "its place in the stream is lost"
_OVERFLOW = "a transaction had too many changes"


class SubscriberRound(Protocol):
    """The report of one batch of events."""

    def progress(self, display: Progress = SILENT) -> Progress: ...

    def add_changed(self, report: ChangedReport) -> None: ...

    def add_run(self, report: RunReport) -> None: ...

    def add_problem(self, problem: str) -> None: ...


@dataclass(frozen=True)
class BatchOutcome:
    """`rows` were read for `events`; `gaps` are the objects whose windows were read again."""

    events: int = 0
    rows: int = 0
    gaps: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    problem: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class _Batch:
    """Received and not committed yet."""

    events: int = 0
    changes: dict[str, Changes] = field(default_factory=dict)
    replay_ids: dict[str, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.replay_ids)


@dataclass
class _Waiting:
    """Platform events in their order, until each is handled; then their streams' places."""

    events: list[StreamEvent] = field(default_factory=list)
    replay_ids: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0
    next_attempt: float = 0.0


@dataclass
class EventSubscriber:
    """One per lake. `platform_events` are received for `handle`, which has to be idempotent: where
    it fails, the event waits, and tables go on following the objects' events. `recover` makes up
    for events of a topic that may be lost; where it fails, it is called again.

    `collect` and `max_wait` are in seconds.
    """

    pipeline: Pipeline
    state: State
    objects: Sequence[SyncedObject]
    platform_events: Sequence[str]
    open_streams: Callable[[], Streams]
    handle: Callable[[StreamEvent], None]
    recover: Callable[[str], None]
    open_round: Callable[[], AbstractContextManager[SubscriberRound]]
    report: Callable[[BatchOutcome], None] = lambda _: None
    collect: float = 1.0
    max_wait: float = 120.0
    stop: threading.Event = field(default_factory=threading.Event)
    topics: list[str] = field(init=False)
    _batch: _Batch = field(default_factory=_Batch)
    _waiting: _Waiting = field(default_factory=_Waiting)
    _positions: dict[str, StreamPosition] = field(default_factory=dict)
    _recent: RecentEvents = field(default_factory=RecentEvents)
    _untaken: StreamDelivery | None = None
    _opened: set[str] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)
    _has_stop: bool = True
    _next_gap_attempt: float = 0.0
    _next_recovery: float = 0.0

    def __post_init__(self) -> None:
        self._objects = {change_topic(obj.api_name): obj for obj in self.objects}
        self.topics = [*self._objects, *map(event_topic, self.platform_events)]
        self._clock = OrgClock(self.pipeline.extractor.context.org.now)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Runs until `stop` is set, or `until` says so after a batch.

        Raises AlreadyRunningError while another subscriber runs, LeaseLostError when one has taken
        over, ConfigurationError and OtherOrgError. Tries again after any other SEIL error.
        """
        with run_lock(self.pipeline.lake, key=LOCK_KEY) as lock, self._streams() as streams:
            failures = 0
            while not self.stop.is_set():
                lock.check()
                try:
                    self._start(streams)
                    self._receive(streams)
                    self._handle_waiting()
                    self._recover_lost()
                    self._commit()
                    self._close_gaps()
                except (ConfigurationError, LeaseLostError, OtherOrgError):
                    raise
                except AlreadyRunningError as error:
                    log.debug("waits for the run lock: %s", error)
                    self.stop.wait(_POLL)
                except SeilError as error:
                    failures += 1
                    self._fail(error, failures)
                else:
                    failures = 0
                    self._clear_stop()
                    if until():
                        return

    @contextmanager
    def _streams(self) -> Iterator[Streams]:
        new = {topic: StreamPosition(topic) for topic in self.topics}
        self._positions = new | self.state.streams.all()
        streams = self.open_streams()
        try:
            self._clear_stop()
            yield streams
        finally:
            streams.close()

    def _start(self, streams: Streams) -> None:
        """An object's window reads what was before; a platform event is received or lost."""
        for topic in self.topics:
            if topic not in streams.topics:
                start = "now" if topic in self._objects else self._start_of_event(topic)
                streams.start(topic, self._positions[topic].replay_id, start)

    def _start_of_event(self, topic: str) -> StreamStart:
        position = self._positions[topic]
        if position.gap_until or position.replay_id:
            return "earliest"
        # Stored before the stream opens: what it brings is later, whenever it is read.
        self._store(replace(position, gap_until=self._clock.read() - _OPENING_MARGIN))
        return "now at first"

    def _receive(self, streams: Streams) -> None:
        """Waits for the first delivery a moment only, then for more as long as is collected."""
        until = time.monotonic() + (self.collect if self._batch else _POLL)
        while (rest := until - time.monotonic()) > 0 and not self.stop.is_set():
            try:
                delivery = self._untaken or streams.inbox.get(timeout=min(rest, _POLL))
            except queue.Empty:
                continue
            if delivery.events and not self._batch.events:
                until = time.monotonic() + self.collect
            # Taken again where the state or the org did not answer.
            self._untaken = delivery
            self._take(delivery)
            self._untaken = None
        streams.end_silent()
        streams.resume()

    def _take(self, delivery: StreamDelivery) -> None:
        topic = delivery.topic
        if delivery.error:
            self._take_error(topic, delivery.error)
            return
        if delivery.is_open:
            self._take_opening(topic)
            return
        self._refused.discard(topic)
        if topic not in self._objects:
            self._take_platform_events(delivery)
            return
        new = [event for event in delivery.events if self._recent.add(event.id)]
        self._batch.replay_ids[topic] = delivery.replay_id
        self._batch.events += len(new)
        for event in new:
            self._take_event(event)

    def _take_opening(self, topic: str) -> None:
        """What was before is a gap, also after a short interruption."""
        if topic in self._objects:
            self._set_gap(topic, self._positions[topic].gap or _NEW)
            self._opened.add(topic)
        else:
            log.info("%s: receives what is published from now on", topic)

    def _take_platform_events(self, delivery: StreamDelivery) -> None:
        if delivery.events:
            since, now = self._positions[delivery.topic].gap_until, self._clock.estimate()
            later = [event for event in delivery.events if not is_earlier(event, since, now)]
            self._waiting.events += [event for event in later if self._recent.add(event.id)]
        self._waiting.replay_ids[delivery.topic] = delivery.replay_id

    def _take_event(self, event: StreamEvent) -> None:
        name = self._objects[event.topic].api_name
        changes = self._batch.changes.setdefault(name, Changes())
        try:
            changes.add(change_header(event), event.schema_id)
        except UnexpectedAnswerError as error:
            log.warning("%s", error)
            changes.has_overflow = True

    def _take_error(self, topic: str, error: SeilError) -> None:
        if isinstance(error, ConfigurationError | OtherOrgError):
            raise error
        self._opened.discard(topic)
        if isinstance(error, ReplayLostError):
            self._take_loss(topic, error)
            return
        self._refused.add(topic)
        self._note(error)

    def _take_loss(self, topic: str, error: ReplayLostError) -> None:
        """What was received before is still to be committed, but not its place."""
        self._batch.replay_ids.pop(topic, None)
        self._waiting.replay_ids.pop(topic, None)
        position = self._positions[topic]
        if topic in self._objects:
            self._store(replace(position, replay_id=b""))
            self._set_gap(topic, _LOST)
            return
        log.warning("%s: events before those still kept are lost: %s", topic, error.message)
        since = self._moment_of_place(position)
        self._store(replace(position, replay_id=b"", gap=_LOST, gap_until=since))

    def _moment_of_place(self, position: StreamPosition) -> datetime | None:
        """On the org's clock, at the latest: its age is known, and no start was later."""
        first = position.gap_until
        if not position.replay_id or position.placed_at is None:
            return first
        # Negative where this machine's clock was set back since.
        age = max(datetime.now(UTC) - position.placed_at, timedelta())
        moment = self._clock.estimate() - age - _LOSS_MARGIN
        return max(moment, first) if first else moment

    def _recover_lost(self) -> None:
        if time.monotonic() < self._next_recovery:
            return
        for topic in self._lost_topics():
            try:
                self.recover(topic)
            except LeaseLostError:
                raise
            except SeilError as error:
                self._next_recovery = time.monotonic() + self.max_wait
                log.warning("%s: lost events are not made up for yet: %s", topic, error)
                self._note(error)
            else:
                self._store(replace(self._positions[topic], gap=""))

    def _commit(self) -> None:
        """Reads, loads, builds; then stores the streams' places."""
        batch = self._batch
        if not batch:
            return
        outcome = BatchOutcome()
        if batch.events:
            with self.open_round() as results:
                outcome = self._handle(batch, results)
        self._store(*(self._moved(topic, replay) for topic, replay in batch.replay_ids.items()))
        self._batch = _Batch()
        if outcome.events:
            self.report(outcome)

    def _handle(self, batch: _Batch, results: SubscriberRound) -> BatchOutcome:
        problems: list[str] = []
        changed = dict(self._changed(batch.changes))
        rows = 0
        if changed:
            report = self.pipeline.read_changed(changed, progress=results.progress())
            results.add_changed(report)
            rows = sum(flow.landed for flow in report.flows)
            problems += [f"{flow.object}: {flow.error}" for flow in report.flows if flow.error]
            for name, reason in report.unread.items():
                self._set_gap(change_topic(name), reason)
        for name, changes in batch.changes.items():
            if changes.has_overflow:
                self._set_gap(change_topic(name), _OVERFLOW)
        return BatchOutcome(
            batch.events, rows, objects=tuple(batch.changes), problem="; ".join(problems)
        )

    def _handle_waiting(self) -> None:
        waiting = self._waiting
        if waiting.events and time.monotonic() >= waiting.next_attempt:
            problems = list(self._handle_platform_events())
            self.report(BatchOutcome(len(problems), problem="; ".join(filter(None, problems))))
        if not waiting.events and waiting.replay_ids:
            self._store(*(self._moved(*place) for place in waiting.replay_ids.items()))
            waiting.replay_ids.clear()

    def _handle_platform_events(self) -> Iterator[str]:
        """Yields what is wrong with each event that is done; stops at one that has to wait."""
        waiting = self._waiting
        while waiting.events:
            event = waiting.events[0]
            try:
                self.handle(event)
            except RejectError as error:
                log.warning("event %s of %s: %s", event.id, event.topic, error)
                yield f"event {event.id} of {event.topic}: {error}"
            except LeaseLostError:
                raise
            except SeilError as error:
                waiting.failures += 1
                wait = min(_FIRST_WAIT * 2 ** min(waiting.failures - 1, 20), self.max_wait)
                waiting.next_attempt = time.monotonic() + wait
                log.warning("event %s of %s waits: %s", event.id, event.topic, error)
                self._note(error)
                return
            else:
                yield ""
            waiting.failures = 0
            del waiting.events[0]

    def _changed(self, changes: Mapping[str, Changes]) -> Iterator[tuple[str, ChangedIds]]:
        """Without objects that were never read: their first window is a gap of all records."""
        for name, entry in changes.items():
            obj = self._objects[change_topic(name)]
            if self._watermark(obj) is None:
                self._set_gap(change_topic(name), _NEW)
            elif entry.ids:
                yield name, entry.changed(with_deletions=obj.flow.deletions)

    def _close_gaps(self) -> None:
        """Reads the windows of objects with a gap, once they reach beyond it."""
        self._bound_gaps()
        self._end_gaps()
        due = [self._objects[topic] for topic in self._objects if self._is_due(topic)]
        if not due or time.monotonic() < self._next_gap_attempt:
            return
        self._next_gap_attempt = time.monotonic() + _FIRST_WAIT
        with self.open_round() as results:
            report = self.pipeline.run(due, progress=results.progress())
            results.add_run(report)
        if report.extract.failed:
            self._next_gap_attempt = time.monotonic() + self.max_wait
        self._end_gaps()
        names = tuple(obj.api_name for obj in due)
        self.report(BatchOutcome(rows=report.extract.rows, gaps=names))

    def _bound_gaps(self) -> None:
        """A window up to now closes the gap of a stream that brings all that happens from now on:
        it is open, or goes on from its place.
        """
        for topic in self._objects:
            position = self._positions[topic]
            is_bounded = not position.gap or position.gap_until
            if not is_bounded and (position.replay_id or topic in self._opened):
                self._store(replace(position, gap_until=self._clock.read() + _SECOND))

    def _end_gaps(self) -> None:
        over = [self._positions[topic] for topic in self._objects if self._is_over(topic)]
        self._store(*(replace(position, gap="", gap_until=None) for position in over))

    def _is_due(self, topic: str) -> bool:
        position, obj = self._positions[topic], self._objects[topic]
        if not position.gap:
            return False
        if self._watermark(obj) is None:
            return True
        until = position.gap_until
        return until is not None and self._clock.estimate() >= until + obj.flow.lag

    def _is_over(self, topic: str) -> bool:
        position = self._positions[topic]
        if not position.gap or position.gap_until is None:
            return False
        watermark = self._watermark(self._objects[topic])
        return watermark is not None and watermark >= position.gap_until

    def _watermark(self, obj: SyncedObject) -> datetime | None:
        return FlowStates(self.pipeline.lake).get(obj).committed

    def _set_gap(self, topic: str, reason: str) -> None:
        position = self._positions[topic]
        if not position.gap:
            log.warning("%s has a gap: %s; its window is read again", topic, reason)
        self._store(replace(position, gap=reason, gap_until=None))

    def _moved(self, topic: str, replay_id: bytes) -> StreamPosition:
        now = datetime.now(UTC)
        return replace(self._positions[topic], replay_id=replay_id, placed_at=now)

    def _store(self, *positions: StreamPosition) -> None:
        if positions:
            self.state.streams.store(positions)
            self._positions |= {position.topic: position for position in positions}

    def _fail(self, error: SeilError, failures: int) -> None:
        seconds = min(_FIRST_WAIT * 2 ** min(failures - 1, 20), self.max_wait)
        log.warning("tries again in %.0f s: %s", seconds, error)
        self._note(error)
        self.stop.wait(seconds)

    def _note(self, error: SeilError) -> None:
        self._has_stop = True
        with suppress(StateError):
            self.state.troubles.note_stop("subscribe", error)

    def _clear_stop(self) -> None:
        """Once nothing waits: neither a stream, nor an event, nor lost events."""
        if not self._has_stop or self._refused or self._waiting.failures or self._lost_topics():
            return
        with suppress(StateError):
            self.state.troubles.clear_stops("subscribe")
            self._has_stop = False

    def _lost_topics(self) -> list[str]:
        """Of platform events that are not made up for yet."""
        events = (topic for topic in self.topics if topic not in self._objects)
        return [topic for topic in events if self._positions[topic].gap]
