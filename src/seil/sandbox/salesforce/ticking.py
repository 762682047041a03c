"""A running tick: the records it touches, and its SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import duckdb

from seil.sandbox.salesforce.batch import Batch
from seil.sandbox.salesforce.blueprint import Move, Traits, traits
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.record_ids import number_sql
from seil.sandbox.salesforce.store import OrgStore, ident, value_list
from seil.sandbox.salesforce.values import Draw, value_sql

# For each record a tick changes it deletes, brings back and (of orders) adds so many.
_DELETED = 0.1
_UNDELETED = 0.01
_ADDED = 0.5
_MOVED_ONE_IN = 5
_MOST_CHANGED_FIELDS = 4
_MOST_TARGETS = 100
_HISTORY = timedelta(days=3 * 365)
_UNKNOWN = Traits("", "", "", "", (), (), grows=False, fixed=False)


@dataclass(frozen=True)
class TickCount:
    """What happened to an object's records; each record is counted once.

    `moved` are those of `changed` that point at another record now. `added` came with the tick.
    """

    changed: int = 0
    moved: int = 0
    added: int = 0
    deleted: int = 0
    undeleted: int = 0
    hard_deleted: int = 0

    def __add__(self, other: TickCount) -> TickCount:
        names = (entry.name for entry in fields(self))
        return TickCount(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class Ticking:
    """A temporary table `touched` holds the records deleted or undeleted.

    `was` is the deletion time of an undeleted record, null of a deleted one.
    """

    store: OrgStore
    cursor: duckdb.DuckDBPyConnection
    share: float
    hard: float
    seed: int
    at: datetime
    counts: dict[str, TickCount] = field(default_factory=dict)
    lives: dict[str, int] = field(default_factory=dict)

    def run(self) -> Mapping[str, TickCount]:
        objects = [e for e in self.store.objects.values() if not _traits(e).fixed]
        for entry in objects:
            self._live(entry)
        self.cursor.execute("CREATE TEMP TABLE touched (object VARCHAR, id VARCHAR, was TIMESTAMP)")
        batch = self._batch()
        batch.open()
        steps = [self._undelete, self._delete, self._hard_delete, self._change]
        for step in steps if self.share > 0 else [self._hard_delete]:
            for entry in objects:
                step(entry)
        if self.share > 0:
            self._add(batch, objects)
        self._touch_changed()
        return {name: self.counts[name] for name in self.store.objects if name in self.counts}

    def _touch_changed(self) -> None:
        """No other change of the org carries this tick's time."""
        for name in self.counts:
            if self.store.records_changes_of(name):
                select = f"FROM {self._table(self.store.object(name))} SELECT Id"
                where = f"WHERE SystemModstamp = TIMESTAMP '{self.at.isoformat(' ')}'"
                rows = self.cursor.execute(f"{select} {where}").fetchall()
                self.store.touch(name, [identifier for (identifier,) in rows])

    def _undelete(self, entry: SObject) -> None:
        """Undeletes a few, with the records deleted together with them."""
        if not _traits(entry).grows:
            return
        table, masters = self._table(entry), list(self._masters(entry))
        orphaned = " OR ".join(
            f"{ident(link.name)} IN (FROM {self._table(parent)} SELECT Id WHERE IsDeleted)"
            for link, parent in masters
        )
        several = self._some(entry, _UNDELETED)
        self._touch(
            entry,
            f"FROM {table} SELECT Id, SystemModstamp WHERE IsDeleted"
            f" AND NOT coalesce({orphaned or 'FALSE'}, FALSE)"
            f" ORDER BY {self._shuffle('undelete')} LIMIT {several}",
        )
        for link, parent in masters:
            self._touch(
                entry,
                f"FROM {table} AS record INNER JOIN touched"
                f" ON record.{ident(link.name)} = touched.id AND touched.object = '{parent.name}'"
                " SELECT record.Id, record.SystemModstamp"
                " WHERE record.IsDeleted AND record.SystemModstamp = touched.was",
            )
        self._count(entry, undeleted=self._mark(entry, deleted=False))

    def _delete(self, entry: SObject) -> None:
        """Deletes a few, with their dependent records."""
        if not entry.soft_deletes:
            return
        table = self._table(entry)
        self._touch(
            entry,
            f"FROM {table} SELECT Id, NULL WHERE NOT IsDeleted"
            f" ORDER BY {self._shuffle('delete')} LIMIT {self._some(entry, _DELETED)}",
        )
        for link, parent in self._masters(entry):
            removed = f"FROM touched SELECT id WHERE object = '{parent.name}' AND was IS NULL"
            self._touch(
                entry,
                f"FROM {table} SELECT Id, NULL"
                f" WHERE NOT IsDeleted AND {ident(link.name)} IN ({removed})",
            )
        self._count(entry, deleted=self._mark(entry, deleted=True))

    def _change(self, entry: SObject) -> None:
        several = max(1, round(self._live(entry) * self.share))
        self.cursor.execute(
            "CREATE OR REPLACE TEMP TABLE changed AS"
            f" FROM {self._table(entry)} SELECT Id AS id, {number_sql('Id')} AS number"
            f" WHERE {self._untouched(entry)} ORDER BY {self._shuffle('change')} LIMIT {several}"
        )
        draw = Draw(
            object_name=entry.name,
            seed=self.seed,
            start=(self.at - _HISTORY).isoformat(" "),
            until=self.at.isoformat(" "),
            reference=lambda _target, _roll: None,
            dense=True,
        )
        values = {changing.name: value_sql(changing, draw) for changing in _changing(entry)}
        changed = self._update(entry, "changed", values)
        moved = sum(self._move(entry, move) for move in _traits(entry).moves)
        self._count(entry, changed=changed, moved=moved)

    def _move(self, entry: SObject, move: Move) -> int:
        """Moves some of the changed records to another parent of their group."""
        link = entry.field(move.field)
        if link is None or link.reference_to[0] not in self.store.objects:
            return 0
        parent = self.store.object(link.reference_to[0])
        live = "WHERE NOT IsDeleted" if parent.soft_deletes else ""
        group, limit = "TRUE", f"ORDER BY {self._shuffle('target')} LIMIT {_MOST_TARGETS}"
        if move.within:
            here, there = map(ident, move.within)
            group, limit = f"record.{here} = parent.{there}", ""
        self.cursor.execute(
            "CREATE OR REPLACE TEMP TABLE moved AS FROM changed"
            f" INNER JOIN {self._table(entry)} AS record ON changed.id = record.Id"
            f" INNER JOIN (FROM {self._table(parent)} {live} {limit}) AS parent"
            f" ON {group} AND parent.Id <> record.{ident(link.name)}"
            " SELECT changed.id, arg_min(parent.Id, hash(changed.id || parent.Id)) AS target"
            f" WHERE roll(changed.number, 'move') % {_MOVED_ONE_IN} = 0"
            " GROUP BY changed.id"
        )
        return self._update(entry, "moved", {link.name: "moved.target"})

    def _hard_delete(self, entry: SObject) -> None:
        """Only objects without references to them, so that none dangles."""
        if not entry.soft_deletes or self._is_referred_to(entry):
            return
        several = round(self._live(entry) * self.hard)
        rows = self.cursor.execute(
            f"FROM {self._table(entry)} SELECT Id WHERE {self._untouched(entry)}"
            f" ORDER BY {self._shuffle('hard delete')} LIMIT {several}"
        ).fetchall()
        ids = [identifier for (identifier,) in rows]
        with value_list(self.cursor, ids) as id_list:
            statement = ("DELETE FROM", self._table(entry), "WHERE Id IN", id_list)
            self.cursor.execute(" ".join(statement))
        self.store.remember_hard_deleted(entry.name, ids, self.at)
        self.store.touch(entry.name, ids)
        self._count(entry, hard_deleted=len(ids))

    def _add(self, batch: Batch, objects: list[SObject]) -> None:
        column = traits()
        if column.keys() <= set(self.store.objects):
            growing = {name: entry for name, entry in column.items() if entry.grows}
            for name, count in batch.make_all(growing).items():
                self._count(self.store.object(name), added=count)
        for entry in objects:
            if entry.name not in column:
                rows = self._some(entry, _ADDED)
                self._count(entry, added=batch.make_described(entry, rows))

    def _batch(self) -> Batch:
        orders = 1
        if "Order" in self.store.objects:
            orders = max(1, round(self._live(self.store.object("Order")) * self.share * _ADDED))
        return Batch(
            store=self.store,
            cursor=self.cursor,
            seed=self.seed,
            start=self.at - _HISTORY,
            until=self.at,
            orders=orders,
            sizes={"deals": orders},
            growing=True,
        )

    def _touch(self, entry: SObject, chosen: str) -> None:
        column = f"FROM touched SELECT id WHERE object = '{entry.name}'"
        insert = ("INSERT INTO touched", f"SELECT DISTINCT '{entry.name}', id, was")
        source = f"FROM ({chosen}) AS chosen(id, was) WHERE id NOT IN ({column})"
        self.cursor.execute(" ".join((*insert, source)))

    def _mark(self, entry: SObject, *, deleted: bool) -> int:
        self.cursor.execute(
            "CREATE OR REPLACE TEMP TABLE marked AS FROM touched SELECT id"
            f" WHERE object = '{entry.name}' AND (was IS NULL) = {deleted}"
        )
        return self._update(entry, "marked", {"IsDeleted": str(deleted)})

    def _update(self, entry: SObject, table: str, values: Mapping[str, str]) -> int:
        """Updates the records in the table's `id`; returns their number."""
        stamp = f"TIMESTAMP '{self.at.isoformat(' ')}'"
        stamps = {
            name: stamp for name in ("LastModifiedDate", "SystemModstamp") if entry.field(name)
        }
        settings = ", ".join(f"{ident(n)} = {v}" for n, v in {**values, **stamps}.items())
        statement = ("UPDATE", self._table(entry), "AS record SET", settings)
        ((updated,),) = self.cursor.execute(
            " ".join((*statement, f"FROM {table} WHERE record.Id = {table}.id"))
        ).fetchall()
        return int(updated)

    def _masters(self, entry: SObject) -> Iterator[tuple[SField, SObject]]:
        """The master-detail fields, whose parents' deletion cascades."""
        for link in entry.fields:
            if not (link.cascade_delete and link.reference_to and entry.soft_deletes):
                continue
            parent = self.store.objects.get(link.reference_to[0])
            if parent is not None and parent.soft_deletes:
                yield link, parent

    def _is_referred_to(self, entry: SObject) -> bool:
        return any(
            entry.name in link.reference_to
            for other in self.store.objects.values()
            for link in other.fields
        )

    def _untouched(self, entry: SObject) -> str:
        """The condition for live records that this tick has neither deleted nor undeleted."""
        live = "NOT IsDeleted AND " if entry.soft_deletes else ""
        return f"{live}Id NOT IN (FROM touched SELECT id WHERE object = '{entry.name}')"

    def _shuffle(self, purpose: str) -> str:
        return f"hash(Id || '{purpose} {self.seed}'), Id"

    def _some(self, entry: SObject, part: float) -> int:
        """That part of the share; at least one for objects with constant turnover."""
        least = 1 if _traits(entry).grows else 0
        return max(least, round(self._live(entry) * self.share * part))

    def _live(self, entry: SObject) -> int:
        """The number of live records at the tick's start."""
        if entry.name not in self.lives:
            live = "WHERE NOT IsDeleted" if entry.soft_deletes else ""
            query = f"FROM {self._table(entry)} SELECT count(*) {live}"
            ((self.lives[entry.name],),) = self.cursor.execute(query).fetchall()
        return self.lives[entry.name]

    def _count(self, entry: SObject, **counts: int) -> None:
        if any(counts.values()):
            column = self.counts.get(entry.name, TickCount())
            self.counts[entry.name] = column + TickCount(**counts)

    @staticmethod
    def _table(entry: SObject) -> str:
        return f"main.{ident(entry.name)}"


def _traits(entry: SObject) -> Traits:
    return traits().get(entry.name, _UNKNOWN)


def _changing(entry: SObject) -> list[SField]:
    """The fields to change: the object's configured ones, else one each of a few types."""
    if names := _traits(entry).changes:
        configured = (entry.field(name) for name in names)
        return [f for f in configured if f is not None and f.stored]
    by_type: dict[str, SField] = {}
    for candidate in entry.stored_fields:
        plain = not (candidate.reference_to or candidate.unique or candidate.external_id)
        if plain and candidate.updateable and candidate.type != "id":
            by_type.setdefault(candidate.type, candidate)
    return list(by_type.values())[:_MOST_CHANGED_FIELDS]
