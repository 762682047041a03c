"""Ticks of the stand-in org: records are changed, added, deleted and undeleted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.ticking import TickCount, Ticking

__all__ = ["ObjectSummary", "TickCount", "TickReport", "summary", "tick"]

_MILLISECOND = timedelta(milliseconds=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TickReport:
    """`at` (UTC) is the time every touched record carries; `objects` holds those with any."""

    at: datetime
    seed: int
    objects: Mapping[str, TickCount]

    @property
    def total(self) -> TickCount:
        return sum(self.objects.values(), TickCount())


@dataclass(frozen=True)
class ObjectSummary:
    live: int
    deleted: int


def tick(
    store: OrgStore,
    *,
    share: float = 0.01,
    hard: float = 0.0,
    seed: int | None = None,
    now: datetime | None = None,
) -> TickReport:
    """Changes about that share of every object's records, some of them to other parents.

    A tenth as many are deleted with all that belongs to them, a few come back, and new orders are
    added with everything below them. `hard` is the share of records, of objects nothing refers to,
    that disappear without a trace but getDeleted's. Touched records carry `now` or, where the org
    has seen that time already, the next millisecond. The same seed does the same to the same org;
    by default every tick has its own.
    """
    with store.write() as cursor:
        done = int(store.setting("ticks", "0"))
        chosen = done + 1 if seed is None else seed
        at = next_time(store, now)
        # Two orgs do not change alike in their first tick.
        mixed = int(store.setting("seed", "0")) * 1_000_003 + chosen
        counts = Ticking(store, cursor, share=share, hard=hard, seed=mixed, at=at).run()
        store.keep_setting("ticks", str(done + 1))
        store.keep_setting("now", at.isoformat())
    report = TickReport(at.replace(tzinfo=UTC), chosen, counts)
    _log.info("Tick %d at %s: %s", chosen, report.at.isoformat(), report.total)
    return report


def summary(store: OrgStore) -> dict[str, ObjectSummary]:
    """Record counts per object, without hard-deleted ones."""
    summaries: dict[str, ObjectSummary] = {}
    for name, entry in store.objects.items():
        live = "NOT IsDeleted" if entry.soft_deletes else "TRUE"
        query = f"FROM main.{ident(name)} SELECT count(*) FILTER ({live}), count(*)"
        ((counted, every),) = store.cursor().execute(query).fetchall()
        summaries[name] = ObjectSummary(counted, every - counted)
    return summaries


def next_time(store: OrgStore, now: datetime | None) -> datetime:
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    seen = [_newest(store)]
    if ticked := store.setting("now"):
        seen.append(datetime.fromisoformat(ticked))
    return max([moment, *(at + _MILLISECOND for at in seen if at)])


def _newest(store: OrgStore) -> datetime | None:
    """The time of the org's last change, clients' writes included."""
    stamped = [name for name, entry in store.objects.items() if entry.field("SystemModstamp")]
    if not stamped:
        return None
    tables = " UNION ALL ".join(
        f"FROM main.{ident(name)} SELECT SystemModstamp" for name in stamped
    )
    query = f"FROM ({tables}) SELECT max(SystemModstamp)"
    rows: list[tuple[datetime | None]] = store.cursor().execute(query).fetchall()
    return rows[0][0]
