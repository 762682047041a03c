"""Notices of what is written under an hour long past, where no load would look for it.

A load begins its listings some hours back. What is written under an older key (a file that first
landed then, a run that was resumed) is announced before it is written, so that a kill in between
leaves a notice too many, never one too few.

In staging: late/Salesforce-<landing name>/<id>.json
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from seil.lake import Entry, Lake

NoticePlace = Literal["curated", "staging"]

# A listing begins so long before the one before it. In between lies what a key's hour may be older
# than its file without a notice, and the time that a file may take to appear after its notice was
# decided on, clocks that differ included.
LISTED_AGAIN = timedelta(hours=6)
LATE = timedelta(hours=3)
# Of what never came: whoever was killed has long been run again, and given another notice.
_KEPT = timedelta(days=7)
_PREFIX = "late/"


@dataclass(frozen=True)
class Notice:
    """`key` in the bucket `place` may have been written after the notice was, at `at`."""

    entry: Entry
    landing_name: str
    place: NoticePlace
    key: str

    def is_answered(self, found: Entry | None) -> bool:
        """Whether it may go, once what was found has been dealt with."""
        if found is not None and found.modified >= self.entry.modified:
            return True
        return datetime.now(UTC) - self.entry.modified > _KEPT


def announce(lake: Lake, landing_name: str, place: NoticePlace, key: str, *, of: datetime) -> None:
    """Before `key` is written below the hour of `of`."""
    if datetime.now(UTC) - of < LATE:
        return
    body = json.dumps({"place": place, "key": key})
    lake.staging.put(f"{_PREFIX}Salesforce-{landing_name}/{uuid.uuid4().hex}.json", body.encode())


def notices(lake: Lake, landing_names: Iterable[str]) -> list[Notice]:
    """Of these objects."""
    wanted = set(landing_names)
    found = []
    for entry in lake.staging.list(_PREFIX):
        name = entry.key.split("/")[1].removeprefix("Salesforce-")
        if name in wanted and (body := lake.staging.find(entry.key)):
            said = json.loads(body)
            found.append(Notice(entry, name, said["place"], said["key"]))
    return found
