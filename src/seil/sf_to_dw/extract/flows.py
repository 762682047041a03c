"""Flow state: the committed watermark of each object, and the progress of a run under way.

One document per object in staging, `flows/Salesforce-<landing name>.json`, written after every
page, so that a killed run resumes its job at the first page that has not landed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from seil.lake.notices import announce
from seil.observe.run_context import current_run

if TYPE_CHECKING:
    from seil.catalog import FlowSettings, SyncedObject
    from seil.lake import Document, Lake

FlowMode = Literal["full", "delta", "deletions", "formulas", "fields", "reread"]

# Files of these modes hold some columns of each record: see seil.sf_to_dw.extract.partials.
PARTIAL_MODES: frozenset[FlowMode] = frozenset({"deletions", "formulas", "fields"})

_RUN_ID = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
_OWN_RUN = re.compile(_RUN_ID)
OWN_CURATED = rf"/curated_{_RUN_ID}-\d{{5}}\.parquet$"
"""Matches the curated key of a page that a flow has landed."""
_PASSES_TO_GROW = 4
_LONGEST = 100 * 366 * 86_400.0


@dataclass(frozen=True)
class Window:
    """Half open, [start, end), UTC, on the cursor; no start reads everything before `end`."""

    start: datetime | None
    end: datetime

    @property
    def mode(self) -> FlowMode:
        return "delta" if self.start else "full"


@dataclass(frozen=True)
class Slice:
    """The part of a window that one job reads: `start <= cursor < end`, `first_id <= Id < last_id`.

    No start, or an empty Id, leaves that bound open. `lowest_id` and `highest_id` are the extremes
    at the time the window was first cut by Id.
    """

    start: datetime | None
    end: datetime
    first_id: str = ""
    last_id: str = ""
    lowest_id: str = ""
    highest_id: str = ""


@dataclass(frozen=True)
class Pace:
    """The size of a slice: seconds of the cursor, and a range of Ids; None is unlimited.

    `passes` counts the jobs of this size that succeeded; every fourth doubles it.
    """

    seconds: float | None = None
    ids: int | None = None
    passes: int = 0

    def after_pass(self) -> Self:
        if self.passes + 1 < _PASSES_TO_GROW:
            return replace(self, passes=self.passes + 1)
        seconds = 2 * self.seconds if self.seconds and self.seconds < _LONGEST else None
        return replace(self, seconds=seconds, ids=2 * self.ids if self.ids else None, passes=0)


@dataclass(frozen=True)
class LandedPage:
    """A result page in the landing zone; `next` is the locator of the page after it."""

    number: int
    locator: str
    next: str | None
    key: str
    rows: int


@dataclass(frozen=True)
class FlowRun:
    """A run under way. A locator is valid only for the `page_rows` of its job.

    The job `job_id` reads the slice `cut`, None for the whole window; it is empty until that job is
    started. `reported` rows and `first_page` pages are of the slices before. `cursor` is the
    window's field; None in a state written by an older version.
    """

    flow_run_id: str
    window: Window
    job_id: str
    fingerprint: str
    page_rows: int
    started_at: datetime
    pages: tuple[LandedPage, ...] = ()
    cursor: str | None = None
    cut: Slice | None = None
    pace: Pace = field(default_factory=Pace)
    reported: int = 0
    first_page: int = 0

    @property
    def part(self) -> Slice:
        return self.cut or Slice(self.window.start, self.window.end)

    @property
    def landed(self) -> int:
        return sum(page.rows for page in self.pages)

    @property
    def next_page(self) -> int:
        return max((page.number + 1 for page in self.pages), default=0)

    @property
    def pages_of_part(self) -> list[LandedPage]:
        """Of the current slice, numbered from 0 as in its job."""
        return [
            replace(page, number=page.number - self.first_page)
            for page in self.pages
            if page.number >= self.first_page
        ]

    def with_page(self, page: LandedPage) -> Self:
        pages = sorted({*self.pages, page}, key=lambda p: p.number)
        return replace(self, pages=tuple(pages))


@dataclass(frozen=True)
class FlowState:
    """`committed` is the watermark: every record changed before it has landed. `pace` is the slice
    size that last succeeded; `due_fields` are new fields to be backfilled.
    """

    committed: datetime | None = None
    last_run_id: str = ""
    finished_at: datetime | None = None
    running: FlowRun | None = None
    pace: Pace = field(default_factory=Pace)
    due_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlowStates:
    """Flow states in the lake's staging bucket."""

    lake: Lake

    def get(self, obj: SyncedObject) -> FlowState:
        body = self._document(obj).read()
        return FlowState() if body is None else _state(body)

    def change(self, obj: SyncedObject, **values: Any) -> None:
        """Sets these fields of FlowState; other fields keep what another writer set."""
        self._document(obj).update(object=obj.api_name, **values)

    def _document(self, obj: SyncedObject) -> Document:
        return self.lake.document(
            f"flows/Salesforce-{obj.landing_name}.json",
            cure="the next run reads the object in full",
        )


