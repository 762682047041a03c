"""Which curated files and manifests a load has not seen, without listing all there ever were.

Per object, `seil.positions` says at which hour the next listing begins, and `seil.waiting` names
what was listed but not merged. What is written under an older hour is announced: see
seil.lake.notices. Once a day all is listed, so that a file put into curated by hand is found.
A warehouse without a position, a new one or a rebuilt one, lists all.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seil.lake.keys import hour
from seil.lake.notices import LISTED_AGAIN, Notice, NoticePlace, notices
from seil.sf_to_dw.extract.flows import EARLIER_MANIFESTS, MANIFESTS
from seil.warehouse.bookkeeping import Position
from seil.warehouse.commits import commit_id

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.lake import Bucket, Entry, Lake
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

_ALL_EVERY = timedelta(days=1)

ArrivalKey = tuple[NoticePlace, str]


@dataclass(frozen=True)
class Arrival:
    """Of one object: curated files that no load has merged as they are now, and manifests that none
    has recorded. `again` are those of the files that were merged before in an earlier copy.
    """

    files: list[Entry] = field(default_factory=list)
    manifests: list[Entry] = field(default_factory=list)
    again: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Listing:
    curated: list[Entry]
    manifests: list[Entry]


class Arrivals:
    """Of `objects`, for one load: `of` each of them, then `settle`. `everything` lists all."""

    def __init__(
        self,
        warehouse: Warehouse,
        lake: Lake,
        objects: Sequence[SyncedObject],
        *,
        everything: bool = False,
    ) -> None:
        self._warehouse = warehouse
        self._lake = lake
        self._objects = {obj.api_name: obj for obj in objects}
        self._begun = datetime.now(UTC)
        self._positions = self._stored_positions()
        self._waiting = self._stored_waiting()
        self._notices = self._stored_notices()
        self._all = {obj.api_name for obj in objects if everything or self._lists_all(obj)}
        self._listed = {o.api_name: self._list(o) for o in objects if o.api_name not in self._all}
        self._loaded, self._recorded = self._merged_and_recorded(self._listed.values())

    def of(self, obj: SyncedObject) -> Arrival:
        name = obj.api_name
        if name in self._all:
            listed = self._list_all(obj)
            loaded, recorded = self._merged_and_recorded([listed], of=obj)
        else:
            listed, loaded, recorded = self._listed[name], self._loaded, self._recorded
        files = [entry for entry in listed.curated if loaded.get(entry.key) != entry.modified]
        return Arrival(
            files,
            [entry for entry in listed.manifests if _stem(entry) not in recorded],
            frozenset(entry.key for entry in files if entry.key in loaded),
        )

    def settle(self, left: Mapping[str, Collection[ArrivalKey]]) -> None:
        """After what is merged was committed; `left` is, by object, what was not. From here on a
        kill loses nothing: the next load begins where this one did, or behind it.
        """
        waiting, positions = self._changed_waiting(left), self._changed_positions()
        if waiting or positions:
            name = commit_id("positions", self._begun.isoformat(), *self._objects)
            with self._warehouse.commit(name) as commit:
                commit.recorder.record_waiting(waiting)
                commit.recorder.record_positions(positions)
        for notice in self._notices:
            bucket = self._bucket(notice.place)
            if notice.is_answered(bucket.head(notice.key)):
                self._lake.staging.delete(notice.entry.key)

    def _lists_all(self, obj: SyncedObject) -> bool:
        """Also where the position is of a time to come: the clock was wrong then, or is now."""
        position = self._positions.get(obj.api_name)
        if position is None:
            return True
        return not position.all_at <= self._begun < position.all_at + _ALL_EVERY

    def _list(self, obj: SyncedObject) -> _Listing:
        begins = self._positions[obj.api_name].begins
        name = f"Salesforce-{obj.landing_name}/"
        curated = list(self._lake.curated.list(name, start=f"{name}{hour(begins)}"))
        # A day's manifests lie in one folder, and their names begin with the time.
        folder = f"{MANIFESTS}{name}"
        start = f"{folder}{begins:%Y/%m/%d}/{begins:%Y%m%dT%H}"
        manifests = list(self._lake.staging.list(folder, start=start))
        named = {("curated", e.key) for e in curated} | {("staging", e.key) for e in manifests}
        for place, key in sorted(self._keys_by_name(obj) - named):
            if entry := self._bucket(place).head(key):
                (curated if place == "curated" else manifests).append(entry)
        return _Listing(_parquet(curated), manifests)

    def _list_all(self, obj: SyncedObject) -> _Listing:
        name = f"Salesforce-{obj.landing_name}/"
        staging = self._lake.staging
        manifests = [*staging.list(EARLIER_MANIFESTS + name), *staging.list(MANIFESTS + name)]
        return _Listing(_parquet(self._lake.curated.list(name)), manifests)

    def _keys_by_name(self, obj: SyncedObject) -> set[ArrivalKey]:
        """What is looked at by its name: what waits, and what notices name."""
        of_notices = {(n.place, n.key) for n in self._notices if n.landing_name == obj.landing_name}
        return of_notices | self._waiting.get(obj.api_name, frozenset())

    def _bucket(self, place: NoticePlace) -> Bucket:
        return self._lake.curated if place == "curated" else self._lake.staging

    def _stored_positions(self) -> dict[str, Position]:
        stored = self._warehouse.bookkeeping.positions()
        return {name: position for name, position in stored.items() if name in self._objects}

    def _stored_waiting(self) -> dict[str, frozenset[ArrivalKey]]:
        stored = self._warehouse.bookkeeping.waiting()
        return {name: frozenset(stored[name]) for name in self._objects if name in stored}

    def _stored_notices(self) -> list[Notice]:
        """A warehouse that lists all needs none: they stay for the one that it may not replace."""
        named = [obj.landing_name for n, obj in self._objects.items() if n in self._positions]
        return notices(self._lake, named) if named else []

    def _merged_and_recorded(
        self, listed: Iterable[_Listing], *, of: SyncedObject | None = None
    ) -> tuple[Mapping[str, datetime], frozenset[str]]:
        """When each of the listed files that are merged had been written; runs recorded."""
        each = list(listed)
        keys = [entry.key for one in each for entry in one.curated]
        runs = [_stem(entry) for one in each for entry in one.manifests]
        objects = [of.api_name] if of else list(self._objects)
        bookkeeping = self._warehouse.bookkeeping
        return (
            bookkeeping.loaded_files(keys, objects=objects),
            bookkeeping.recorded_runs(runs, objects=objects),
        )

    def _changed_waiting(
        self, left: Mapping[str, Collection[ArrivalKey]]
    ) -> dict[str, frozenset[ArrivalKey]]:
        now = {name: frozenset(left.get(name, ())) for name in self._objects}
        before = self._waiting
        return {n: frozenset(keys) for n, keys in now.items() if keys != before.get(n, frozenset())}

    def _changed_positions(self) -> dict[str, Position]:
        begins = (self._begun - LISTED_AGAIN).replace(minute=0, second=0, microsecond=0)
        changed: dict[str, Position] = {}
        for name in self._objects:
            stored = self._positions.get(name)
            all_at = self._begun if stored is None or name in self._all else stored.all_at
            if stored != Position(begins, all_at):
                changed[name] = Position(begins, all_at)
        return changed


def _parquet(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.key.endswith(".parquet")]


def _stem(manifest: Entry) -> str:
    return PurePosixPath(manifest.key).stem
