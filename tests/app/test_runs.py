"""How a run is written down: its steps as they go on, what failed, since when, and its end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seil.app.run_recorder import cut
from seil.app.runs import RunBook
from seil.errors import LeaseLostError, ObjectRejectedError
from seil.events.envelope import Event
from seil.events.journal import Journal
from seil.state import State, open_state
from seil.state.runs import Attempt
from seil.state.troubles import Trouble


class _Terminated(BaseException):
    """As the command raises on SIGTERM."""

    exit_code = 143


NEXT_DAY = datetime(2026, 11, 30, 10, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    from seil.settings import StateSettings

    with open_state(StateSettings(url=f"sqlite:{tmp_path / 'state.sqlite'}")) as database:
        yield database


@pytest.fixture
def book(state: State, tmp_path: Path) -> Iterator[RunBook]:
    with Journal(tmp_path / "journal.sqlite") as bus:
        yield RunBook(state, bus, log_lines=3)


def summary(attempt: Attempt) -> tuple[object, ...]:
    return attempt.step, attempt.about, attempt.attempt, attempt.outcome, attempt.done


def test_steps_can_be_read_while_they_go_on(book: RunBook, state: State) -> None:
    with book.run("run", objects=["Account"]) as run:
        with run.progress().step("extract Account") as step:
            step.advance(7)
            [under_way] = state.runs.under_way()
            assert (under_way.run_id, under_way.plan) == (run.run_id, {"objects": ["Account"]})
            [attempt] = state.runs.attempts(run.run_id)
            assert summary(attempt)[:4] == ("extract", "Account", 1, "running")
        with run.progress().step("load Account"):
            pass
        done = [summary(attempt) for attempt in state.runs.attempts(run.run_id)]
    assert done == [("extract", "Account", 1, "success", 7), ("load", "Account", 1, "success", 0)]
    ended = state.runs.get(run.run_id)
    assert ended
    assert ended.outcome == "success"


def test_a_step_that_fails_and_is_done_again_has_two_attempts(book: RunBook, state: State) -> None:
    with book.run("run") as run:
        with pytest.raises(ObjectRejectedError), run.progress().step("extract Account"):
            raise ObjectRejectedError("Account", "its fields changed")
        with run.progress().step("extract Account"):
            pass
    first, second = state.runs.attempts(run.run_id)
    assert (first.outcome, first.error) == ("error", "object_rejected")
    assert "its fields changed" in first.message
    assert (second.attempt, second.outcome) == (2, "success")


def test_the_last_lines_of_each_attempt_are_kept(book: RunBook, state: State) -> None:
    log = logging.getLogger("seil.anything")
    with book.run("run") as run:
        log.info("outside")
        with run.progress().step("load Account"):
            for number in range(200):
                log.info("line %d, password=hunter2", number)
    log.warning("of no run")
    lines = [(line.number, line.text) for line in state.runs.lines(run.run_id)]
    assert lines == [
        (0, "outside"),
        *[(1, f"line {number}, password=****") for number in (197, 198, 199)],
    ]


def test_events_of_a_run_have_its_id(book: RunBook) -> None:
    with book.run("load") as run:
        book.bus.publish([Event("seil.sf-to-dw", "load", {"object": "Account"})])
    assert isinstance(book.bus, Journal)
    assert {event.detail["run_id"] for _, event in book.bus.read()} == {run.run_id}


def test_a_run_that_lost_its_lease_leaves_its_successors_outcome(
    book: RunBook, state: State
) -> None:
    with pytest.raises(LeaseLostError), book.run("run"):
        with book.run("run"):
            pass
        raise LeaseLostError("run.lock", "process 7 on there took it over")
    last = state.runs.last()
    assert last is not None
    assert last.outcome == "success"
    assert state.troubles.all() == []
    assert state.runs.under_way() == []


def test_what_fails_again_keeps_since_when_it_does(book: RunBook, state: State) -> None:
    begun = datetime(2026, 11, 29, 10, tzinfo=UTC)
    for at, kind in ((begun, "load"), (NEXT_DAY, "load"), (NEXT_DAY, "lake")):
        with book.run("load") as run:
            run.note("load", "Account", Trouble("load", "Account", kind, "no", since=at))
        [trouble] = state.troubles.all()
        assert trouble.since == (begun if kind == "load" else NEXT_DAY)


def test_a_lost_lease_without_a_successor_is_reported_until_a_run_gets_through(
    book: RunBook, state: State
) -> None:
    with pytest.raises(LeaseLostError), book.run("run"):
        raise LeaseLostError("run.lock", "it could not be renewed in time")
    assert [trouble.kind for trouble in state.troubles.all()] == ["lease_lost"]
    with book.run("load"):
        pass
    assert state.troubles.all() == []


def test_only_the_newest_runs_are_kept(book: RunBook, state: State) -> None:
    short = RunBook(state, book.bus, keep_runs=3)
    ids = []
    for _ in range(6):
        with short.run("load") as run, run.progress().step("load Account"):
            ids.append(run.run_id)
    assert {run.run_id for run in state.runs.find()} == set(ids[-3:])
    assert state.runs.attempts(ids[0]) == []


def test_a_round_is_a_run_once_it_does_something(book: RunBook, state: State) -> None:
    with book.round("listen") as idle:
        logging.getLogger("seil.anything").info("nothing to do")
    assert state.runs.get(idle.run_id) is None
    with book.round("listen", events=2) as busy, busy.progress().step("load Account"):
        [under_way] = state.runs.under_way()
    assert (under_way.run_id, under_way.command) == (busy.run_id, "listen")
    [run] = state.runs.find()
    assert (run.outcome, run.plan) == ("success", {"events": 2})
    assert isinstance(book.bus, Journal)
    assert [event.detail["state"] for _, event in book.bus.read()] == ["started", "success"]


def test_a_round_that_fails_before_its_first_step_is_no_run(book: RunBook, state: State) -> None:
    with pytest.raises(ObjectRejectedError), book.round("listen"):
        raise ObjectRejectedError("Account", "no")
    assert state.runs.find() == []


def test_a_round_with_a_problem_alone_is_an_incomplete_run(book: RunBook, state: State) -> None:
    with book.round("listen") as run:
        run.add_problem("1 event(s) are dead letters")
    [record] = state.runs.find()
    assert (record.outcome, record.message, record.exit_code) == (
        "incomplete",
        "1 event(s) are dead letters",
        1,
    )


def test_a_step_says_what_came_of_it(book: RunBook, state: State) -> None:
    with book.run("build") as run:
        with run.progress().step("stage products") as step:
            step.advance(3)
            step.conclude("full: 3 rows")
        with run.progress().step("test products") as step:
            step.conclude("error: id is not unique", ok=False)
    attempts = state.runs.attempts(run.run_id)
    assert [(a.step, a.outcome, a.message) for a in attempts] == [
        ("stage", "success", "full: 3 rows"),
        ("test", "error", "error: id is not unique"),
    ]


@pytest.mark.parametrize("text", ["x" * 10_000, "\N{OK HAND SIGN}" * 10_000], ids=["ascii", "wide"])
def test_the_lines_of_an_attempt_are_bounded_in_bytes(
    state: State, book: RunBook, text: str
) -> None:
    long = RunBook(state, book.bus, log_lines=1_000)
    with long.run("load") as run, run.progress().step("load Account"):
        for _ in range(200):
            logging.getLogger("seil.anything").info("%s", text)
    sizes = [len(line.text.encode()) for line in state.runs.lines(run.run_id)]
    assert max(sizes) <= 2_000
    assert 60_000 < sum(sizes) <= 65_536


def test_what_a_database_does_not_store_as_text_is_escaped() -> None:
    assert cut("a\0b \ud800") == "a\\x00b \\ud800"


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (_Terminated(), 143)], ids=["ctrl-c", "sigterm"]
)
def test_interrupted_run_has_the_exit_code_of_its_command(
    book: RunBook, error: BaseException, code: int
) -> None:
    with pytest.raises(type(error)), book.run("build") as run:
        raise error
    record = book.state.runs.get(run.run_id)
    assert record
    assert (record.outcome, record.exit_code) == ("interrupted", code)
