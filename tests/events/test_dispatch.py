"""Delivery: at least once, in order, whatever dies, and nothing that cannot be handled is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.limits import HANGS

from seil.errors import FileRejectedError, LakeError, UnavailableError
from seil.events.dispatch import (
    DeliveryCount,
    Dispatcher,
    Pattern,
    Subscriber,
    dead_letters,
    redeliver,
    subscriber_states,
)
from seil.events.envelope import Event
from seil.events.journal import Journal

OURS = Pattern({"source": ["seil.test"]})
SOON = timedelta(milliseconds=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def event(n: int, source: str = "seil.test") -> Event:
    return Event(source, "count", {"n": n})


class Handler:
    """Keeps what it was given; raises what `failures` says for an event, as often as it says."""

    def __init__(self, failures: dict[int, list[BaseException]] | None = None) -> None:
        self.seen: list[int] = []
        self.failures = failures or {}

    def __call__(self, event: Event) -> None:
        n = event.detail["n"]
        self.seen.append(n)
        if self.failures.get(n):
            raise self.failures[n].pop(0)


def dispatcher(
    journal: Journal, handle: Callable[[Event], None], *, replay: bool = False
) -> Dispatcher:
    return Dispatcher(journal, [Subscriber("one", OURS, handle, wait=SOON, replay=replay)])


def test_each_matching_event_is_delivered_once_in_order(journal: Journal) -> None:
    handler = Handler()
    running = dispatcher(journal, handler)
    journal.publish([event(n, "seil.test" if n % 2 else "other") for n in range(500)])
    assert running.drain() == DeliveryCount(handled=250)
    assert handler.seen == list(range(1, 500, 2))
    assert running.drain() == DeliveryCount()


def test_a_new_subscriber_starts_now_unless_it_replays(journal: Journal) -> None:
    journal.publish([event(1)])
    fresh, replaying = Handler(), Handler()
    running = Dispatcher(
        journal,
        [Subscriber("fresh", OURS, fresh), Subscriber("replaying", OURS, replaying, replay=True)],
    )
    journal.publish([event(2)])
    running.drain()
    assert (fresh.seen, replaying.seen) == ([2], [1, 2])


def test_a_subscriber_goes_on_where_it_was(journal: Journal) -> None:
    first, second = Handler(), Handler()
    dispatcher(journal, first, replay=True)
    journal.publish([event(1)])
    dispatcher(journal, first).drain()
    journal.publish([event(2)])
    dispatcher(journal, second, replay=True).drain()
    assert (first.seen, second.seen) == ([1], [2])


def test_what_a_handler_publishes_is_delivered_in_the_same_drain(journal: Journal) -> None:
    seen: list[int] = []

    def chain(entry: Event) -> None:
        seen.append(entry.detail["n"])
        if entry.detail["n"] < 3:
            journal.publish([event(entry.detail["n"] + 1)])

    running = dispatcher(journal, chain)
    journal.publish([event(0)])
    running.drain()
    assert seen == [0, 1, 2, 3]


def test_a_failure_is_tried_again(journal: Journal) -> None:
    handler = Handler({1: [UnavailableError("org", "slow"), ValueError("odd")]})
    running = dispatcher(journal, handler)
    journal.publish([event(1), event(2)])
    assert running.drain() == DeliveryCount(handled=2)
    assert handler.seen == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("errors", "attempts", "reason"),
    [
        ([ValueError("odd")] * 3, 3, "ValueError: odd"),
        ([FileRejectedError("in/a", "whole", "cut off")], 1, "FileRejectedError: in/a: cut off"),
    ],
    ids=["tried three times", "rejected at once"],
)
def test_what_cannot_be_handled_becomes_a_dead_letter(
    journal: Journal, errors: list[BaseException], attempts: int, reason: str
) -> None:
    handler = Handler({1: list(errors)})
    running = dispatcher(journal, handler)
    journal.publish([event(1), event(2)])
    assert running.drain() == DeliveryCount(handled=1, dead=1)
    assert handler.seen == [1] * attempts + [2]
    [letter] = dead_letters(journal)
    assert (letter.subscriber, letter.seq, letter.event.detail) == ("one", 1, {"n": 1})
    assert (letter.reason, letter.attempts, letter.waiting) == (reason, attempts, False)


def test_a_dead_letter_is_delivered_again_on_demand(journal: Journal) -> None:
    handler = Handler({1: [ValueError("odd")] * 4})
    running = dispatcher(journal, handler)
    journal.publish([event(1), event(2)])
    running.drain()
    assert redeliver(journal, subscriber="other") == redeliver(journal, seq=2) == 0
    assert redeliver(journal, subscriber="one", seq=1) == 1
    assert [letter.waiting for letter in dead_letters(journal, "one")] == [True]
    assert running.drain() == DeliveryCount(handled=1)
    assert handler.seen[-2:] == [1, 1]
    assert dead_letters(journal) == []


def test_a_dead_letter_that_fails_again_keeps_count(journal: Journal) -> None:
    running = dispatcher(journal, Handler({1: [ValueError("odd")] * 6}))
    journal.publish([event(1)])
    running.drain()
    redeliver(journal)
    assert running.drain() == DeliveryCount(dead=1)
    assert [(d.attempts, d.waiting) for d in dead_letters(journal)] == [(6, False)]


def test_a_dead_letter_outlives_the_age_of_its_event(journal: Journal) -> None:
    running = dispatcher(journal, Handler({1: [ValueError("odd")] * 3}))
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=20)
    journal.publish([Event("seil.test", "count", {"n": n}, time=long_ago) for n in (1, 2)])
    running.drain()
    assert journal.prune(timedelta(days=14), now=now) == 1
    assert [letter.event.detail["n"] for letter in dead_letters(journal)] == [1]
    assert journal.prune(timedelta(days=14), now=now + timedelta(days=15)) == 1
    assert dead_letters(journal) == []


@pytest.mark.parametrize(
    "stopper", [LakeError("file:///lake", "write", "full"), KeyboardInterrupt()]
)
def test_an_abort_stops_and_leaves_the_event(journal: Journal, stopper: BaseException) -> None:
    handler = Handler({1: [stopper] * 5})
    running = dispatcher(journal, handler)
    journal.publish([event(1), event(2)])
    for _ in range(5):
        with pytest.raises(type(stopper)):
            running.drain()
    assert running.drain() == DeliveryCount(handled=2)
    assert handler.seen == [1] * 6 + [2]


def test_one_subscriber_does_not_hold_up_another(journal: Journal) -> None:
    good = Handler()
    running = Dispatcher(
        journal,
        [
            Subscriber("bad", OURS, Handler({1: [ValueError("odd")] * 3}), wait=SOON),
            Subscriber("good", OURS, good),
        ],
    )
    journal.publish([event(1)])
    assert running.drain() == DeliveryCount(handled=1, dead=1)
    assert good.seen == [1]


def test_standings_say_who_is_behind(journal: Journal) -> None:
    dispatcher(journal, Handler()).drain()
    journal.publish([event(1), event(2)])
    [standing] = subscriber_states(journal)
    assert (standing.subscriber, standing.cursor, standing.behind) == ("one", 0, 2)


def test_run_delivers_until_it_is_stopped(journal: Journal) -> None:
    stop = threading.Event()
    seen: list[int] = []

    def handle(entry: Event) -> None:
        seen.append(entry.detail["n"])
        if len(seen) == 3:
            stop.set()

    running = Dispatcher(journal, [Subscriber("one", OURS, handle)], stop=stop)
    publishing = threading.Timer(0.05, lambda: journal.publish([event(n) for n in range(5)]))
    publishing.start()
    assert running.run(poll=0.01) == DeliveryCount(handled=3)
    publishing.join()
    assert seen == [0, 1, 2]
    dispatcher(journal, handle).drain()
    assert seen == [0, 1, 2, 3, 4]


def test_stop_between_two_tries_leaves_the_event(journal: Journal) -> None:
    stop = threading.Event()

    def handle(_: Event) -> None:
        stop.set()
        raise ValueError("odd")

    running = Dispatcher(journal, [Subscriber("one", OURS, handle)], stop=stop)
    journal.publish([event(1)])
    assert running.drain() == DeliveryCount()
    again = Handler()
    assert dispatcher(journal, again).drain() == DeliveryCount(handled=1)
    journal.publish([event(2)])


def test_stop_leaves_a_dead_letter_in_line(journal: Journal) -> None:
    stop = threading.Event()
    running = dispatcher(journal, Handler({1: [ValueError("odd")] * 3}))
    journal.publish([event(1)])
    running.drain()
    redeliver(journal)

    def handle(_: Event) -> None:
        stop.set()
        raise ValueError("odd")

    Dispatcher(journal, [Subscriber("one", OURS, handle)], stop=stop).drain()
    assert [letter.waiting for letter in dead_letters(journal)] == [True]


_DYING = """
import os, signal, sys
from pathlib import Path
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.events.journal import Journal

