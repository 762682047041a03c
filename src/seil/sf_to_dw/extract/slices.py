"""Slices of a window, each small enough for one query job.

The org aborts a job that runs for too long. Its slice is then halved, by the cursor down to one
second and by Id below that, until a job succeeds; the rest of the window continues at that size,
which grows again. Slices are half open and adjoin, from the window's start, or its first record, to
its end: every record is in exactly one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seil.errors import RejectError
from seil.salesforce.soql import select, window_condition
from seil.sf_to_dw.extract.flows import FlowRun, Pace, Slice, Window

if TYPE_CHECKING:
    from seil.salesforce.bulk import JobFailedError, QueryJob
    from seil.salesforce.org import Org
    from seil.salesforce.schema import ObjectSchema

log = logging.getLogger(__name__)

_TOO_LONG = ("QUERY_TIMEOUT", "running for too long", "Retried more than")
# No org is older.
_EPOCH = datetime(1999, 1, 1, tzinfo=UTC)
_SHORTEST = 1.0
# In the order of their codes, as Salesforce compares Ids.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 15
_ID = "Id"


def ran_too_long(job: QueryJob) -> bool:
    return any(words in job.error_message for words in _TOO_LONG)


def slice_condition(part: Slice, cursor: str) -> str:
    bounds = [window_condition(cursor, part.start, part.end)]
    if part.first_id:
        bounds.append(f"{_ID} >= '{part.first_id}'")
    if part.last_id:
        bounds.append(f"{_ID} < '{part.last_id}'")
    return " AND ".join(filter(None, bounds))


def proven_pace(run: FlowRun) -> Pace:
    """The pace to store after a run's last slice: a doubled size that the window's end cut short is
    not proven, and halved again.
    """
    pace, part = run.pace, run.part
    if pace.seconds and part.start and not pace.passes:
        length = (part.end - part.start).total_seconds()
        if length < pace.seconds - _SHORTEST:
            return replace(pace, seconds=pace.seconds / 2)
    return replace(pace, passes=pace.passes + 1)


@dataclass(frozen=True)
class Slicer:
    """Slices the window of one object's run. `cursor` is empty where the object has none."""

    org: Org
    schema: ObjectSchema
    cursor: str

    def first(self, window: Window, pace: Pace) -> tuple[Slice, Pace]:
        """The first slice, at the stored pace."""
        whole = Slice(window.start, window.end)
        if not self.cursor:
            return self._first_of_ids(whole, pace) or (whole, pace)
        if pace.seconds is None:
            return whole, pace
        begin = window.start or self._first_record(whole)
        return Slice(begin, _after(begin, pace.seconds, window.end)), pace

    def smaller(self, run: FlowRun, error: JobFailedError) -> FlowRun:
        """The run at the first half of its slice. Raises `error` where it cannot be halved."""
        half = self._half_by_cursor(run.part) or self._half_by_id(run)
        if half is None:
            raise error
        part, pace = half
        log.warning(
            "%s: job %s ran for too long; reading a smaller slice: %s",
            self.schema.name,
            run.job_id,
            slice_condition(part, self.cursor),
        )
        return replace(run, cut=part, pace=pace, job_id="")

    def following(self, run: FlowRun) -> FlowRun | None:
        """The run at the next slice; None after the last."""
        part, pace = run.part, run.pace.after_pass()
        if part.last_id:
            number = _id_number(part.last_id) + (pace.ids or 1)
            last_id = _id_text(number) if number < _id_number(part.highest_id) else ""
            following = replace(part, first_id=part.last_id, last_id=last_id)
        elif part.end < run.window.end:
            seconds = pace.seconds or _SHORTEST
            end = _after(part.end, seconds, run.window.end)
            following = Slice(part.end, end)
        else:
            return None
        return replace(
            run, cut=following, pace=pace, job_id="", reported=run.landed, first_page=run.next_page
        )

    def _half_by_cursor(self, part: Slice) -> tuple[Slice, Pace] | None:
        if not self.cursor or part.first_id or part.last_id:
            return None
        begin = part.start or self._first_record(part)
        seconds = (part.end - begin).total_seconds()
        if seconds <= _SHORTEST:
            return None
        half = max(seconds / 2, _SHORTEST)
        end = _after(begin, half, part.end)
        return Slice(begin, end), Pace(half)

    def _half_by_id(self, run: FlowRun) -> tuple[Slice, Pace] | None:
        part = run.part
        if not (part.first_id or part.last_id):
            return self._first_of_ids(part, replace(run.pace, passes=0), halved=True)
        width = (run.pace.ids or 1) // 2
        if not width:
            return None
        first = _id_number(part.first_id or part.lowest_id)
        pace = replace(run.pace, ids=width, passes=0)
        return replace(part, last_id=_id_text(first + width)), pace

    def _first_of_ids(
        self, part: Slice, pace: Pace, *, halved: bool = False
    ) -> tuple[Slice, Pace] | None:
        """The slice of the lowest Ids: half of the range, or as much of it as last succeeded."""
        if not halved and pace.ids is None:
            return None
        lowest, highest = self._extreme_id(part, "ASC"), self._extreme_id(part, "DESC")
        if lowest is None or highest is None or not _id_number(lowest) < _id_number(highest):
            return None
        width = (_id_number(highest) - _id_number(lowest) + 1) // 2
        if not halved:
            width = min(width, pace.ids or width)
        last_id = _id_text(_id_number(lowest) + width)
        whole = replace(part, lowest_id=lowest, highest_id=highest)
        return replace(whole, last_id=last_id), replace(pace, ids=width)

    def _first_record(self, part: Slice) -> datetime:
        """The cursor of the first record in a slice without a lower bound."""
        where = slice_condition(part, self.cursor)
        for soql in (
            f"{self._select(self.cursor, where)} ORDER BY {self.cursor} LIMIT 1",
            self._select(f"MIN({self.cursor}) {self.cursor}", where),
        ):
            if value := self._first_value(soql, self.cursor):
                return min(_floor(datetime.fromisoformat(str(value))), part.end)
        return min(_EPOCH, part.end)

    def _extreme_id(self, part: Slice, order: str) -> str | None:
        selected = self._select(_ID, slice_condition(part, self.cursor))
        value = self._first_value(f"{selected} ORDER BY {_ID} {order} LIMIT 1", _ID)
        text = str(value or "")[:_ID_LENGTH]
        return text if len(text) == _ID_LENGTH and set(text) <= set(_DIGITS) else None

    def _first_value(self, soql: str, name: str) -> Any:
        """None without rows, and where the org refuses the query: callers have a fallback."""
        try:
            rows = list(self.org.query(soql, deleted=True))
        except RejectError as error:
            log.info("%s: %s", self.schema.name, error)
            return None
        return rows[0].get(name) if rows else None

    def _select(self, what: str, where: str) -> str:
        return select([what], self.schema.name, where)


def _after(begin: datetime, seconds: float, end: datetime) -> datetime:
    """In whole seconds, as a SOQL literal has no more than milliseconds; `end` at the latest."""
    longest = (end - begin).total_seconds()
    if seconds >= longest:
        return end
    return max(_floor(begin + timedelta(seconds=seconds)), begin + timedelta(milliseconds=1))


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _id_number(record_id: str) -> int:
    number = 0
    for digit in record_id[:_ID_LENGTH]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number


def _id_text(number: int) -> str:
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
