"""A state in a file and back from it, while others write."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.state.conftest import ENGINES, Engine, NewState, OpenState

from seil.errors import StateError
from seil.state import State
from seil.state.backup import back_up, restore
from seil.state.decisions import Decision
from seil.state.restored import restored_at
from seil.state.runs import Attempt, LogLine, RunRecord
from seil.state.troubles import Trouble

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
DECISION = Decision("size", "text", "mé", "2026-01-01T00:00:00+00:00", "int64", "string")


def filled(state: State) -> RunRecord:
    run = RunRecord.begin("run", {"objects": ["Account"]})
    attempt = Attempt("extract", "Account", 1, 1, NOW, done=7)
    state.runs.store(run)
    state.runs.store_report(run.run_id, [attempt], [LogLine(1, 1, NOW, "INFO", "50% read\n'ok'")])
    state.decisions.add("Account", [DECISION])
    state.troubles.store(Trouble("load", "Account", "load", "no", since=NOW))
    return run


def rows_of(backup: Path) -> list[str]:
    with closing(sqlite3.connect(backup)) as file:
        return list(file.iterdump())


def contents(state: State) -> list[object]:
    runs = state.runs.find()
    reports = [(state.runs.attempts(r.run_id), state.runs.lines(r.run_id)) for r in runs]
    return [runs, reports, state.decisions.get("Account"), state.troubles.all()]


@pytest.mark.parametrize("target", ENGINES, ids=lambda engine: f"to {engine}")
def test_a_backup_restored_gives_the_same(
    state: State, target: Engine, new_state: NewState, tmp_path: Path
) -> None:
    filled(state)
    back_up(state.database, tmp_path / "backup")
    other = new_state(target)
    assert restore(other.database, tmp_path / "backup")["run_attempts"] == 1
    assert contents(other) == contents(state)
    back_up(other.database, tmp_path / "again")
    again = [row for row in rows_of(tmp_path / "again") if "'restored_at'" not in row]
    assert again == rows_of(tmp_path / "backup")
    assert restored_at(state.database) is None
    assert restored_at(other.database) is not None
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup"]


def test_a_state_that_holds_something_is_replaced_only_on_demand(
    state: State, tmp_path: Path
) -> None:
    filled(state)
    back_up(state.database, tmp_path / "backup")
    before = contents(state)
    state.decisions.add("Account", [DECISION])
    with pytest.raises(StateError, match=r"it holds runs.*--replace"):
        restore(state.database, tmp_path / "backup")
    restore(state.database, tmp_path / "backup", replace=True)
    assert contents(state) == before


def test_a_backup_is_whole_while_others_write(
    state: State, url: str, opened: OpenState, tmp_path: Path
) -> None:
    stop = threading.Event()
    writer = opened(url)

    def write() -> None:
        while not stop.is_set():
            writer.decisions.add("Account", [DECISION] * 2)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = [back_up(state.database, tmp_path / f"b{n}")["decisions"] for n in range(5)]
    finally:
        stop.set()
        thread.join()
    assert all(count % 2 == 0 for count in counts)


@pytest.mark.parametrize("kind", ["none", "text", "journal"])
def test_a_file_that_is_no_backup_changes_nothing(state: State, tmp_path: Path, kind: str) -> None:
    filled(state)
    before = contents(state)
    source = tmp_path / "backup"
    if kind == "text":
        source.write_text("not a database" * 100)
    if kind == "journal":
        from seil.events.journal import Journal

        with Journal(source) as journal:
            journal.publish([])
            journal.last()
    with pytest.raises(StateError):
        restore(state.database, source, replace=True)
    assert contents(state) == before


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0"], ids=["empty", "cut"])
def test_an_empty_or_cut_backup_changes_nothing(
    state: State, tmp_path: Path, content: bytes
) -> None:
    filled(state)
    before = contents(state)
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(StateError, match="it is no backup of a state"):
        restore(state.database, tmp_path / "backup", replace=True)
    assert contents(state) == before


def test_lines_beyond_memory_are_copied_in_batches(state: State, tmp_path: Path) -> None:
    run = filled(state)
    lines = [LogLine(2, line, NOW, "INFO", "one of many") for line in range(1, 5001)]
    state.runs.store_report(run.run_id, lines=lines)
    assert back_up(state.database, tmp_path / "backup")["run_lines"] == 5001
    restore(state.database, tmp_path / "backup", replace=True)
    assert state.runs.lines(run.run_id)[1:] == lines
