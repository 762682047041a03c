"""`seil start`: the jobs of a site in one process, and how it ends."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.bookings import NAME, bookings, client, make_org
from tests.cli.conftest import Seil
from tests.limits import HANGS, until

from seil.app.site import Site
from seil.app.start.jobs import JobContext, JobResult
from seil.app.start.registry import available_jobs
from seil.app.start.stopping import StopSignal
from seil.app.start.turns import Turns
from seil.errors import AlreadyRunningError, SeilError
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import load_settings
from seil.sf_to_dw.lock import run_lock
from seil.state.store import state_in_memory

Start = Callable[..., "subprocess.Popen[str]"]

PUSH = """
object = "Booking__c"
query = "SELECT id AS \\"Id\\", 'new' AS note FROM salesforce.booking"
[fields]
Note__c = "note"
[brakes]
share = 1.0
changes = {changes}
"""


def line_of(process: subprocess.Popen[str], job: str, state: str) -> dict[str, Any]:
    """The next such line of the process."""
    assert process.stdout
    for text in process.stdout:
        line: dict[str, Any] = json.loads(text)
        assert line["schema"] == "seil.start/1", line
        if (line["job"], line["state"]) == (job, state):
            return line
    pytest.fail(f"it ended with {process.wait()}: {process.stderr and process.stderr.read()}")


@pytest.fixture
def served(home: Path, generated: Path) -> Iterator[OrgServer]:
    shutil.copytree(generated, home / "org")
    with OrgServer(home / "org") as server:
        start = '[start]\nevery = {run = "1h"}\nalways = ["listen"]\n'
        (home / "seil.toml").write_text(f'{start}[salesforce]\nlogin_url = "{server.url}"\n')
        yield server


def test_a_run_is_stopped_in_the_middle_and_resumed(
    seil: Seil, seil_process: Start, served: OrgServer
) -> None:
    in_progress = {"state": "InProgress"}
    served.faults.add(OrgFault(method="GET", path=r"jobs/query/\w+$", members=in_progress))
    with seil_process("start", "--json", "--quiet") as first:
        line_of(first, "run", "running")
        until(lambda: "extract" in seil("runs", "show").out)
        second = seil("start")
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate(timeout=HANGS)
    assert first.returncode == 143, err
    assert (second.code, str(first.pid) in second.err) == (5, True)
    assert "Traceback" not in err
    (run,) = seil("runs", "list", "--command", "run", "--json").json["runs"]
    assert (run["outcome"], run["exit_code"]) == ("interrupted", 143)
    served.faults.clear()
    with seil_process("start", "--json", "--quiet") as again:
        done = line_of(again, "run", "success")
        assert 0 < done["wait"] <= 3600
        again.send_signal(signal.SIGINT)
        _, err = again.communicate(timeout=HANGS)
    assert again.returncode == 130, err
    assert seil("status").code == 0


def test_work_that_reaches_no_commit_point_is_abandoned(
    seil: Seil, seil_process: Start, served: OrgServer, home: Path
) -> None:
    served.faults.add(OrgFault(path="/services/oauth2/token", delay=HANGS))
    text = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(text.replace("[start]", "[start]\nstop_timeout = 0.1"))
    with seil_process("start", "--json", "--quiet") as process:
        line_of(process, "run", "running")
        until(lambda: served.faults.entries()[0]["struck"])
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=HANGS)
    served.faults.clear()
    assert process.returncode == 143
    assert "reached no commit point" in err


def test_a_line_names_the_next_run(seil_process: Start, home: Path) -> None:
    broken = '[warehouse]\nurl = "duckdb:broken.duckdb"\npublish = false\n'
    (home / "broken.duckdb").write_text("no database")
    start = '[start]\nalways = ["listen"]\nevery = {feed = "1d"}\n'
    (home / "seil.toml").write_text(start + broken)
    with seil_process("start") as process:
        assert process.stdout
        lines = iter(process.stdout)
        failed = next(line for line in lines if "  feed  failed  " in line)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=HANGS)
    assert re.search(r"next in (1m|[1-5]?\ds), at ", failed)
    assert err.count("feed failed, next try in 1m") == 1
    assert process.returncode == 143, err


def test_without_a_schedule_it_says_what_there_is(seil: Seil) -> None:
    ran = seil("start")
    assert ran.code == 2
    assert "What can be scheduled:" in ran.err
    assert 'always = ["listen", ' in ran.err


def test_before_the_first_run_a_reader_waits(seil: Seil, seil_process: Start, home: Path) -> None:
    (home / "seil.toml").write_text('[start]\nevery = {feed = "1d"}\n')
    with seil_process("start", "--json", "--quiet") as process:
        waiting = [line_of(process, "feed", "waiting") for _ in range(2)][1]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=HANGS)
    assert waiting["message"] == "waits for the first run"
    assert 0 < waiting["wait"] <= 60
    assert seil("runs", "list", "--json").json["runs"] == []


class Registry:
    """The jobs of the site in the working folder, called one by one."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, name: str, turns: Turns | None = None) -> JobResult:
        settings = load_settings()
        (job,) = [job for job in available_jobs(settings) if job.name == name]
        with Site(settings) as site:
            return job.run(site, JobContext(StopSignal(), turns or Turns(), timedelta(hours=1)))


