"""The state of each flow: what is committed, and how far a run under way has come.

One document per object in staging, `flows/Salesforce-<landing name>.json`, changed after every
page, so that a killed run goes on with the same job at the first page it had not landed.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from seil.catalog import Flow, SyncedObject
    from seil.lake import Document, Lake
    from seil.salesforce.schema import ObjectSchema

Mode = Literal["full", "delta", "deletions", "formulas", "reread"]

# Files of these modes hold a part of each record: see seil.sf_to_dw.partials.
PARTIAL_MODES: frozenset[Mode] = frozenset({"deletions", "formulas"})

_RUN_ID = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
_OWN_RUN = re.compile(_RUN_ID)
OWN_CURATED = rf"/curated_{_RUN_ID}-\d{{5}}\.parquet$"
"""Matches the curated key of a page that a flow has landed."""
_FALLBACK_CURSORS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")


@dataclass(frozen=True)
class Window:
    """Half open, [start, end), UTC, on the cursor; no start reads everything before `end`."""

    start: datetime | None
    end: datetime

    @property
    def mode(self) -> Mode:
        return "delta" if self.start else "full"


@dataclass(frozen=True)
class LandedPage:
    """A result page that is whole in the landing zone; `next` is the locator after it."""

    number: int
    locator: str
    next: str | None
    key: str
    rows: int


@dataclass(frozen=True)
class FlowRun:
    """A run under way. `page_rows` is part of what a locator means, so it stays with the job."""

    flow_run_id: str
    window: Window
    job_id: str
    fingerprint: str
    page_rows: int
    started_at: datetime
    pages: tuple[LandedPage, ...] = ()

    @property
    def landed(self) -> int:
        return sum(page.rows for page in self.pages)

    def with_page(self, page: LandedPage) -> Self:
        pages = sorted({*self.pages, page}, key=lambda p: p.number)
        return replace(self, pages=tuple(pages))


@dataclass(frozen=True)
class FlowState:
    """`committed` is the upper bound up to which every record is safely landed."""

    committed: datetime | None = None
    last_run_id: str = ""
    finished_at: datetime | None = None
    running: FlowRun | None = None


@dataclass(frozen=True)
class FlowStates:
    """Flow states in the lake's staging bucket."""

    lake: Lake

    def get(self, obj: SyncedObject) -> FlowState:
        body = self._document(obj).read()
        return FlowState() if body is None else _state(body)

    def put(self, obj: SyncedObject, state: FlowState) -> None:
        self.change(obj, **vars(state))

    def change(self, obj: SyncedObject, **values: Any) -> None:
        """Sets these fields of FlowState; another writer's change of others is kept."""
        self._document(obj).update(object=obj.api_name, **values)

    def _document(self, obj: SyncedObject) -> Document:
        return self.lake.document(
            f"flows/Salesforce-{obj.landing_name}.json",
            cure="Delete it; the next run reads the object in full",
        )


@dataclass
class Manifest:
    """What a finished run reported and landed, for the ledger."""

    object: str
    flow_run_id: str
    mode: Mode
    window_start: datetime | None
    window_end: datetime
    job_id: str
    reported: int
    landed: int
    started_at: datetime
    finished_at: datetime
    pages: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def write(self, lake: Lake, obj: SyncedObject) -> None:
        """A resumed run writes its own again; one that lost its lease is refused."""
        key = f"runs/Salesforce-{obj.landing_name}/{self.flow_run_id}.json"
        lake.document(key).change(lambda _: vars(self))


def next_window(flow: Flow, state: FlowState, *, now: datetime, full: bool = False) -> Window:
    """`[committed - lookback, now - lag)`; no lower bound for a full load or a first run.

    `now` is the org's clock. The window never ends before what is already committed.
    """
    end = now - flow.lag
    if full or flow.mode == "full" or state.committed is None:
        return Window(None, end)
    return Window(state.committed - flow.lookback, max(end, state.committed))


def cursor_field(flow: Flow, schema: ObjectSchema) -> str:
    """The field the window is on: the flow's, else the next best the object has, else none."""
    for name in (flow.cursor, *_FALLBACK_CURSORS):
        if found := schema.get(name):
            return found.name
    return ""


def new_run_id(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def is_own_run(flow_run_id: str) -> bool:
    """Whether `new_run_id` made it."""
    return _OWN_RUN.fullmatch(flow_run_id) is not None


def _state(body: dict[str, Any]) -> FlowState:
    return FlowState(
        committed=_time(body.get("committed")),
        last_run_id=body.get("last_run_id", ""),
        finished_at=_time(body.get("finished_at")),
        running=_run(body["running"]) if body.get("running") else None,
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
    )


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
