"""What was deleted for good: Salesforce's own list of deletions, read after each run of a flow.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getdeleted.htm
The list reaches back 15 days. Where it has a gap, or the org keeps none, the comparison of all Ids
(seil.sf_to_dw.compare.ids) finds what it leaves out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError, RequestRejectedError
from seil.salesforce.org import DeletedRecord
from seil.salesforce.schema import UTC_MICROS
from seil.sf_to_dw.extract.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.extract.partials import DELETIONS, PartialState, PartialStates, Reading, land

log = logging.getLogger(__name__)

_COLUMNS: dict[str, pa.DataType] = {
    "Id": pa.string(),
    "IsDeleted": pa.bool_(),
    "SystemModstamp": UTC_MICROS,
}
SCHEMA = pa.schema(_COLUMNS)
_KEPT = timedelta(days=15)
_KEPT_SAFELY = _KEPT - timedelta(days=1)
# The service refuses a start 30 days back; an hour is more than clocks are apart.
_REACH = timedelta(days=30) - timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_GAP = "INVALID_REPLICATION_DATE"
_TOO_MANY = "EXCEEDED_ID_LIMIT"
# Somebody has taken a right away; an object without a list is refused otherwise.
_NO_ACCESS = "INSUFFICIENT_ACCESS"


def extract_deletions(
    context: FlowContext, obj: SyncedObject, flow: FlowResult, *, now: datetime
) -> FlowResult | None:
    """Lands what was deleted since the last time; None when that is nothing, or not told.

    `now` is the org's clock when the flow began. Raises RetryError, and RejectError where the
    right to read it is missing; then it is asked again.
    """
    states = PartialStates(context.lake)
    state = states.get(obj)
    if not obj.flow.deletions or flow.window is None:
        return None
    if state.deletions_until is None and flow.window.start is None:
        # The first run: it has read what there was. What is deleted while it reads comes next time.
        states.change(obj, deletions_until=flow.window.end)
        return None
    return _Reader(context, obj, state, now).run(states)


def list_deletions(context: FlowContext, obj: SyncedObject, *, now: datetime) -> FlowResult | None:
    """The same without a flow, whatever the catalog says. `now` is the org's clock."""
    states = PartialStates(context.lake)
    return _Reader(context, obj, states.get(obj), now).run(states)


def deleted_rows(records: Iterable[DeletedRecord]) -> pa.RecordBatch:
    found = list(records)
    columns = [
        pa.array([record.id for record in found], pa.string()),
        pa.array([True] * len(found), pa.bool_()),
        pa.array([record.deleted_at for record in found], UTC_MICROS),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


class _Reader:
    def __init__(
        self, context: FlowContext, obj: SyncedObject, state: PartialState, now: datetime
    ) -> None:
        self._context = context
        self._obj = obj
        self._state = state
        self._now = now
        self._has_gap = False
        self._covered = now  # up to where the lists read are complete
        self._until = state.deletions_until or now - _KEPT

    def run(self, states: PartialStates) -> FlowResult | None:
        flow = self._obj.flow
        end = self._now - flow.lag
        # The minute of the end is asked for as a whole: with a lag it is over.
        asked_until = _floor(end) + _MINUTE
        # Start and end have to be more than a minute apart.
        latest = min(self._until - flow.lookback, asked_until - 3 * _MINUTE)
        start = _floor(max(latest, self._now - _REACH))
        try:
            records = self._fetch(start, asked_until)
        except (ObjectRejectedError, RequestRejectedError) as error:
            if error.code.startswith(_NO_ACCESS):
                raise
            # One call a run, in case the reason passes; the comparison of Ids stands behind it.
            log.info("%s has no list of deletions: %s", self._obj.api_name, error)
            return None
        new = [r for r in records if self._state.recent.get(r.id) != r.deleted_at.isoformat()]
        result = None
        if new:
            reading = Reading(DELETIONS, start, end, SCHEMA, len(new))
            result = land(self._context, self._obj, reading, [deleted_rows(new)])
        if self._has_gap:
            log.warning("%s: its list of deletions has a gap", self._obj.api_name)
        again = self._covered - flow.lookback - _MINUTE
        recent = {r.id: r.deleted_at.isoformat() for r in records if r.deleted_at >= again}
        found: dict[str, Any] = {"deletions_until": self._covered, "recent": recent}
        if self._has_gap:
            found["is_compare_due"] = True
        states.change(self._obj, **found)
        return result

    def _fetch(self, start: datetime, end: datetime) -> list[DeletedRecord]:
        """Nothing and a gap where the list does not go back that far."""
        self._covered = min(end, self._now)
        try:
            return list(self._fetch_halves(start, end))
        except (ObjectRejectedError, RequestRejectedError) as error:
            if error.code != _GAP:
                raise
            if end > self._now:
                # It may be the end that is refused: whether it may lie ahead is not documented.
                return self._fetch(start, _floor(self._now))
        self._has_gap = True
        return []

    def _fetch_halves(self, start: datetime, end: datetime) -> Iterator[DeletedRecord]:
        """In halves where there are more than one answer may hold (600,000)."""
        try:
            found = self._context.org.list_deleted(self._obj.api_name, start, end)
        except (ObjectRejectedError, RequestRejectedError) as error:
            half = _floor(start + (end - start) / 2)
            if error.code != _TOO_MANY or half - start < 2 * _MINUTE:
                raise
            yield from self._fetch_halves(start, half)
            yield from self._fetch_halves(half, end)
            return
        if found.earliest_available > self._until:
            self._has_gap = True
        if found.latest_covered < end:
            # Not complete from there on. A list that always says so is read in full each time.
            self._covered = min(self._covered, max(found.latest_covered, self._now - _KEPT_SAFELY))
        yield from found.records


def _floor(moment: datetime) -> datetime:
    """The service ignores seconds."""
    return moment.replace(second=0, microsecond=0)