@pytest.fixture
def jobs(home: Path, seil: Seil) -> Iterator[Registry]:
    with OrgServer(make_org(home / "org")) as server:
        with client(server) as org, state_in_memory() as state:
            target = WriteTarget(NAME, "upsert", "Key__c")
            Writer(org, state.outcomes.log("setup", "run-0")).write(target, [bookings(2)], rows=2)
        settings = f'[salesforce]\nlogin_url = "{server.url}"\n[push]\nfolder = "pushes"\n'
        (home / "seil.toml").write_text(settings)
        (home / "objects.toml").write_text('[objects.Booking__c.flow]\nlag = "0s"\n')
        (home / "pushes").mkdir()
        (home / "pushes" / "notes.toml").write_text(PUSH.format(changes=1))
        assert seil("run", NAME).code == 0
        yield Registry(home)


def test_a_push_is_applied_below_its_brakes_only(jobs: Registry, seil: Seil) -> None:
    above = jobs.run("push notes")
    (problem,) = above.problems
    assert "2 records, brake 1: `seil push apply notes " in problem
    assert seil("outcomes", "--json").json["states"] == {}
    assert seil("runs", "show", "--json").json["run"]["outcome"] == "incomplete"
    (jobs.home / "pushes" / "notes.toml").write_text(PUSH.format(changes=2))
    assert jobs.run("push notes") == JobResult("2 written")
    commands = [run["command"] for run in seil("runs", "--json").json["runs"]]
    assert commands == ["push apply", "push plan", "push plan", "run"]
    assert jobs.run("push notes") == JobResult("2 unchanged"), "the mirror is older"


def test_the_feed_is_a_run(jobs: Registry, seil: Seil) -> None:
    assert jobs.run("feed") == JobResult("0 rows in 14 files")
    shutil.rmtree(jobs.home / "seil-data" / "feed")
    (jobs.home / "seil-data" / "feed").touch()
    with pytest.raises(SeilError):
        jobs.run("feed")
    runs = seil("runs", "list", "--command", "export feed", "--json").json["runs"]
    assert [run["outcome"] for run in runs] == ["error", "success"]


def test_without_a_copy_readers_and_a_run_take_turns(jobs: Registry) -> None:
    with (jobs.home / "seil.toml").open("a") as file:
        file.write("[warehouse]\npublish = false\n")
    turns, results = Turns(), list[JobResult]()
    turns.take(["run"])
    reader = threading.Thread(target=lambda: results.append(jobs.run("feed", turns)))
    with Site(load_settings()) as site, run_lock(site.lake), site.warehouse():
        reader.start()
        with pytest.raises(AlreadyRunningError):
            jobs.run("push notes")
    assert not results, "it waits for its turn"
    turns.release(["run"])
    reader.join()
    assert results == [JobResult("0 rows in 14 files")]
