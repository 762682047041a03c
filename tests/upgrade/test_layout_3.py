"""A site of layout 3 becomes one of this layout by itself, also when it is killed meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.upgrade.conftest import OldSite
from tests.upgrade.layout_3 import DECISIONS, RUNS, STAGING, documents, unpack

from seil.app.site import open_site
from seil.lake.site_layout import LAYOUT

# Opens the state of one copy of a site after the other for writing, each in a fork that dies
# before or after the write of that number, until one ends without.
KILLED = """
import itertools, os, shutil, signal, sys
from contextlib import contextmanager
from seil.app.site import open_site
from seil.lake.buckets import Bucket
from seil.sqlite_file import SqliteFile

moments = itertools.count()

def moment():
    if next(moments) == last:
        os.kill(os.getpid(), signal.SIGKILL)

def between(function):
    def call(*arguments, **options):
        moment()
        result = function(*arguments, **options)
        moment()
        return result
    return call

@contextmanager
def transaction(self, **options):
    moment()
    with original(self, **options) as connection:
        yield connection
        moment()
    moment()

original, SqliteFile.transaction = SqliteFile.transaction, transaction
for name in ("put", "put_if", "delete"):
    setattr(Bucket, name, between(getattr(Bucket, name)))

for last in itertools.count(0, int(sys.argv[2])):
    folder = shutil.copytree(sys.argv[1], str(last))
    child = os.fork()
    if not child:
        os.chdir(folder)
        with open_site("seil.toml") as site:
            site.state
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code, flush=True)
    if code != -signal.SIGKILL:
        break
"""


def contents(folder: Path) -> list[object]:
    """Of the state, once it is opened for writing."""
    with open_site(folder / "seil.toml") as site:
        state = site.state
        runs = state.runs.find()
        return [runs, state.troubles.all(), state.decisions.get("Widget__c")]


def owners(folder: Path) -> set[str]:
    """Ids in `site.json` and in the state."""
    body = json.loads((folder / STAGING / "site.json").read_text())
    assert (body["layout"], body["has_state"]) == (LAYOUT, True)
    with closing(sqlite3.connect(folder / "state.sqlite")) as file:
        (stored,) = file.execute("SELECT value FROM meta WHERE name = 'site_id'").fetchone()
    return {body["site_id"], stored}


def test_before_the_upgrade_its_runs_and_failures_are_shown(tmp_path: Path) -> None:
    site = OldSite(unpack(tmp_path))
    before = documents(tmp_path)
    runs = site.seil("runs", "list", "--json")
    assert [run["run_id"] for run in json.loads(runs.stdout)["runs"]] == RUNS
    assert "layout 3" in site.seil("runs", "list").stdout
    assert "no resources" in site.seil("status").stdout
    assert documents(tmp_path) == before
    assert not (tmp_path / "state.sqlite").exists()


def test_a_site_that_kept_no_run_says_so(tmp_path: Path) -> None:
    site = OldSite(unpack(tmp_path))
    shutil.rmtree(tmp_path / STAGING / "health")
    listing = site.seil("runs", "list").stdout
    assert "No runs." in listing
    assert "layout 3, which has kept no run: later runs are listed" in listing


def test_the_first_command_that_writes_upgrades_it(tmp_path: Path) -> None:
    site = OldSite(unpack(tmp_path))
    ran = site.seil("load")
    assert ran.exit_code == 0, ran.stderr
    runs, troubles, decisions = contents(tmp_path)
    assert [run.run_id for run in runs][-2:] == RUNS  # type: ignore[attr-defined]
    assert [trouble.about for trouble in troubles] == ["Widget__c"]  # type: ignore[attr-defined]
    words = [f"{entry.policy} {entry.target}".strip() for entry in decisions]  # type: ignore[attr-defined]
    assert words == DECISIONS
    assert documents(tmp_path) == []
    assert len(owners(tmp_path)) == 1


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.matrix)])
def test_a_kill_at_any_step_loses_and_doubles_nothing(tmp_path: Path, stride: int) -> None:
    expected = contents(unpack(tmp_path / "whole"))
    assert [len(part) for part in expected] == [2, 1, 2]  # type: ignore[arg-type]
    unpack(tmp_path / "old")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "old"), str(stride)]
    ran = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    *killed, last = map(int, ran.stdout.split())
    assert (set(killed), len(killed) * stride > 20, last) == ({-signal.SIGKILL}, True, 0)
    for step in range(0, (len(killed) + 1) * stride, stride):
        folder = tmp_path / str(step)
        assert contents(folder) == expected, f"killed at step {step}"
        assert documents(folder) == []
        assert len(owners(folder)) == 1
