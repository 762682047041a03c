"""From `[start]` in seil.toml to jobs, and how long each waits at first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from seil.app import wording
from seil.app.start.jobs import Job, ScheduledJob
from seil.app.start.registry import available_jobs
from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.settings import Settings
    from seil.state.runs import RunStore

_DONE = ("success", "incomplete")
_RECENT = 50


def scheduled_jobs(settings: Settings) -> list[ScheduledJob]:
    """Raises ConfigurationError with every problem, or with what can be scheduled if nothing is."""
    jobs = {job.name: job for job in available_jobs(settings)}
    every, always = settings.start.every, settings.start.always
    problems = [*_unknown(jobs, every, "every"), *_unknown(jobs, always, "always")]
    problems += _misplaced(jobs, every, always)
    if not every and not always:
        problems = [Problem("[start]", f"schedules nothing\n{_choices(jobs.values())}")]
    if problems:
        raise ConfigurationError(problems)
    chosen = [job for name, job in jobs.items() if name in every or name in always]
    return [ScheduledJob(job, every.get(job.name)) for job in chosen]


def first_wait(entry: ScheduledJob, runs: RunStore, now: datetime) -> timedelta:
    """The rest of the interval since the last run; an interval at most, whatever the clock says."""
    if entry.every is None or not entry.job.command:
        return timedelta()
    from seil.state.runs import RunFilter

    for run in runs.find(RunFilter(entry.job.command), limit=_RECENT):
        if run.outcome in _DONE and entry.job.plan.items() <= run.plan.items():
            rest = run.started_at + entry.every - now
            return min(max(rest, timedelta()), entry.every)
    return timedelta()


def _unknown(jobs: Mapping[str, Job], names: Iterable[str], key: str) -> Iterator[Problem]:
    for name in names:
        if name not in jobs:
            close = get_close_matches(name, jobs, 1)
            cure = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(jobs)}"
            yield Problem(f"[start] {key}", f"there is no job {name!r}", cure)


def _misplaced(
    jobs: Mapping[str, Job], every: Mapping[str, timedelta], always: Sequence[str]
) -> Iterator[Problem]:
    for name, interval in every.items():
        if name in jobs and jobs[name].is_continuous:
            yield Problem("[start] every", f"{name} has no interval", f'set always = ["{name}"]')
        elif interval <= timedelta():
            yield Problem("[start] every", f"the interval of {name} is not above 0")
    for name in always:
        if name in jobs and not jobs[name].is_continuous:
            yield Problem(
                "[start] always", f"{name} needs an interval", f"set {_every(jobs[name])}"
            )


def _choices(jobs: Iterable[Job]) -> str:
    """What can be scheduled, and lines to copy."""
    jobs = list(jobs)
    width = max(len(job.name) for job in jobs)
    about = [f"{job.name:<{width}}  {job.about}" for job in jobs]
    always = ", ".join(f'"{job.name}"' for job in jobs if job.is_continuous)
    example = ["[start]", _every(*jobs), f"always = [{always}]"]
    lines = ["What can be scheduled:", *about, "For example, in seil.toml:", *example]
    return "\n".join(f"    {line}" for line in lines)


def _every(*jobs: Job) -> str:
    entries = [f"{_key(job.name)} = {_interval(job.usual)!r}" for job in jobs if job.usual]
    return f"every = {{ {', '.join(entries)} }}".replace("'", '"')


def _key(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _interval(value: timedelta) -> str:
    return wording.duration(value).partition(" ")[0]
