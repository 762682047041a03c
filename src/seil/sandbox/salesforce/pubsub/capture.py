"""Change Data Capture: the events of a transaction, from the records before and after it."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import fastavro

from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.pubsub.event_log import EventLog, NewEvent
from seil.sandbox.salesforce.pubsub.schemas import (
    HEADER,
    EventSchema,
    change_schema,
    change_topic,
    sent_fields,
)
from seil.sandbox.salesforce.store import OrgStore, ident, value_list

_EPOCH_DAY = date(1970, 1, 1)
_COMMITS = "event_commits"
_MOST_IDS = 100
_IGNORED = frozenset({"SystemModstamp"})

_Record = dict[str, Any]


@dataclass(frozen=True)
class _Change:
    """One record's; `fields` are the changed ones, with their new values."""

    kind: str
    record_id: str
    at: datetime
    fields: Mapping[str, Any]

    @property
    def alike(self) -> str:
        """Records changed alike in one transaction share an event."""
        return repr((self.kind, sorted(self.fields.items())))


class ChangeCapture:
    """`objects` are those selected for change events; none: all."""

    def __init__(
        self,
        store: OrgStore,
        log: EventLog,
        *,
        user_id: str,
        clock: Callable[[], datetime],
        objects: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._log = log
        self._user_id = user_id
        self._clock = clock
        self._objects = {name.lower() for name in objects}

    def captures(self, entity: SObject) -> bool:
        if entity.field("SystemModstamp") is None:
            return False
        return not self._objects or entity.name.lower() in self._objects

    def capture(
        self, after: duckdb.DuckDBPyConnection, ids_by_object: Mapping[str, set[str]]
    ) -> None:
        """Within the transaction, whose records other cursors still see as they were."""
        before = self._store.outside_cursor()
        try:
            events: list[NewEvent] = []
            key = str(uuid.uuid4())
            for name, ids in ids_by_object.items():
                entity = self._store.object(name)
                if self.captures(entity) and ids:
                    events += self._events(entity, before, after, (sorted(ids), key, len(events)))
            self._log.append(events, self._clock())
        finally:
            before.close()

    def announce(self) -> None:
        self._log.announce()

    def _events(
        self,
        entity: SObject,
        before: duckdb.DuckDBPyConnection,
        after: duckdb.DuckDBPyConnection,
        transaction: tuple[list[str], str, int],
    ) -> Iterator[NewEvent]:
        ids, key, number = transaction
        old, new = _rows(before, entity, ids), _rows(after, entity, ids)
        hard = self._hard_deletions(after, entity, [i for i in ids if i not in new])
        schema, topic = change_schema(entity), change_topic(entity)
        self._log.store_schemas([schema])
        groups: dict[str, list[_Change]] = {}
        for record_id in ids:
            if change := _change(entity, old.get(record_id), new.get(record_id), hard):
                groups.setdefault(change.alike, []).append(change)
        for alike in groups.values():
            for first in range(0, len(alike), _MOST_IDS):
                number += 1
                changes = alike[first : first + _MOST_IDS]
                payload = self._payload(entity, schema, changes, (key, number))
                yield NewEvent(topic, str(uuid.uuid4()), schema.id, payload)

    def _payload(
        self, entity: SObject, schema: EventSchema, changes: list[_Change], place: tuple[str, int]
    ) -> bytes:
        change = changes[0]
        commit = int(self._store.setting(_COMMITS, "0")) + 1
        self._store.keep_setting(_COMMITS, str(commit))
        compounds = {entry.name: entry.compound for entry in sent_fields(entity)}
        paths = {
            name: f"{compound}.{name}" if (compound := compounds[name]) else name
            for name in change.fields
        }
        is_update = change.kind == "UPDATE"
        header = {
            "entityName": entity.name,
            "recordIds": [each.record_id for each in changes],
            "changeType": change.kind,
            "changeOrigin": "com/salesforce/api/rest/66.0",
            "transactionKey": place[0],
            "sequenceNumber": place[1],
            "commitTimestamp": _millis(change.at),
            "commitNumber": commit,
            "commitUser": self._user_id,
            "nulledFields": schema.bitmaps(
                path for name, path in paths.items() if is_update and change.fields[name] is None
            ),
            "diffFields": [],
            "changedFields": schema.bitmaps(paths.values()) if is_update else [],
        }
        return encode(schema.parsed, {HEADER: header, **_nested(change.fields, compounds)})

    def _hard_deletions(
        self, cursor: duckdb.DuckDBPyConnection, entity: SObject, ids: list[str]
    ) -> dict[str, datetime]:
        if not ids:
            return {}
        with value_list(cursor, ids) as id_list:
            sql = "SELECT id, deleted_at FROM seil.hard_deleted WHERE object = ?"
            return dict(cursor.execute(f"{sql} AND id IN {id_list}", [entity.name]).fetchall())


def encode(schema: Mapping[str, Any], record: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, dict(schema), dict(record))
    return out.getvalue()


def decode(schema: Mapping[str, Any], payload: bytes) -> _Record:
    record = fastavro.schemaless_reader(io.BytesIO(payload), dict(schema), None)
    assert isinstance(record, dict)  # noqa: S101  (the schemas of events are records)
    return record


def _rows(cursor: duckdb.DuckDBPyConnection, entity: SObject, ids: list[str]) -> dict[str, _Record]:
    with value_list(cursor, ids) as id_list:
        result = cursor.execute(
            f'SELECT * FROM main.{ident(entity.name)} WHERE "Id" IN {id_list}'  # noqa: S608
        )
        names = [column[0] for column in result.description or ()]
        rows = (dict(zip(names, row, strict=True)) for row in result.fetchall())
        return {row["Id"]: row for row in rows}


def _change(
    entity: SObject, old: _Record | None, new: _Record | None, hard: Mapping[str, datetime]
) -> _Change | None:
    was_there = old is not None and not old.get("IsDeleted")
    is_there = new is not None and not new.get("IsDeleted")
    if not was_there and not is_there:
        return None
    record_id = str((new or old or {})["Id"])
    at = new["SystemModstamp"] if new else hard.get(record_id, datetime.now(UTC))
    if not is_there:
        return _Change("DELETE", record_id, at, {})
    assert new is not None  # noqa: S101  (it is there)
    names = [entry.name for entry in sent_fields(entity)]
    if not was_there:
        kind = "UNDELETE" if old else "CREATE"
        return _Change(kind, record_id, at, {n: new[n] for n in names if new[n] is not None})
    assert old is not None  # noqa: S101  (it was there)
    changed = {name: new[name] for name in names if new[name] != old.get(name)}
    return _Change("UPDATE", record_id, at, changed) if changed else None


def _nested(fields: Mapping[str, Any], compounds: Mapping[str, str | None]) -> _Record:
    record: _Record = {}
    for name, value in fields.items():
        if compound := compounds[name]:
            record.setdefault(compound, {})[name] = _avro(value)
        else:
            record[name] = _avro(value)
    return record


def _avro(value: Any) -> Any:
    if isinstance(value, datetime):
        return _millis(value)
    if isinstance(value, date):
        return (value - _EPOCH_DAY).days * 86_400_000
    if isinstance(value, time):
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return seconds * 1000 + value.microsecond // 1000
    return float(value) if isinstance(value, Decimal) else value


def _millis(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
