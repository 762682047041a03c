"""Is a site in step, since when not, and why: for `seil status` and the console. Reads only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.app import wording
from seil.app.ledger import Ledger, read_ledger
from seil.app.verdict import (
    Finding,
    Verdict,
    ago,
    of_late,
    of_runs,
    of_space,
    of_trouble,
    verdict,
)
from seil.checks import NO_SPACE
from seil.errors import StateError
from seil.masking import mask

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.catalog import SyncedObject
    from seil.events.dispatch_state import DeadLetter
    from seil.sf_to_dw.ingest.files import FileInfo, FileState
    from seil.state import State
    from seil.state.runs import RunRecord, RunStore
    from seil.state.troubles import Trouble

# States that may need a person; processed and curated files are counted on request.
NEEDING_ATTENTION: tuple[FileState, ...] = ("in", "error", "exceptions")
EVERY_STATE: tuple[FileState, ...] = ("in", "processed", "error", "curated", "exceptions")
# Runs that are searched for one that has loaded.
_RECENT = 100
_VANISHED_SHOWN = timedelta(days=14)


@dataclass(frozen=True)
class FlowStatus:
    """`lag` is the age of the newest record that can have been read; None before the first run."""

    object: str
    mode: str
    committed: datetime | None
    finished_at: datetime | None
    flow_run_id: str
    lag: timedelta | None
    late: bool
    running_pages: int | None


@dataclass(frozen=True)
class FileCount:
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class SiteStatus:
    """The facts behind a status, read once."""

    flows: list[FlowStatus]
    files: dict[FileState, list[FileInfo]]
    ledger: Ledger
    dead: list[DeadLetter]
    under_way: list[RunRecord]
    last_run: RunRecord | None
    verdict: Verdict


def site_status(
    site: Site, names: Sequence[str] = (), *, states: Sequence[FileState] = NEEDING_ATTENTION
) -> SiteStatus:
    chosen = site.catalog.select(names)
    flows = flow_statuses(site, chosen)
    files = {state: _files(site, state, chosen if names else ()) for state in states}
    ledger = read_ledger(site, [o.api_name for o in chosen] if names else [])
    dead = _dead_letters(site)
    with _state(site) as (stored, missing):
        under_way, last = stored.runs.under_way(), stored.runs.last()
        # The last run's error first; those of earlier runs may be resolved.
        last_id = last.run_id if last else ""
        troubles = sorted(
            stored.troubles.all(), key=lambda t: bool(last_id) and t.run_id != last_id
        )
        findings = [
            *missing,
            *_of_warehouse(site, stored.runs),
            *_of_upkeep(site, stored),
            *(of_trouble(trouble, stored.runs.get(trouble.run_id)) for trouble in troubles),
            *_space(site),
            *of_runs(under_way, last),
            *_of_files(site, files),
            *_of_ledger(ledger, troubles, has_error_files=bool(files["error"])),
            *_of_dead(dead),
            *_of_vanished_fields(site, chosen),
            *_of_flows(flows, running=any(run.is_alive for run in under_way)),
        ]
    outcome = verdict(findings, in_step=_in_step(flows, last))
    if not findings and not any(flow.committed for flow in flows) and not last:
        outcome = Verdict("new", "Nothing has been read yet. Next: `seil run`")
    return SiteStatus(flows, files, ledger, dead, under_way, last, outcome)


@contextmanager
def _state(site: Site) -> Iterator[tuple[State, list[Finding]]]:
    """An empty one, and why, where the site's own cannot be read."""
    from seil.state import state_in_memory

    try:
        stored = site.state_to_read
        stored.runs.last()
    except StateError as error:
        with state_in_memory() as empty:
            yield empty, [Finding("failed", "", error.message, next=error.hint)]
    else:
        yield stored, []


def flow_statuses(site: Site, objects: Sequence[SyncedObject]) -> list[FlowStatus]:
    from seil.sf_to_dw.extract.flows import FlowStates

    states = FlowStates(site.lake)
    now = datetime.now(UTC)
    statuses = []
    for obj in objects:
        state = states.get(obj)
        lag = now - state.committed if state.committed else None
        statuses.append(
            FlowStatus(
                obj.api_name,
                obj.flow.mode,
                state.committed,
                state.finished_at,
                state.last_run_id,
                lag,
                # One missed turn can be a slow run; two are an outage.
                late=lag is not None and lag > 2 * obj.flow.schedule + obj.flow.lag,
                running_pages=len(state.running.pages) if state.running else None,
            )
        )
    return statuses


def _files(site: Site, state: FileState, objects: Sequence[SyncedObject]) -> list[FileInfo]:
    from seil.sf_to_dw.ingest.files import list_files

    selection: Sequence[SyncedObject | None] = objects or [None]
    return [file for obj in selection for file in list_files(site.lake, state, obj)]


def _dead_letters(site: Site) -> list[DeadLetter]:
    if not site.has_journal:
        return []
    from seil.events.dispatch_state import dead_letters

    return dead_letters(site.journal)


def _in_step(flows: Sequence[FlowStatus], last: RunRecord | None) -> str:
    now = datetime.now(UTC)
    read = [flow.committed for flow in flows if flow.committed]
    parts = ["In step: no flow has been read by SEIL"]
    if read:
        verb = "is" if len(read) == 1 else "are"
        flows_read = f"{wording.counted(len(read), 'flow')} {verb}"
        parts = [f"In step: {flows_read} read until {wording.moment(min(read))} or later"]
    if last and last.ended_at:
        parts.append(f"the last run ended {ago(last.ended_at, now)}")
    return "; ".join(parts)


