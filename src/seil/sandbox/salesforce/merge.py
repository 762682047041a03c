"""Merges records of an object into one of them, as the SOAP call merge() does.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.tick import next_time

_MASTER = "MasterRecordId"
_STAMPS = ("SystemModstamp", "LastModifiedDate")


def merge(store: OrgStore, entity: SObject, winner: str, losers: Sequence[str]) -> int:
    """The losers are deleted and name the winner; what referred to them refers to it. Returns how
    many records were changed. Raises OrgApiError for what cannot be merged.
    """
    if not entity.field(_MASTER):
        raise OrgApiError(400, "INVALID_MERGE", f"{entity.name} has no {_MASTER}")
    if winner in losers or not losers:
        raise OrgApiError(400, "INVALID_MERGE", "A record is merged with others")
    with store.write() as cursor:
        at = next_time(store, None)
        count = cursor.execute(
            f"SELECT count(*) FROM {_table(entity)} WHERE Id IN (SELECT unnest(?))"  # noqa: S608
            " AND NOT IsDeleted",
            [[winner, *losers]],
        ).fetchone()
        if not count or count[0] != len(losers) + 1:
            raise OrgApiError(400, "INVALID_MERGE", f"{winner} or {', '.join(losers)} is not there")
        changed = 0
        for other, name in _references(store, entity):
            stamps = _stamps(other)
            update = f"UPDATE {_table(other)} SET {ident(name)} = $winner{stamps}"  # noqa: S608
            where = f"WHERE {ident(name)} IN (SELECT unnest($losers))"
            values: dict[str, Any] = {"winner": winner, "losers": list(losers)}
            values |= {"at": at} if stamps else {}
            done = cursor.execute(f"{update} {where}", values).fetchone()
            changed += int(done[0]) if done else 0
        cursor.execute(
            f"UPDATE {_table(entity)} SET IsDeleted = true, {_MASTER} = $winner{_stamps(entity)}"  # noqa: S608
            " WHERE Id IN (SELECT unnest($losers))",
            {"winner": winner, "losers": list(losers), "at": at},
        )
        store.keep_setting("now", at.isoformat())
        _touch_changed(store, at)
    return changed + len(losers)


def _touch_changed(store: OrgStore, at: datetime) -> None:
    for name, entity in store.objects.items():
        if store.records_changes_of(name):
            sql = f"SELECT Id FROM {_table(entity)} WHERE SystemModstamp = ?"  # noqa: S608
            rows = store.cursor().execute(sql, [at]).fetchall()
            store.touch(name, [identifier for (identifier,) in rows])


def _references(store: OrgStore, entity: SObject) -> Iterator[tuple[SObject, str]]:
    for other in store.objects.values():
        for existing in other.stored_fields:
            if entity.name in existing.reference_to and existing.name != _MASTER:
                yield other, existing.name


def _stamps(entity: SObject) -> str:
    return "".join(f", {name} = $at" for name in _STAMPS if entity.field(name))


def _table(entity: SObject) -> str:
    return f"main.{ident(entity.name)}"
