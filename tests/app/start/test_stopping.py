"""A stop in one thread, and where it ends the work of others."""

from __future__ import annotations

import threading

import pytest
from tests.limits import HANGS

from seil.app.start.stopping import StopRequestedError, StopSignal
from seil.app.start.turns import Turns


def test_work_ends_between_steps_and_behind_a_report() -> None:
    stop = StopSignal()
    progress = stop.progress()
    with progress.step("load Account") as step:
        step.advance(1)
        stop.set()
        with pytest.raises(StopRequestedError):
            step.advance(1)
    with pytest.raises(StopRequestedError), progress.step("load Contact"):
        pytest.fail("a further step has begun")


def test_a_pause_ends_with_the_stop() -> None:
    stop = StopSignal()
    stop.sleep(0.0)
    threading.Timer(0.01, stop.set).start()
    with pytest.raises(StopRequestedError):
        stop.sleep(HANGS)


def test_turns_are_taken_all_or_none() -> None:
    releases: list[int] = []
    turns = Turns(lambda: releases.append(1))
    assert turns.take(["run", "feed"])
    assert not turns.take(["run", "push"])
    assert turns.take(["push"])
    turns.release(["run", "feed"])
    assert turns.take(["run"])
    assert len(releases) == 1


def test_holding_a_turn_waits_for_its_release_or_the_stop() -> None:
    turns, stop = Turns(), StopSignal()
    turns.take(["run"])
    threading.Timer(0.01, turns.release, [["run"]]).start()
    with turns.hold("run", stop):
        assert not turns.take(["run"])
        threading.Timer(0.01, stop.set).start()
        with pytest.raises(StopRequestedError), turns.hold("run", stop):
            pytest.fail("two hold one turn")
    assert turns.take(["run"])
