"""What `seil start` prints of each change of a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.start.scheduler import JobChange, JobState


@dataclass(frozen=True)
class StartDocument(JsonDocument, schema="seil.start/1", command="seil start, a line each"):
    """`wait` is the time until the job's next run, null while it runs and once it is stopped.

    `working`: a line on a job that runs all the time; `refused`: another process holds its lock;
    `waiting`: it is not due, or waits for the first run.
    `failures` are those in a row.
    """

    at: datetime
    job: str
    state: JobState
    message: str
    wait: timedelta | None
    next_at: datetime | None
    failures: int

    @classmethod
    def of(cls, change: JobChange) -> Self:
        return cls(**vars(change), next_at=change.next_at)