def _space(site: Site) -> Iterator[Finding]:
    lake = urlsplit(site.settings.lake.url)
    places = [Path(unquote(lake.path))] if lake.scheme == "file" else []
    for place in (*places, *site.own_paths):
        existing = next((p for p in (place, *place.parents) if p.exists()), None)
        if existing is None:
            continue
        usage = shutil.disk_usage(existing)
        # A file system without a size, such as /proc, is not full.
        if usage.total and usage.free < NO_SPACE:
            yield of_space(str(place), usage.free)
            return


def _has_loaded(run: RunRecord) -> bool:
    return run.outcome == "success" and bool(run.counts.get("loaded_rows"))


def _of_warehouse(site: Site, runs: RunStore) -> Iterator[Finding]:
    """It is only missed once a run has made it."""
    if site.has_warehouse:
        return
    if any(_has_loaded(run) for run in runs.find(limit=_RECENT)):
        url = mask(site.settings.warehouse.url)
        message = f"the warehouse {url} is gone: it was deleted, or moved"
        yield Finding("failed", "", message, next="`seil rebuild`")


def _of_upkeep(site: Site, stored: State) -> Iterator[Finding]:
    from seil.app.upkeep_mark import upkeep_due

    if reason := upkeep_due(stored, site.settings.warehouse):
        message = f"upkeep of the warehouse is due: {reason}"
        yield Finding("waiting", "", message, next="`seil warehouse upkeep`", needs_person=False)


def _of_files(site: Site, files: dict[FileState, list[FileInfo]]) -> Iterator[Finding]:
    from seil.sf_to_dw.ingest.files import why

    if failed := sorted(files["error"], key=lambda file: file.modified):
        log = site.audit_trail_to_read
        newest = failed[-1]
        name = newest.key.rpartition("/")[2]
        reason = why(site.lake, log, newest.key).reason
        count = wording.counted(len(failed), "file")
        message = f"{count} could not be ingested, the newest {name}: {reason}"
        look = f"seil files why {newest.key}" if len(failed) == 1 else "seil files --state error"
        yield Finding("failed", "", message, failed[0].modified, f"`{look}`")
    if waiting := files["in"]:
        message = f"for the next run: {wording.counted(len(waiting), 'file')} in in/"
        since = min(file.modified for file in waiting)
        yield Finding("waiting", "", message, since, "`seil ingest`", needs_person=False)
    if aside := files["exceptions"]:
        message = f"records set aside, in {wording.counted(len(aside), 'file')}"
        since = min(file.modified for file in aside)
        look = "`seil files --state exceptions`"
        yield Finding("waiting", "", message, since, look, needs_person=False)


def _of_ledger(
    ledger: Ledger, troubles: Sequence[Trouble], *, has_error_files: bool
) -> Iterator[Finding]:
    # Rows of a file that was not ingested or merged are missing for that reason.
    explained = {trouble.about for trouble in troubles if trouble.step in ("ingest", "load")}
    for row in ledger.rows:
        if row.columns_lost:
            message = f"{row.columns_lost} did not reach the warehouse in run {row.flow_run_id}"
            yield Finding("failed", row.object, message, next=f"`seil run --full {row.object}`")
    off = [
        row
        for row in ledger.rows
        if not row.balanced and not row.columns_lost and row.object not in explained
    ]
    if off and not has_error_files:
        names = ", ".join(dict.fromkeys(row.object for row in off))
        message = f"the ledger does not balance for {names}: not every row has arrived"
        yield Finding("failed", "", message, next="`seil load`")


def _of_dead(letters: Sequence[DeadLetter]) -> Iterator[Finding]:
    dead = [letter for letter in letters if not letter.waiting]
    if dead:
        newest = dead[-1]
        message = (
            f"{wording.counted(len(dead), 'event')} could not be handled, the newest by"
            f" {newest.subscriber}:"
            f" {newest.reason}"
        )
        since = min(letter.died_at for letter in dead)
        yield Finding("failed", "", message, since, "`seil events dead`")
    if back := len(letters) - len(dead):
        message = f"to be delivered again: {wording.counted(back, 'event')}"
        yield Finding("waiting", "", message, next="`seil listen`", needs_person=False)


def _of_vanished_fields(site: Site, objects: Sequence[SyncedObject]) -> Iterator[Finding]:
    """Of the last two weeks; `seil schema diff` names earlier ones, too."""
    from seil.sf_to_dw.schema.vanished import VANISHED, vanished_fields

    after = datetime.now(UTC) - _VANISHED_SHOWN
    for obj in objects:
        recent = {n: at for n, at in vanished_fields(site.lake, obj).items() if at > after}
        if recent:
            message = f"{', '.join(recent)} cannot be read any more: {VANISHED}"
            since, look = min(recent.values()), f"`seil schema diff {obj.api_name}`"
            yield Finding("waiting", obj.api_name, message, since, look, needs_person=False)


def _of_flows(flows: Sequence[FlowStatus], *, running: bool) -> Iterator[Finding]:
    late = [flow for flow in flows if flow.late]
    if late:
        since = min(flow.committed for flow in late if flow.committed)
        yield of_late([flow.object for flow in late], since, running=running)
    never = [flow.object for flow in flows if not flow.committed]
    if never and len(never) < len(flows):
        listing = ", ".join(never[:3]) + (f" and {len(never) - 3:,} more" if len(never) > 3 else "")
        yield Finding("waiting", "", f"never read: {listing}", needs_person=False)


def count_files(files: Sequence[FileInfo]) -> FileCount:
    return FileCount(len(files), sum(file.size for file in files))
