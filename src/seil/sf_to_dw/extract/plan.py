"""A dry run's plan: what a run would read, and its cost in API calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from seil.catalog import SyncedObject
from seil.errors import RejectError
from seil.lake import Lake
from seil.salesforce.soql import window_condition
from seil.settings import ExtractSettings
from seil.sf_to_dw.extract.cursor import Cursor, choose_cursor
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates, Window, next_window
from seil.sf_to_dw.extract.partials import DELETIONS, PartialStates

if TYPE_CHECKING:
    from seil.salesforce.org import Org

# Describe, create job, a few polls, delete job; pages and lists of locators are extra.
_CALLS_PER_JOB = 6
_LOCATORS_PER_CALL = 5


@dataclass(frozen=True)
class PlannedObject:
    """`estimated_rows` is None where the org refuses to count; `problem` says why. `note` is the
    cursor's.

    `also_due` names what is due besides the window, included in `jobs` and `calls`: the list of
    deletions is one call; a comparison of Ids or formulas is a job that reads every record.
    """

    object: str
    mode: FlowMode
    window_start: datetime | None
    window_end: datetime
    estimated_rows: int | None
    jobs: int
    calls: int
    resumes: bool = False
    problem: str = ""
    also_due: tuple[str, ...] = ()
    note: str = ""

    json_keys: ClassVar[Mapping[str, str]] = {"also_due": "beside"}


@dataclass(frozen=True)
class ApiQuota:
    """The org's API calls in 24 hours; `reserve` of them are left to other systems."""

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
class ExtractPlan:
    """`quota` is None where the org has no limits resource."""

    objects: list[PlannedObject]
    quota: ApiQuota | None

    @property
    def calls(self) -> int:
        return sum(planned.calls for planned in self.objects)

    @property
    def jobs(self) -> int:
        return sum(planned.jobs for planned in self.objects)

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
) -> ExtractPlan:
    """Costs two API calls per object: a describe and a count; a second count where a comparison is
    due.
    """
    now = org.now()
    planner = _Planner(org, FlowStates(lake), PartialStates(lake), settings, now)
    return ExtractPlan([planner.plan(obj, full=full) for obj in objects], quota(org))


def quota(org: Org) -> ApiQuota | None:
    """None where the org has no limits resource."""
    calls = org.limits().get("DailyApiRequests")
    if calls is None:
        return None
    return ApiQuota(calls.max, calls.remaining, org.budget.reserved(calls.max))


@dataclass(frozen=True)
class _Planner:
    org: Org
    flows: FlowStates
    partials: PartialStates
    settings: ExtractSettings
    now: datetime

    def plan(self, obj: SyncedObject, *, full: bool) -> PlannedObject:
        state = self.flows.get(obj)
        window = next_window(obj.flow, state, now=self.now, full=full)
        partial = self.partials.get(obj)
        comparisons = partial.due(obj.flow, self.now)
        rows: int | None = None
        all_rows = 0
        problem = ""
        cursor = Cursor("")
        try:
            cursor = choose_cursor(obj.flow, self.org.describe(obj.api_name))
            if not cursor.name:
                window = Window(None, window.end)
            rows = self._count(obj, window_condition(cursor.name, window.start, window.end))
            all_rows = self._count(obj) if comparisons and window.start else rows
        except RejectError as error:
            problem = error.without(obj.api_name)
        reads_deletions = obj.flow.deletions and (window.start or partial.deletions_until)
        lists = ("deletions",) if reads_deletions else ()
        compared = tuple("Ids" if mode == DELETIONS else mode for mode in comparisons)
        return PlannedObject(
            obj.api_name,
            window.mode,
            window.start,
            window.end,
            rows,
            jobs=1 + len(comparisons),
            calls=self._calls(rows or 0) + len(lists) + len(comparisons) * self._calls(all_rows),
            resumes=state.running is not None,
            problem=problem,
            also_due=(*lists, *compared),
            note=cursor.note,
        )

    def _count(self, obj: SyncedObject, where: str = "") -> int:
        return self.org.count(obj.api_name, where)

    def _calls(self, rows: int) -> int:
        """Of a job with so many rows. Even without rows it reads one page; a single page needs no
        list of locators.
        """
        pages = max(1, -(-rows // self.settings.page_rows))
        lists = -(-pages // _LOCATORS_PER_CALL) if pages > 1 else 0
        return _CALLS_PER_JOB + pages + lists
