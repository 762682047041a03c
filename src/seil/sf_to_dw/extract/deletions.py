"""Hard deletes: Salesforce's getDeleted list, read after each run of a flow.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getdeleted.htm
The list reaches back 15 days. Where it has a gap, or the object has no list, the comparison of all
Ids (seil.sf_to_dw.compare.ids) catches what it leaves out.
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
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.partials import (
    DELETIONS,
    PartialState,
    PartialStates,
    SideExtract,
    land,
)

log = logging.getLogger(__name__)

_COLUMNS: dict[str, pa.DataType] = {
    "Id": pa.string(),
    "IsDeleted": pa.bool_(),
    "SystemModstamp": UTC_MICROS,
}
SCHEMA = pa.schema(_COLUMNS)
_RETENTION = timedelta(days=15)
_SAFE_RETENTION = _RETENTION - timedelta(days=1)
# The service refuses a start 30 days back; the hour allows for clock skew.
_OLDEST_START = timedelta(days=30) - timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_GAP = "INVALID_REPLICATION_DATE"
_TOO_MANY = "EXCEEDED_ID_LIMIT"
# A missing permission. An object that has no list is refused with another code.
_NO_ACCESS = "INSUFFICIENT_ACCESS"


def extract_deletions(
    context: FlowContext, obj: SyncedObject, flow: FlowResult, *, now: datetime
) -> FlowResult | None:
    """Lands the deletions since the last call; None where there are none, or no list of them.

    `now` is the org's clock when the flow began. Raises RetryError, and RejectError where the
    permission is missing; the next run reads the same period again.
    """
    states = PartialStates(context.lake)
    state = states.get(obj)
    if not obj.flow.deletions or flow.window is None:
        return None
    if state.deletions_until is None and flow.window.start is None:
        # A first run has read all records; deletions made meanwhile are in the next list.
        states.change(obj, deletions_until=flow.window.end)
        return None
    return _DeletionReader(context, obj, state, now).run(states)


def list_deletions(context: FlowContext, obj: SyncedObject, *, now: datetime) -> FlowResult | None:
    """Like `extract_deletions`, but on request: without a flow, and whatever the catalog says."""
    states = PartialStates(context.lake)
    return _DeletionReader(context, obj, states.get(obj), now).run(states)


def deleted_rows(records: Iterable[DeletedRecord]) -> pa.RecordBatch:
    rows = list(records)
    columns = [
        pa.array([record.id for record in rows], pa.string()),
        pa.array([True] * len(rows), pa.bool_()),
        pa.array([record.deleted_at for record in rows], UTC_MICROS),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


class _DeletionReader:
    def __init__(
        self, context: FlowContext, obj: SyncedObject, state: PartialState, now: datetime
    ) -> None:
        self._context = context
        self._obj = obj
        self._state = state
        self._now = now
        self._has_gap = False
        self._covered = now  # the lists read are complete up to here
        self._until = state.deletions_until or now - _RETENTION

    def run(self, states: PartialStates) -> FlowResult | None:
        flow = self._obj.flow
        end = self._now - flow.lag
        # The request covers the whole last minute; with a lag that minute is over.
        request_end = _floor(end) + _MINUTE
        # Start and end have to be more than a minute apart.
        latest = min(self._until - flow.lookback, request_end - 3 * _MINUTE)
        start = _floor(max(latest, self._now - _OLDEST_START))
        try:
            records = self._fetch(start, request_end)
        except (ObjectRejectedError, RequestRejectedError) as error:
            if error.code.startswith(_NO_ACCESS):
                raise
            # Tried once in every run, as the reason may go; the comparison of Ids covers for it.
            log.info("%s has no list of deletions: %s", self._obj.api_name, error)
            return None
        new = [r for r in records if self._state.recent.get(r.id) != r.deleted_at.isoformat()]
        result = None
        if new:
            extract = SideExtract(DELETIONS, start, end, SCHEMA, len(new))
            result = land(self._context, self._obj, extract, [deleted_rows(new)])
        overlap = self._covered - flow.lookback - _MINUTE
        recent = {r.id: r.deleted_at.isoformat() for r in records if r.deleted_at >= overlap}
        values: dict[str, Any] = {"deletions_until": self._covered, "recent": recent}
        if self._has_gap:
            log.warning(
                "%s: its list of deletions has a gap; all Ids will be compared", self._obj.api_name
            )
            values["is_compare_due"] = True
        states.change(self._obj, **values)
        return result

    def _fetch(self, start: datetime, end: datetime) -> list[DeletedRecord]:
        """Empty, with `_has_gap` set, where the list does not reach back that far."""
        self._covered = min(end, self._now)
        try:
            return list(self._fetch_halves(start, end))
        except (ObjectRejectedError, RequestRejectedError) as error:
            if error.code != _GAP:
                raise
            if end > self._now:
                # It may be the end that is refused: a future end is not documented as allowed.
                return self._fetch(start, _floor(self._now))
        self._has_gap = True
        return []

    def _fetch_halves(self, start: datetime, end: datetime) -> Iterator[DeletedRecord]:
        """Halves the period where it has more deletions than one response may hold (600,000)."""
        try:
            page = self._context.org.list_deleted(self._obj.api_name, start, end)
        except (ObjectRejectedError, RequestRejectedError) as error:
            half = _floor(start + (end - start) / 2)
            if error.code != _TOO_MANY or half - start < 2 * _MINUTE:
                raise
            yield from self._fetch_halves(start, half)
            yield from self._fetch_halves(half, end)
            return
        if page.earliest_available > self._until:
            self._has_gap = True
        if page.latest_covered < end:
            # Incomplete from there on. The bound keeps the start of the next list in retention,
            # should the org never report it complete.
            complete = max(page.latest_covered, self._now - _SAFE_RETENTION)
            self._covered = min(self._covered, complete)
        yield from page.records


def _floor(moment: datetime) -> datetime:
    """To the minute: the service ignores seconds."""
    return moment.replace(second=0, microsecond=0)
