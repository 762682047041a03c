"""What SQLite and PostgreSQL promise alike: whole transactions, several writers, one order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.state.conftest import OpenState

from seil import __version__
from seil.errors import NewerSiteError
from seil.state import State
from seil.state.database import Transaction, write
from seil.state.decisions import Decision
from seil.state.runs import Attempt, LogLine, RunFilter, RunRecord
from seil.state.schema import VERSION
from seil.state.troubles import Trouble

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
DECISION = Decision("size", "text", "me", "2026-01-01T00:00:00+00:00", "int64", "string")
# Adds pairs of decisions until it is killed; says after each that it is stored.
WRITER = """
import sys
from seil.settings import StateSettings
from seil.state import open_state
from seil.state.decisions import Decision
state = open_state(StateSettings(url=sys.argv[1]))
pair = [Decision(sys.argv[2], "text", "me", str(n), "int64", "string") for n in range(2)]
while True:
    state.decisions.add("Account", pair)
    print("stored", flush=True)
"""


def test_reading_creates_nothing_before_the_first_query(state: State) -> None:
    assert not state.database.is_stored
    assert state.decisions.get("Account") == []
    assert state.database.is_stored


def test_a_new_state_has_its_version_and_who_wrote_it(state: State) -> None:
    rows = state.database.rows("SELECT name, value FROM meta")
    assert dict(rows) == {"version": str(VERSION), "written_by": __version__}


def test_several_writers_lose_nothing(url: str, opened: OpenState) -> None:
    states = [opened(url) for _ in range(4)]

    def add(state: State) -> None:
        for name in ("Account", "Contact") * 3:
            state.decisions.add(name, [DECISION] * 5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, states))
    assert states[0].decisions.get("Account") == [DECISION] * 60
    assert states[0].decisions.get("account") == []


def test_threads_may_share_one_state(state: State) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: state.decisions.add("Account", [DECISION] * 5), range(12)))
    assert len(state.decisions.get("Account")) == 60


def test_a_process_killed_while_two_write_leaves_whole_transactions(
    url: str, opened: OpenState
) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, name], stdout=subprocess.PIPE)
        for name in ("one", "two")
    ]
    counts = {}
    for name, writer in zip(("one", "two"), writers, strict=True):
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(5)]
        writer.send_signal(signal.SIGKILL)
        counts[name] = len([*lines, *writer.stdout.read().splitlines()])
        writer.stdout.close()
        writer.wait()
    entries = [(entry.column, entry.at) for entry in opened(url).decisions.get("Account")]
    for name, count in counts.items():
        mine = [entry for entry in entries if entry[0] == name]
        assert mine == [(name, "0"), (name, "1")] * (len(mine) // 2)
        assert len(mine) // 2 - count in (0, 1)  # Killed between the commit and the word.


def test_a_block_that_fails_stores_nothing(state: State) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.execute("DELETE FROM decisions")
        raise KeyError

    state.decisions.add("Account", [DECISION])
    with pytest.raises(KeyError):
        write(state.database, fail)
    assert state.decisions.get("Account") == [DECISION]


def test_a_newer_state_is_refused_by_name(state: State, url: str, opened: OpenState) -> None:
    def age(transaction: Transaction) -> None:
        newer = "UPDATE meta SET value = :value WHERE name = :name"
        transaction.execute(newer, name="version", value=str(VERSION + 1))
        transaction.execute(newer, name="written_by", value="9.9")

    write(state.database, age)
    with pytest.raises(NewerSiteError, match=r"SEIL 9\.9"):
        opened(url).runs.find()


def test_texts_come_back_as_they_were(state: State) -> None:
    text = "50% of :rows\n'ok' \\ \"é\" 😀 " + "x" * 32_000
    state.troubles.store(Trouble("load", "Account", "load", text, since=NOW))
    assert state.troubles.all()[0].message == text


def test_what_no_database_keeps_is_replaced(state: State) -> None:
    state.troubles.store(Trouble("load", "A", "load", "a\0b\ud800c", since=NOW))
    assert state.troubles.all()[0].message == "a\N{REPLACEMENT CHARACTER}b?c"


def test_rows_of_one_moment_sort_by_code_point(state: State) -> None:
    for name in ("a", "B", "_", "é", "Z"):
        state.troubles.store(Trouble("load", name, "load", "", since=NOW))
    assert [trouble.about for trouble in state.troubles.all()] == ["B", "Z", "_", "a", "é"]


def test_a_trouble_keeps_since_when_while_its_kind_stays(state: State) -> None:
    for hours, kind in ((0, "load"), (1, "load"), (2, "login")):
        since = NOW + timedelta(hours=hours)
        state.troubles.store(Trouble("load", "A", kind, "", since=since))
        expected = NOW if kind == "load" else since
        assert [trouble.since for trouble in state.troubles.all()] == [expected]


def runs_at(state: State, hours: int) -> list[RunRecord]:
    runs = [RunRecord(f"run{n}", "run", NOW + timedelta(hours=n)) for n in range(hours)]
    for run in runs:
        state.runs.store(run.end("success"))
        lines = [LogLine(1, n, NOW, "INFO", "") for n in (1, 2, 3)]
        state.runs.store_report(run.run_id, [Attempt("extract", "A", 1, 1, NOW)], lines)
    return runs


def test_runs_are_paged_from_the_newest(state: State) -> None:
    runs_at(state, 5)
    first = state.runs.find(limit=2)
    rest = state.runs.find(RunFilter(before=first[-1].run_id, since=NOW), limit=9)
    assert [run.run_id for run in (*first, *rest)] == [f"run{n}" for n in (4, 3, 2, 1, 0)]


def test_old_runs_are_pruned_with_their_reports(state: State) -> None:
    runs_at(state, 5)
    assert state.runs.prune(timedelta(days=999), 2, now=NOW) == 3
    assert [run.run_id for run in state.runs.find()] == ["run4", "run3"]
    assert (state.runs.attempts("run0"), state.runs.lines("run0")) == ([], [])
    assert len(state.runs.lines("run4")) == 3


def test_first_lines_are_cut(state: State) -> None:
    runs_at(state, 1)
    state.runs.store_report("run0", cut={1: 2})
    assert [line.line for line in state.runs.lines("run0")] == [3]


def test_a_run_comes_back_whole(state: State) -> None:
    run = RunRecord.begin("run", {"objects": ["Accöunt"], "full": True})
    state.runs.store(run)
    assert state.runs.get(run.run_id) == run
    assert json.dumps(run.plan) == json.dumps(state.runs.find()[0].plan)
