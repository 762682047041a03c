"""Notices of late keys: written under an hour that loads no longer list.

A load lists the last hours only. A key in an older hour (a file that landed then, a run that was
resumed) is announced before it is written: a kill in between leaves a superfluous notice, never a
missing one.

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

# A listing begins this long before the previous one. The difference to LATE covers the time
# between the decision about a notice and the write, and clock skew.
LISTING_OVERLAP = timedelta(hours=6)
LATE = timedelta(hours=3)
# Notices whose key was never written: a killed command has been repeated, with a new notice.
_KEEP = timedelta(days=7)
_PREFIX = "late/"


@dataclass(frozen=True)
class Notice:
    """`key` in the bucket `place` is written after the notice `entry`, if at all."""

    entry: Entry
    landing_name: str
    place: NoticePlace
    key: str

    def is_settled(self, written: Entry | None) -> bool:
        """Whether it can be deleted once the written entry is loaded."""
        if written is not None and written.modified >= self.entry.modified:
            return True
        return datetime.now(UTC) - self.entry.modified > _KEEP


def announce(lake: Lake, landing_name: str, place: NoticePlace, key: str, *, of: datetime) -> None:
    """Call it before writing `key` below the hour of `of`; a recent hour needs no notice."""
    if datetime.now(UTC) - of < LATE:
        return
    body = json.dumps({"place": place, "key": key})
    lake.staging.put(f"{_PREFIX}Salesforce-{landing_name}/{uuid.uuid4().hex}.json", body.encode())


def notices(lake: Lake, landing_names: Iterable[str]) -> list[Notice]:
    names = set(landing_names)
    result = []
    for entry in lake.staging.list(_PREFIX):
        name = entry.key.split("/")[1].removeprefix("Salesforce-")
        if name in names and (body := lake.staging.find(entry.key)):
            fields = json.loads(body)
            result.append(Notice(entry, name, fields["place"], fields["key"]))
    return result
