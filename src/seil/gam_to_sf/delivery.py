"""Delivered impressions and clicks of yesterday and today on Salesforce's usage records."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import ClassVar, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from seil.admanager.calls import SERVICE as AD_MANAGER
from seil.gam_to_sf.changes import Recipient
from seil.gam_to_sf.ids import checked_id
from seil.gam_to_sf.results import RecordChange, StepName, StepResult
from seil.gam_to_sf.usages import (
    CLICKS,
    FIGURES,
    IMPRESSIONS,
    LINE_ITEM,
    OBJECT,
    UsageRecord,
    usages_of,
)
from seil.salesforce.faults import SERVICE as SALESFORCE
from seil.salesforce.org import Org

logger = logging.getLogger(__name__)

_SCHEMA = pa.schema([(name, pa.int64()) for name in ("line_item", "day", "impressions", "clicks")])
_BATCH = 10_000


class DeliveryRow(NamedTuple):
    """`day` is a number: 20261123."""

    line_item: int
    day: int
    impressions: int
    clicks: int


class DeliveryReports(Protocol):
    """Ad Manager, as far as this step needs it."""

    def network_time_zone(self) -> str: ...

    def deliveries(self, days: tuple[date, date]) -> Iterable[DeliveryRow]:
        """By line item and day; `days` are inclusive, in the network's time zone."""
        ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def network_days(now: datetime, zone: str) -> tuple[date, date]:
    """Yesterday and today in the network's time zone."""
    today = now.astimezone(ZoneInfo(zone)).date()
    return today - timedelta(days=1), today


class DeliveredDay:
    """One day's figures by line item: 25 bytes each."""

    def __init__(self, rows: pa.Table) -> None:
        ordered = rows.sort_by("line_item")
        self._ids = _longs(ordered, "line_item")
        self._impressions = _longs(ordered, "impressions")
        self._clicks = _longs(ordered, "clicks")
        self._uses = bytearray(len(self._ids))

    def take(self, line_item: int) -> tuple[int, int] | None:
        """Impressions and clicks, None where the report has no row; counts the use."""
        at = bisect_left(self._ids, line_item)
        if at == len(self._ids) or self._ids[at] != line_item:
            return None
        self._uses[at] = min(self._uses[at] + 1, 2)
        return self._impressions[at], self._clicks[at]

    def unused(self) -> Iterator[int]:
        return (self._ids[at] for at, uses in enumerate(self._uses) if not uses)

    def shared(self) -> Iterator[int]:
        """Line items taken more than once."""
        return (self._ids[at] for at, uses in enumerate(self._uses) if uses > 1)


@dataclass(frozen=True)
class DeliveryStep:
    reports: DeliveryReports
    clock: Callable[[], datetime]
    name: StepName = "delivery"
    needs: ClassVar = (SALESFORCE, AD_MANAGER)

    def run(self, org: Org, recipient: Recipient, result: StepResult) -> None:
        result.object = OBJECT
        days = network_days(self.clock(), self.reports.network_time_zone())
        delivered = read_report(self.reports.deliveries(days))
        if not len(delivered):
            result.note = f"Ad Manager reports no delivery of {days[0]} and {days[1]}"
            logger.warning("%s: nothing is written", result.note)
            return
        recipient.prepare()
        recipient.take(self._changes(org, days, delivered, result), FIGURES, result)

    def _changes(
        self, org: Org, days: Sequence[date], delivered: pa.Table, result: StepResult
    ) -> Iterator[list[RecordChange]]:
        for day in days:
            figures = DeliveredDay(_rows_of(delivered, day))
            for usages in usages_of(org, day):
                result.add_read(len(usages))
                changes = (_change(usage, figures, result) for usage in usages)
                yield [change for change in changes if change]
            for line_item in figures.unused():
                result.add_gap("not_in_salesforce", f"{line_item} on {day}")
            for line_item in figures.shared():
                result.add_gap("shared_line", f"{line_item} on {day}")


def read_report(rows: Iterable[DeliveryRow]) -> pa.Table:
    """Columns line_item, day, impressions, clicks."""
    batches: list[pa.RecordBatch] = []
    pending: list[DeliveryRow] = []
    for row in rows:
        pending.append(row)
        if len(pending) == _BATCH:
            batches.append(_batch(pending))
            pending = []
    return pa.Table.from_batches([*batches, _batch(pending)], _SCHEMA)


def _batch(rows: Sequence[DeliveryRow]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(_SCHEMA)
    return pa.record_batch([pa.array(column, pa.int64()) for column in columns], schema=_SCHEMA)


def _rows_of(delivered: pa.Table, day: date) -> pa.Table:
    number = int(day.strftime("%Y%m%d"))
    return delivered.filter(pc.field("day") == number)


def _longs(table: pa.Table, name: str) -> memoryview:
    buffer = table[name].combine_chunks().buffers()[1]
    return memoryview(buffer or b"").cast("q")[: len(table)]


def _change(usage: UsageRecord, figures: DeliveredDay, result: StepResult) -> RecordChange | None:
    record_id = str(usage["Id"])
    line_item = checked_id(record_id, usage.get(LINE_ITEM), result)
    delivered = figures.take(line_item) if line_item else None
    if delivered is None:
        return None
    new = dict(zip((IMPRESSIONS, CLICKS), delivered, strict=True))
    old = {name: usage.get(name) for name in new}
    differing = [name for name, value in new.items() if not _is_same(old[name], value)]
    if not differing:
        return None
    before = {name: _text(old[name]) for name in differing}
    return RecordChange(record_id, before, {name: str(new[name]) for name in differing})


def _text(value: object) -> str | None:
    """Without the zeros of `99.0`."""
    if value is None:
        return None
    number = _number(value)
    return str(value) if number is None else f"{number.normalize():f}"


def _is_same(old: object, new: int) -> bool:
    return old is not None and _number(old) == new


def _number(value: object) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
