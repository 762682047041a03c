"""A job of `seil start`: its work, its interval, and what it must not run beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from seil.app.start.stopping import StopSignal
from seil.app.start.turns import Turns
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.site import Site


@dataclass(frozen=True)
class JobContext:
    """`every` is None for a job that runs all the time; `report` takes a line on its work."""

    stop: StopSignal
    turns: Turns
    every: timedelta | None = None
    display: Progress = SILENT
    report: Callable[[str], None] = lambda _: None

    @property
    def progress(self) -> Progress:
        return self.stop.progress(self.display)


@dataclass(frozen=True)
class JobResult:
    """`problems` are the reasons why it is incomplete; `is_early`: nothing was done, and the job
    looks again within a minute.
    """

    message: str = ""
    problems: Sequence[str] = ()
    is_early: bool = False


@dataclass(frozen=True)
class Job:
    """`usual` is the interval to suggest; None: the job runs all the time.

    Jobs that share one of `turns` do not run at once. `command` and `plan` are those of its
    recorded runs: where the last one is younger than the interval, a restart waits for the rest.
    """

    name: str
    about: str
    run: Callable[[Site, JobContext], JobResult]
    usual: timedelta | None
    turns: frozenset[str] = frozenset()
    command: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_continuous(self) -> bool:
        return self.usual is None


@dataclass(frozen=True)
class ScheduledJob:
    """`every` is None for a job that runs all the time."""

    job: Job
    every: timedelta | None
