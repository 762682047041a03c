"""A run's report while the state cannot be written, and after it is back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seil.app.run_recorder import RunRecorder
from seil.errors import StateError
from seil.observe.run_context import in_run
from seil.state import State
from seil.state.runs import RunRecord
from seil.state.sqlite import SqliteDatabase, SqliteTransaction

log = logging.getLogger("seil.anything")


class _Server(SqliteDatabase):
    """Refuses writes while it is away, and takes `slowness` seconds to do so."""

    is_away = False
    tries = 0
    slowness = 0.0
    now = 0.0

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[SqliteTransaction]:
        self.tries += 1
        if self.is_away:
            self.now += self.slowness
            raise StateError("postgresql://db/seil", "write to", "connection refused")
        with super().transaction(durable=durable) as transaction:
            yield transaction


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    server = _Server(tmp_path / "state.sqlite")
    yield server
    server.close()


@contextmanager
def recording(server: _Server) -> Iterator[tuple[RunRecorder, State, str]]:
    state, record = State(server), RunRecord.begin("run")
    recorder = RunRecorder(
        state.runs,
        record.run_id,
        log_lines=3,
        on_begin=lambda: state.runs.store(record),
        clock=lambda: server.now,
    )
    recorder.begin()
    with in_run(record.run_id, "run"), recorder.capture():
        yield recorder, state, record.run_id


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "seil.app.run_recorder"]


def test_a_report_is_resumed_when_the_state_is_back(
    server: _Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "seil")
    with recording(server) as (recorder, state, run_id):
        server.is_away = True
        with recorder.attempt("extract", "Account") as attempt:
            for number in range(200):
                log.info("page %d", number)
            attempt.advance(7)
        server.is_away = False
        server.now += 14
        with recorder.attempt("load", "Account"):
            pass
        assert state.runs.attempts(run_id) == []
        server.now += 1
        with recorder.attempt("build", "tables"):
            assert [a.outcome for a in state.runs.attempts(run_id)] == ["success"] * 2 + ["running"]
    extract, *_ = state.runs.attempts(run_id)
    assert (extract.about, extract.done) == ("Account", 7)
    lines = [line.text for line in state.runs.lines(run_id) if line.number == extract.number]
    assert lines == ["page 197", "page 198", "page 199"]
    stopped, resumed = messages(caplog)
    assert "its report cannot be written; next try in 15 s: Cannot write to the state" in stopped
    assert resumed == "the run's report is written again, after 15 s"


def test_a_state_that_stays_away_is_tried_at_a_bounded_rate(
    server: _Server, caplog: pytest.LogCaptureFixture
) -> None:
    with recording(server) as (recorder, _, _):
        server.is_away, server.slowness, server.tries = True, 10.0, 0
        while server.now < 1_000:
            with recorder.attempt("extract", "Account"):
                log.warning("retried")
            server.now += 1
        assert server.tries == pytest.approx(1_000 / 50, abs=2)
    assert len(messages(caplog)) == 1


def test_the_end_of_a_run_does_not_wait_for_the_pause(server: _Server) -> None:
    with recording(server) as (recorder, state, run_id):
        server.is_away = True
        with recorder.attempt("extract", "Account"):
            pass
        server.is_away = False
    assert [a.outcome for a in state.runs.attempts(run_id)] == ["success"]


def test_what_is_buffered_meanwhile_is_bounded(server: _Server) -> None:
    with recording(server) as (recorder, state, run_id):
        server.is_away = True
        for number in range(3_000):
            with recorder.attempt("load", str(number)):
                log.info("merged %d", number)
        server.is_away = False
    attempts, lines = state.runs.attempts(run_id), state.runs.lines(run_id)
    assert [attempt.about for attempt in attempts] == [str(n) for n in range(1_000, 3_000)]
    assert len(lines) == 2_000
    assert lines[-1].text == "merged 2999"
