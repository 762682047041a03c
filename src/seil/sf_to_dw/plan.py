"""What a run would read and what it would cost, before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.errors import RejectError
from seil.lake import Lake
from seil.salesforce.soql import window_condition
from seil.settings import ExtractSettings
from seil.sf_to_dw.flows import FlowStates, Mode, cursor_field, next_window

if TYPE_CHECKING:
    from seil.salesforce.org import Org

# describe, create job, a few polls, delete job; pages and their lists come on top.
_CALLS_PER_JOB = 6
_LOCATORS_PER_CALL = 5


@dataclass(frozen=True)
class PlannedObject:
    """`estimated_rows` is None where the org would not count; `problem` says why."""

    object: str
    mode: Mode
    window_start: datetime | None
    window_end: datetime
    estimated_rows: int | None
    jobs: int
    calls: int
    resumes: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Quota:
    """API calls of the org's day; `reserve` is what stays untouched for others."""

    allowed: int
    remaining: int
    reserve: int

    @property
    def used(self) -> int:
        return self.allowed - self.remaining

    @property
    def available(self) -> int:
        return max(self.remaining - self.reserve, 0)


@dataclass(frozen=True)
class Plan:
    """`quota` is None where the org does not say."""

    objects: list[PlannedObject]
    quota: Quota | None

    @property
    def calls(self) -> int:
        return sum(planned.calls for planned in self.objects)

    @property
    def rows(self) -> int:
        return sum(planned.estimated_rows or 0 for planned in self.objects)

    @property
    def fits(self) -> bool:
        return self.quota is None or self.calls <= self.quota.available


def plan(
    org: Org,
    lake: Lake,
    objects: Sequence[SyncedObject],
    settings: ExtractSettings,
    *,
    full: bool = False,
) -> Plan:
    """Costs two API calls per object: one describe, one count."""
    states = FlowStates(lake)
    now = org.now()
    planned = [_planned(org, states, obj, settings, now=now, full=full) for obj in objects]
    return Plan(planned, quota(org))


def quota(org: Org) -> Quota | None:
    """None where the org has no limits resource."""
    calls = org.limits().get("DailyApiRequests")
    if calls is None:
        return None
    return Quota(calls.max, calls.remaining, org.budget.reserved(calls.max))


def _planned(
    org: Org,
    states: FlowStates,
    obj: SyncedObject,
    settings: ExtractSettings,
    *,
    now: datetime,
    full: bool,
) -> PlannedObject:
    state = states.get(obj)
    window = next_window(obj.flow, state, now=now, full=full)
    rows: int | None = None
    problem = ""
    try:
        cursor = cursor_field(obj.flow, org.describe(obj.api_name))
        rows = org.count(obj.api_name, window_condition(cursor, window.start, window.end))
    except RejectError as error:
        problem = str(error)
    pages = -(-(rows or 0) // settings.page_rows)
    return PlannedObject(
        obj.api_name,
        window.mode,
        window.start,
        window.end,
        rows,
        jobs=1,
        calls=_CALLS_PER_JOB + pages + -(-pages // _LOCATORS_PER_CALL),
        resumes=state.running is not None,
        problem=problem,
    )
