"""`[start]` in seil.toml: what is scheduled, what is refused, and when a restart goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seil.app.start.jobs import Job, JobResult, ScheduledJob
from seil.app.start.schedule import first_wait, scheduled_jobs
from seil.errors import ConfigurationError
from seil.settings import load_settings
from seil.state.runs import RunOutcome, RunRecord
from seil.state.store import state_in_memory

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def configure(home: Path, text: str) -> None:
    (home / "pushes").mkdir(exist_ok=True)
    (home / "pushes" / "rating.toml").touch()
    (home / "seil.toml").write_text(f'[push]\nfolder = "pushes"\n{text}')


def test_jobs_in_the_order_in_which_they_depend_on_each_other(home: Path) -> None:
    configure(home, '[start]\nalways = ["listen"]\nevery = {"push rating" = "1h", run = "10m"}')
    jobs = scheduled_jobs(load_settings())
    assert [(entry.job.name, entry.every) for entry in jobs] == [
        ("run", timedelta(minutes=10)),
        ("listen", None),
        ("push rating", HOUR),
    ]


def test_nothing_scheduled_says_what_there_is_and_how(home: Path) -> None:
    configure(home, "")
    with pytest.raises(ConfigurationError) as caught:
        scheduled_jobs(load_settings())
    text = str(caught.value)
    assert "Salesforce to the warehouse" in text
    assert 'run = "10m"' in text
    assert '"push rating" = "1h"' in text
    example = text[text.index("    [start]") :]
    configure(home, "\n".join(line.strip() for line in example.splitlines()))
    assert {entry.job.name for entry in scheduled_jobs(load_settings())} >= {"run", "listen"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('every = {rnu = "1h"}', "there is no job 'rnu' (did you mean 'run'?)"),
        (
            'every = {"push other" = "1h"}',
            "there is no job 'push other' (there are run, ",
        ),
        ('always = ["xyz"]', "there is no job 'xyz' (there are run, "),
        ('every = {listen = "1h"}', 'listen has no interval (set always = ["listen"])'),
        ('always = ["run"]', 'run needs an interval (set every = { run = "10m" })'),
        ("every = {run = 0}", "the interval of run is not above 0"),
    ],
    ids=["misspelt", "no such push", "unknown", "continuous", "without interval", "zero"],
)
def test_wrong_entries(home: Path, text: str, problem: str) -> None:
    configure(home, f"[start]\n{text}")
    with pytest.raises(ConfigurationError) as caught:
        scheduled_jobs(load_settings())
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("ago", "outcome", "plan", "wait"),
    [
        (timedelta(minutes=10), "success", {"push": "rating"}, timedelta(minutes=50)),
        (timedelta(minutes=10), "incomplete", {"push": "rating"}, timedelta(minutes=50)),
        (timedelta(minutes=10), "error", {"push": "rating"}, timedelta()),
        (timedelta(minutes=10), "success", {"push": "other"}, timedelta()),
        (2 * HOUR, "success", {"push": "rating"}, timedelta()),
        (-3 * HOUR, "success", {"push": "rating"}, HOUR),
    ],
    ids=["recent", "incomplete", "failed", "another push", "overdue", "clock set back"],
)
def test_a_restart_waits_for_the_rest_of_the_interval(
    ago: timedelta, outcome: RunOutcome, plan: dict[str, str], wait: timedelta
) -> None:
    job = Job(
        "push rating",
        "",
        lambda *_: JobResult(),
        HOUR,
        command="push plan",
        plan={"push": "rating"},
    )
    with state_in_memory() as state:
        state.runs.store(RunRecord("r", "push plan", NOW - ago, outcome, NOW, plan=plan))
        assert first_wait(ScheduledJob(job, HOUR), state.runs, NOW) == wait