@dataclass
class Manifest:
    """What a finished run reported and landed, for the ledger.

    `columns` are the fields it read, empty in extracts of partial records; `left_out` has the
    reason by field not read. `run_id` is the command's.
    """

    object: str
    flow_run_id: str
    mode: FlowMode
    window_start: datetime | None
    window_end: datetime
    job_id: str
    reported: int
    landed: int
    started_at: datetime
    finished_at: datetime
    pages: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    run_id: str = field(default_factory=current_run)

    def write(self, lake: Lake, obj: SyncedObject) -> None:
        """Idempotent. Raises LeaseLostError where another run has taken over."""
        name = obj.landing_name
        key = manifest_key(name, self.flow_run_id)
        if begun := _start_time(self.flow_run_id):
            announce(lake, name, "staging", key, of=begun)
        lake.document(key).change(lambda _: vars(self))


MANIFESTS = "manifests/"
EARLIER_MANIFESTS = "runs/"
"""The folder of versions before 2026-11-29, flat by object."""


def manifest_key(landing_name: str, flow_run_id: str) -> str:
    """By the day in the run's id; below `other`, which sorts last, for an id of another format."""
    begun = _start_time(flow_run_id)
    day = f"{begun:%Y/%m/%d}" if begun else "other"
    return f"{MANIFESTS}Salesforce-{landing_name}/{day}/{flow_run_id}.json"


def find_manifest(lake: Lake, landing_name: str, flow_run_id: str) -> bytes | None:
    earlier = f"{EARLIER_MANIFESTS}Salesforce-{landing_name}/{flow_run_id}.json"
    key = manifest_key(landing_name, flow_run_id)
    return lake.staging.find(key) or lake.staging.find(earlier)


def _start_time(flow_run_id: str) -> datetime | None:
    """None for an id that is not SEIL's."""
    if not is_own_run(flow_run_id):
        return None
    try:
        return datetime.strptime(flow_run_id[:16], "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None


def next_window(
    flow: FlowSettings, state: FlowState, *, now: datetime, full: bool = False
) -> Window:
    """`[committed - lookback, now - lag)`; no lower bound for a full load or a first run.

    `now` is the org's clock. The window never ends before the watermark.
    """
    end = now - flow.lag
    if full or flow.mode == "full" or state.committed is None:
        return Window(None, end)
    return Window(state.committed - flow.lookback, max(end, state.committed))


def is_own_run(flow_run_id: str) -> bool:
    """Whether the id has the format of `new_run_id`."""
    return _OWN_RUN.fullmatch(flow_run_id) is not None


def _state(body: dict[str, Any]) -> FlowState:
    return FlowState(
        committed=_time(body.get("committed")),
        last_run_id=body.get("last_run_id", ""),
        finished_at=_time(body.get("finished_at")),
        running=_run(body["running"]) if body.get("running") else None,
        pace=_pace(body.get("pace")),
        due_fields=tuple(body.get("due_fields", ())),
    )


def _run(body: dict[str, Any]) -> FlowRun:
    window = body["window"]
    return FlowRun(
        flow_run_id=body["flow_run_id"],
        window=Window(_time(window["start"]), datetime.fromisoformat(window["end"])),
        job_id=body["job_id"],
        fingerprint=body["fingerprint"],
        page_rows=body["page_rows"],
        started_at=datetime.fromisoformat(body["started_at"]),
        pages=tuple(LandedPage(**page) for page in body["pages"]),
        cursor=body.get("cursor"),
        cut=_slice(body.get("cut")),
        pace=_pace(body.get("pace")),
        reported=body.get("reported", 0),
        first_page=body.get("first_page", 0),
    )


def _slice(body: dict[str, Any] | None) -> Slice | None:
    if body is None:
        return None
    bounds = {"start": _time(body["start"]), "end": datetime.fromisoformat(body["end"])}
    return Slice(**{**body, **bounds})


def _pace(body: dict[str, Any] | None) -> Pace:
    return Pace(**body) if body else Pace()


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
