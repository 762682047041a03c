"""Parts of a window, each small enough for one query job.

A job that runs for too long is given up by the org. Its part is halved then, by the cursor down to
a second and by Id from there on, until one passes; the rest of the window goes on at that size, and
grows again. Parts are half open and adjoin, from the window's start, or its first record, to its
end: every record is in exactly one.
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
_BEGIN = datetime(1999, 1, 1, tzinfo=UTC)
_SHORTEST = 1.0
# A size is doubled after so many parts that passed: one that fails costs an hour.
_PASSES_TO_GROW = 4
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


def tested_pace(run: FlowRun) -> Pace:
    """Of a run whose last part has passed: a size that was tried in full."""
    pace, part = run.pace, run.part
    if pace.seconds and part.start and not pace.passes:
        tried = (part.end - part.start).total_seconds()
        if tried < pace.seconds - _SHORTEST:
            return replace(pace, seconds=pace.seconds / 2)
    return replace(pace, passes=pace.passes + 1)


@dataclass(frozen=True)
class Slicer:
    """Cuts the window of one object's run. `cursor` is empty where the object has none."""

    org: Org
    schema: ObjectSchema
    cursor: str

    def first(self, window: Window, pace: Pace) -> tuple[Slice, Pace]:
        """The part to begin with, at the pace that was last kept."""
        whole = Slice(window.start, window.end)
        if not self.cursor:
            return self._first_of_ids(whole, pace) or (whole, pace)
        if pace.seconds is None:
            return whole, pace
        begin = window.start or self._begin(whole)
        return Slice(begin, _after(begin, pace.seconds, window.end)), pace

    def smaller(self, run: FlowRun, error: JobFailedError) -> FlowRun:
        """The run with the half of its part. Raises the error where nothing is left to halve."""
        found = self._half_by_cursor(run.part) or self._half_by_id(run)
        if found is None:
            raise error
        part, pace = found
        log.warning(
            "%s: job %s ran for too long, a smaller part is read: %s",
            self.schema.name,
            run.job_id,
            slice_condition(part, self.cursor),
        )
        return replace(run, cut=part, pace=pace, job_id="")

    def following(self, run: FlowRun) -> FlowRun | None:
        """The run with the part after the one that passed; None after the last."""
        part, pace = run.part, run.pace.after_pass()
        if part.last_id:
            number = _number(part.last_id) + (pace.ids or 1)
            last_id = _text(number) if number < _number(part.highest_id) else ""
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
        begin = part.start or self._begin(part)
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
        first = _number(part.first_id or part.lowest_id)
        pace = replace(run.pace, ids=width, passes=0)
        return replace(part, last_id=_text(first + width)), pace

    def _first_of_ids(
        self, part: Slice, pace: Pace, *, halved: bool = False
    ) -> tuple[Slice, Pace] | None:
        """The part up to a first Id: half of them, or as many as last passed."""
        if not halved and pace.ids is None:
            return None
        lowest, highest = self._outermost(part, "ASC"), self._outermost(part, "DESC")
        if lowest is None or highest is None or not _number(lowest) < _number(highest):
            return None
        width = (_number(highest) - _number(lowest) + 1) // 2
        if not halved:
            width = min(width, pace.ids or width)
        last_id = _text(_number(lowest) + width)
        whole = replace(part, lowest_id=lowest, highest_id=highest)
        return replace(whole, last_id=last_id), replace(pace, ids=width)

    def _begin(self, part: Slice) -> datetime:
        """Where the records of a part without a lower bound begin."""
        where = slice_condition(part, self.cursor)
        for soql in (
            f"{self._select(self.cursor, where)} ORDER BY {self.cursor} LIMIT 1",
            self._select(f"MIN({self.cursor}) {self.cursor}", where),
        ):
            if found := self._value(soql, self.cursor):
                return min(_floor(datetime.fromisoformat(str(found))), part.end)
        return min(_BEGIN, part.end)

    def _outermost(self, part: Slice, order: str) -> str | None:
        selected = self._select(_ID, slice_condition(part, self.cursor))
        found = self._value(f"{selected} ORDER BY {_ID} {order} LIMIT 1", _ID)
        text = str(found or "")[:_ID_LENGTH]
        return text if len(text) == _ID_LENGTH and set(text) <= set(_DIGITS) else None

    def _value(self, soql: str, name: str) -> Any:
        """Of the first row. None where there is none, and where the org refuses: it is a wish."""
        try:
            rows = list(self.org.query(soql, deleted=True))
        except RejectError as error:
            log.info("%s: %s", self.schema.name, error)
            return None
        return rows[0].get(name) if rows else None

    def _select(self, what: str, where: str) -> str:
        return select([what], self.schema.name, where)


def _after(begin: datetime, seconds: float, end: datetime) -> datetime:
    """Cut to whole seconds: a literal keeps no more than milliseconds."""
    longest = (end - begin).total_seconds()
    if seconds >= longest:
        return end
    return max(_floor(begin + timedelta(seconds=seconds)), begin + timedelta(milliseconds=1))


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _number(record_id: str) -> int:
    number = 0
    for digit in record_id[:_ID_LENGTH]:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number


def _text(number: int) -> str:
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