journal, handled, deadly = Journal(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]

def handle(event):
    with handled.open("a") as out:
        out.write(f"{event.detail['n']}\\n")
    if str(event.detail["n"]) == deadly:
        os.kill(os.getpid(), signal.SIGKILL)

pattern = Pattern({"source": ["seil.test"]})
Dispatcher(journal, [Subscriber("one", pattern, handle, replay=True)]).drain()
"""


def _drain_in_a_process(path: Path, handled: Path, deadly: str) -> int:
    command = [sys.executable, "-c", _DYING, str(path), str(handled), deadly]
    return subprocess.run(command, check=False, timeout=HANGS).returncode


def test_a_kill_between_handling_and_cursor_delivers_again(
    journal: Journal, tmp_path: Path
) -> None:
    handled = tmp_path / "handled"
    journal.publish([event(n) for n in range(5)])
    assert _drain_in_a_process(journal.path, handled, "2") == -9
    assert _drain_in_a_process(journal.path, handled, "none") == 0
    assert handled.read_text().split() == ["0", "1", "2", "2", "3", "4"]
    assert dead_letters(journal) == []


def test_an_event_that_kills_each_time_is_set_aside(journal: Journal, tmp_path: Path) -> None:
    handled = tmp_path / "handled"
    journal.publish([event(n) for n in range(3)])
    codes = [_drain_in_a_process(journal.path, handled, "1") for _ in range(4)]
    assert codes == [-9, -9, -9, 0]
    assert handled.read_text().split() == ["0", "1", "1", "1", "2"]
    [letter] = dead_letters(journal)
    assert (letter.reason, letter.attempts) == ("the process died on every attempt", 3)


class Gatherer:
    """Keeps what it was given together; fails for what `bad` names, alone or in company."""

    def __init__(self, bad: Callable[[int], BaseException | None] = lambda _: None) -> None:
        self.groups: list[list[int]] = []
        self.bad = bad

    def __call__(self, events: Sequence[Event]) -> None:
        numbers = [event.detail["n"] for event in events]
        self.groups.append(numbers)
        for n in numbers:
            if error := self.bad(n):
                raise error

    def subscriber(self, attempts: int = 3) -> Subscriber:
        return Subscriber(
            "one", OURS, lambda e: self([e]), wait=SOON, attempts=attempts, handle_all=self
        )


def test_what_is_pending_together_is_delivered_together(journal: Journal) -> None:
    gatherer = Gatherer()
    running = Dispatcher(journal, [gatherer.subscriber()])
    journal.publish([event(n, "seil.test" if n != 2 else "other") for n in range(5)])
    assert running.drain() == DeliveryCount(handled=4)
    journal.publish([event(9)])
    running.drain()
    assert gatherer.groups == [[0, 1, 3, 4], [9]]


def test_one_that_fails_among_others_is_found(journal: Journal) -> None:
    gatherer = Gatherer(lambda n: FileRejectedError("in/a", "whole", "x") if n == 1 else None)
    running = Dispatcher(journal, [gatherer.subscriber()])
    journal.publish([event(n) for n in range(3)])
    assert running.drain() == DeliveryCount(handled=2, dead=1)
    assert gatherer.groups == [[0, 1, 2], [0], [1], [2]]
    assert [letter.seq for letter in dead_letters(journal)] == [2]


@pytest.mark.parametrize("error", [LakeError("file:///x", "write", "full"), SystemExit(1)])
def test_an_end_from_outside_leaves_them_all_in_line(
    journal: Journal, error: BaseException
) -> None:
    ends = [error]
    gatherer = Gatherer(lambda n: ends.pop() if n == 1 and ends else None)
    journal.publish([event(0)])
    running = Dispatcher(journal, [gatherer.subscriber(attempts=2)])
    journal.publish([event(1), event(2)])
    with pytest.raises(type(error)):
        running.drain()
    assert running.drain() == DeliveryCount(handled=2)
    assert gatherer.groups == [[1, 2], [1, 2]]


KILLS = """
import os, signal, sys
from pathlib import Path
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.journal import Journal

def handle(events):
    print(*(event.detail["n"] for event in events), flush=True)
    if any(event.detail["n"] == 1 for event in events):
        os.kill(os.getpid(), signal.SIGKILL)

with Journal(Path(sys.argv[1])) as journal:
    pattern = Pattern({"source": ["seil.test"]})
    line = Subscriber("one", pattern, lambda e: handle([e]), replay=True, handle_all=handle)
    Dispatcher(journal, [line]).drain()
"""


def test_one_that_kills_among_others_is_found(journal: Journal, tmp_path: Path) -> None:
    journal.publish([event(n) for n in range(3)])
    script = [sys.executable, "-c", KILLS, str(tmp_path / "journal.sqlite")]
    output = ""
    for _ in range(6):
        ran = subprocess.run(script, capture_output=True, text=True, check=False)
        output += ran.stdout
        if ran.returncode == 0:
            break
    assert ran.returncode == 0, ran.stderr
    assert output.splitlines() == ["0 1 2", "0 1 2", "0", "1", "1 2", "1", "2"]
    [letter] = dead_letters(journal)
    assert (letter.seq, letter.reason) == (2, "the process died on every attempt")
