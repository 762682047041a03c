"""`seil start`: which jobs run, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from seil.durations import Duration
from seil.settings.section import NameList, Section, split_pairs


class StartSettings(Section):
    """What `seil start` runs; without entries, it says what there is."""

    every: Annotated[dict[str, Duration], BeforeValidator(split_pairs)] = Field(
        {},
        description="Jobs by name, each with an interval: `run`, `feed`, `gam-to-sf`, "
        "`sf-to-t1`, `push <name>`; in the variable `run=10m,feed=1d`.",
    )
    always: NameList = Field((), description="Jobs that run all the time, `listen`, `subscribe`.")
    stop_timeout: Duration = Field(
        timedelta(seconds=25),
        description="After a stop, how long work may take to its next commit point.",
    )
