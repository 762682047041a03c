"""Finds curated files and manifests that no load has merged, without listing the whole history.

Per object, `seil.positions` is the hour from which the next load lists, and `seil.waiting` has the
keys listed but not merged. Whoever writes under an older hour leaves a notice: see
seil.lake.notices. Once a day everything is listed, which finds files put into curated by hand. So
it is in a warehouse without a position, a new or a rebuilt one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seil.lake.keys import hour
from seil.lake.notices import LISTING_OVERLAP, Notice, NoticePlace, notices
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
    """One object's curated files that no load has merged in their present version, and manifests
    that none has recorded. `again` are the keys of files merged before in an earlier version.
    """

    files: list[Entry] = field(default_factory=list)
    manifests: list[Entry] = field(default_factory=list)
    again: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Listing:
    curated: list[Entry]
    manifests: list[Entry]


class Arrivals:
    """The arrivals of one load: `pending` for each of `objects`, then `record`.

    `everything` lists all files, as once a day.
    """

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
        self._started_at = datetime.now(UTC)
        self._positions = self._stored_positions()
        self._pending = self._stored_pending()
        self._notices = self._stored_notices()
        self._full = {obj.api_name for obj in objects if everything or self._lists_all(obj)}
        self._listings = {
            o.api_name: self._list(o) for o in objects if o.api_name not in self._full
        }
        self._loaded_at, self._recorded_runs = self._bookkeeping_of(self._listings.values())

    def pending(self, obj: SyncedObject) -> Arrival:
        name = obj.api_name
        if name in self._full:
            listing = self._list_all(obj)
            loaded_at, runs = self._bookkeeping_of([listing], obj)
        else:
            listing, loaded_at, runs = self._listings[name], self._loaded_at, self._recorded_runs
        files = [entry for entry in listing.curated if loaded_at.get(entry.key) != entry.modified]
        return Arrival(
            files,
            [entry for entry in listing.manifests if _stem(entry) not in runs],
            frozenset(entry.key for entry in files if entry.key in loaded_at),
        )

    def record(self, pending: Mapping[str, Collection[ArrivalKey]]) -> None:
        """Call it once the merges are committed; `pending` are, by object, the keys not merged.

        A kill before loses nothing: the next load lists from the same positions.
        """
        changed, positions = self._changed_pending(pending), self._changed_positions()
        if changed or positions:
            name = commit_id("positions", self._started_at.isoformat(), *self._objects)
            with self._warehouse.commit(name) as commit:
                commit.recorder.record_waiting(changed)
                commit.recorder.record_positions(positions)
        for notice in self._notices:
            bucket = self._bucket(notice.place)
            if notice.is_settled(bucket.head(notice.key)):
                self._lake.staging.delete(notice.entry.key)

    def _lists_all(self, obj: SyncedObject) -> bool:
        """Also where the position is in the future: the clock was wrong then, or is now."""
        position = self._positions.get(obj.api_name)
        if position is None:
            return True
        return not position.all_at <= self._started_at < position.all_at + _ALL_EVERY

    def _list(self, obj: SyncedObject) -> _Listing:
        begins = self._positions[obj.api_name].begins
        name = f"Salesforce-{obj.landing_name}/"
        curated = list(self._lake.curated.list(name, start=f"{name}{hour(begins)}"))
        # A day's manifests are in one folder, and their names begin with the time.
        folder = f"{MANIFESTS}{name}"
        start = f"{folder}{begins:%Y/%m/%d}/{begins:%Y%m%dT%H}"
        manifests = list(self._lake.staging.list(folder, start=start))
        keys = {("curated", e.key) for e in curated} | {("staging", e.key) for e in manifests}
        for place, key in sorted(self._extra_keys(obj) - keys):
            if entry := self._bucket(place).head(key):
                (curated if place == "curated" else manifests).append(entry)
        return _Listing(_parquet(curated), manifests)

    def _list_all(self, obj: SyncedObject) -> _Listing:
        name = f"Salesforce-{obj.landing_name}/"
        staging = self._lake.staging
        manifests = [*staging.list(EARLIER_MANIFESTS + name), *staging.list(MANIFESTS + name)]
        return _Listing(_parquet(self._lake.curated.list(name)), manifests)

    def _extra_keys(self, obj: SyncedObject) -> set[ArrivalKey]:
        """Keys of older hours: pending ones, and those of notices."""
        noticed = {(n.place, n.key) for n in self._notices if n.landing_name == obj.landing_name}
        return noticed | self._pending.get(obj.api_name, frozenset())

    def _bucket(self, place: NoticePlace) -> Bucket:
        return self._lake.curated if place == "curated" else self._lake.staging

    def _stored_positions(self) -> dict[str, Position]:
        stored = self._warehouse.bookkeeping.positions()
        return {name: position for name, position in stored.items() if name in self._objects}

    def _stored_pending(self) -> dict[str, frozenset[ArrivalKey]]:
        stored = self._warehouse.bookkeeping.waiting()
        return {name: frozenset(stored[name]) for name in self._objects if name in stored}

    def _stored_notices(self) -> list[Notice]:
        """Of objects with a position. Others list everything: a rebuild leaves the notices to the
        old warehouse, which it may not replace.
        """
        names = [obj.landing_name for n, obj in self._objects.items() if n in self._positions]
        return notices(self._lake, names) if names else []

    def _bookkeeping_of(
        self, listings: Iterable[_Listing], obj: SyncedObject | None = None
    ) -> tuple[Mapping[str, datetime], frozenset[str]]:
        """For the files that are merged, the version's time by key; the ids of recorded runs."""
        listings = list(listings)
        keys = [entry.key for listing in listings for entry in listing.curated]
        runs = [_stem(entry) for listing in listings for entry in listing.manifests]
        objects = [obj.api_name] if obj else list(self._objects)
        bookkeeping = self._warehouse.bookkeeping
        return (
            bookkeeping.loaded_files(keys, objects=objects),
            bookkeeping.recorded_runs(runs, objects=objects),
        )

    def _changed_pending(
        self, pending: Mapping[str, Collection[ArrivalKey]]
    ) -> dict[str, frozenset[ArrivalKey]]:
        now = {name: frozenset(pending.get(name, ())) for name in self._objects}
        before = self._pending
        return {n: frozenset(keys) for n, keys in now.items() if keys != before.get(n, frozenset())}

    def _changed_positions(self) -> dict[str, Position]:
        begins = (self._started_at - LISTING_OVERLAP).replace(minute=0, second=0, microsecond=0)
        changed: dict[str, Position] = {}
        for name in self._objects:
            stored = self._positions.get(name)
            all_at = self._started_at if stored is None or name in self._full else stored.all_at
            if stored != Position(begins, all_at):
                changed[name] = Position(begins, all_at)
        return changed


def _parquet(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.key.endswith(".parquet")]


def _stem(manifest: Entry) -> str:
    return PurePosixPath(manifest.key).stem
