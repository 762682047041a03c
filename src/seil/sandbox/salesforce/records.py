"""Writes records: validated one by one as by the real service, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from seil.sandbox.salesforce import drafts as checks_alone
from seil.sandbox.salesforce.checks import Checks
from seil.sandbox.salesforce.conversion import RowError, arrow_type, convert
from seil.sandbox.salesforce.drafts import Draft, columns_of, merged_by_id, sound
from seil.sandbox.salesforce.json_rows import object_name
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.record_ids import record_id
from seil.sandbox.salesforce.store import OrgStore, ident, value_list

_INCOMING = "seil_incoming"


@dataclass(frozen=True)
class WriteOutcome:
    """The outcome of one record."""

    id: str | None
    created: bool
    error: RowError | None

    @classmethod
    def of(cls, draft: Draft) -> WriteOutcome:
        return cls(draft.id, created=draft.created, error=draft.error)


class OrgRecords:
    """Every write sets the audit fields. Formula fields are not recalculated."""

    def __init__(self, store: OrgStore, *, user_id: str) -> None:
        self._store = store
        self._user_id = user_id
        self._checks = Checks(store)

    def insert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[WriteOutcome]:
        entity = self._store.object(name)
        with self._store.write():
            drafts = self._drafts_of(entity, rows)
            self._insert(entity, drafts)
        return [WriteOutcome.of(draft) for draft in drafts]

    def update(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[WriteOutcome]:
        """Each row with its Id."""
        entity = self._store.object(name)
        with self._store.write():
            drafts = self._drafts_of(entity, rows)
            self._update(entity, drafts)
        return [WriteOutcome.of(draft) for draft in drafts]

    def upsert(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, key: SField
    ) -> list[WriteOutcome]:
        """Updates the record with the row's value of `key`, or inserts one."""
        entity = self._store.object(name)
        with self._store.write():
            drafts = self._drafts_of(entity, rows)
            if key.name != "Id":
                self._checks.identify(entity, key, drafts)
            column = [d for d in drafts if d.id is not None or d.values.get("Id")]
            unknown = [d for d in drafts if d.id is None and not d.values.get("Id")]
            self._update(entity, column)
            self._insert(entity, unknown)
        return [WriteOutcome.of(draft) for draft in drafts]

    def delete(self, name: str, ids: Sequence[str], *, hard: bool = False) -> list[WriteOutcome]:
        """Into the recycle bin with dependent records, or permanently."""
        entity = self._store.object(name)
        with self._store.write():
            drafts = [Draft({"Id": identifier}, {"Id": identifier}) for identifier in ids]
            self._checks.existing(entity, drafts, deleted_too=hard)
            self._remove(entity, [d.id for d in sound(drafts) if d.id], hard=hard)
        return [WriteOutcome.of(draft) for draft in drafts]

    def _drafts_of(self, entity: SObject, rows: Sequence[Mapping[str, Any]]) -> list[Draft]:
        drafts = [Draft(row) for row in rows]
        for draft in drafts:
            try:
                draft.values = self._convert(entity, draft.sent)
            except RowError as error:
                draft.error = error
        return drafts

    def _convert(self, entity: SObject, row: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in row.items():
            if name.lower() == "attributes":
                continue
            column = entity.field(name)
            if column is None:
                reference, identifier = self._parent(entity, name, value)
                values[reference.name] = identifier
            elif not column.stored:
                raise checks_alone.not_writable(column.name)
            else:
                values[column.name] = (
                    value if column.name == "Id" else convert(entity, column, value)
                )
        return values

    def _parent(self, entity: SObject, name: str, value: Any) -> tuple[SField, str | None]:
        """By external id: `Account.Ext__c` in CSV, {"Account": {"Ext__c": ...}} in JSON."""
        relation, _, key = name.partition(".")
        kind = ""
        if isinstance(value, Mapping):
            kind = object_name(value)
            pairs = {k: v for k, v in value.items() if k != "attributes"}
            key, value = next(iter(pairs.items())) if len(pairs) == 1 else ("", None)
        reference = entity.relationship(relation) if key else None
        targets = self._targets(reference, kind) if reference else []
        if reference is None or not targets:
            raise _unknown_field(entity, name)
        if value in (None, ""):
            return reference, None
        target = self._store.object(targets[0])
        if not (column := target.field(key)) or not (column.external_id or column.id_lookup):
            raise _unknown_field(target, key)
        by_value = self._checks.holders(target, column, [convert(target, column, value)])
        ids = [identifier for holders in by_value.values() for identifier in holders]
        if len(ids) != 1:
            raise RowError(
                "INVALID_FIELD",
                f"Foreign key external ID: {value} not found for field {column.name} in entity"
                f" {target.name}",
            )
        return reference, ids[0]

    def _targets(self, reference: SField, kind: str) -> list[str]:
        """The reference's objects in the org; of several, the one that the request names."""
        current = [name for name in reference.reference_to if name in self._store.objects]
        return [name for name in current if name.lower() == kind.lower()] or current

    def _insert(self, entity: SObject, drafts: Sequence[Draft]) -> None:
        for draft in sound(drafts):
            draft.error = checks_alone.check_writable(entity, draft, "createable") or (
                checks_alone.missing(entity, draft)
            )
        self._checks.references(entity, drafts)
        self._checks.unique(entity, drafts)
        if not (new := sound(drafts)):
            return
        now = self._now()
        for number, draft in enumerate(new, self._store.draw_numbers(entity.name, len(new))):
            draft.id, draft.created = record_id(entity.key_prefix, number), True
            sent = {name: value for name, value in draft.values.items() if value is not None}
            draft.values = {**self._defaults(entity, now, number), **sent, "Id": draft.id}
            _fill_name(entity, draft.values)
        target = f"main.{ident(entity.name)}"
        names = columns_of(entity, new)
        self._apply(entity, names, new, f"INSERT INTO {target} BY NAME FROM {_INCOMING}")

    def _update(self, entity: SObject, drafts: Sequence[Draft]) -> None:
        self._checks.existing(entity, drafts, deleted_too=False)
        for draft in sound(drafts):
            draft.error = checks_alone.check_writable(entity, draft, "updateable") or (
                checks_alone.check_cleared(entity, draft)
            )
        self._checks.references(entity, drafts)
        self._checks.unique(entity, drafts)
        stamps = self._stamps(entity, self._now())
        alike: dict[frozenset[str], list[Draft]] = {}
        for draft in merged_by_id(sound(drafts)):
            draft.values |= stamps
            alike.setdefault(frozenset(draft.values), []).append(draft)
        for changed in alike.values():
            self._change(entity, changed)

    def _change(self, entity: SObject, drafts: Sequence[Draft]) -> None:
        names = columns_of(entity, drafts)
        changes = ", ".join(f"{ident(n)} = new.{ident(n)}" for n in names if n != "Id")
        target = f"main.{ident(entity.name)} AS old SET {changes} FROM {_INCOMING} AS new"
        self._apply(entity, names, drafts, f'UPDATE {target} WHERE old."Id" = new."Id"')

    def _apply(
        self, entity: SObject, names: Sequence[str], drafts: Sequence[Draft], statement: str
    ) -> None:
        columns = {
            column.name: pa.array([d.values.get(column.name) for d in drafts], arrow_type(column))
            for column in entity.stored_fields
            if column.name in names
        }
        self._store.touch(entity.name, [draft.id for draft in drafts if draft.id])
        cursor = self._store.cursor()
        cursor.register(_INCOMING, pa.table(columns))
        try:
            cursor.execute(statement)
        finally:
            cursor.unregister(_INCOMING)

    def _remove(self, entity: SObject, ids: Sequence[str], *, hard: bool) -> None:
        if not ids:
            return
        cursor = self._store.cursor()
        for child, key in self._dependents(entity):
            alive = ' AND "IsDeleted" IS NOT TRUE' if child.soft_deletes and not hard else ""
            with value_list(cursor, ids) as id_list:
                children = cursor.execute(
                    f'SELECT "Id" FROM main.{ident(child.name)}'  # noqa: S608  (quoted)
                    f" WHERE {ident(key.name)} IN {id_list}{alive}"
                ).fetchall()
            self._remove(child, [identifier for (identifier,) in children], hard=hard)
        now = self._now()
        if hard or not entity.soft_deletes:
            with value_list(cursor, ids) as id_list:
                cursor.execute(
                    f'DELETE FROM main.{ident(entity.name)} WHERE "Id" IN {id_list}'  # noqa: S608  (quoted)
                )
            self._store.remember_hard_deleted(entity.name, ids, now)
            self._store.touch(entity.name, ids)
            return
        stamps = self._stamps(entity, now)
        self._store.touch(entity.name, ids)
        self._change(entity, [Draft({}, {"Id": i, "IsDeleted": True, **stamps}) for i in ids])

    def _now(self) -> datetime:
        """In UTC. Never before a tick's timestamps, so that versions stay in order."""
        now = datetime.now(UTC).replace(tzinfo=None)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        ticked = self._store.setting("now")
        return max(now, datetime.fromisoformat(ticked)) if ticked else now

    def _dependents(self, entity: SObject) -> list[tuple[SObject, SField]]:
        return [
            (other, column)
            for other in self._store.objects.values()
            for column in other.stored_fields
            if column.cascade_delete and entity.name in column.reference_to
        ]

    def _defaults(self, entity: SObject, now: datetime, number: int) -> dict[str, Any]:
        values: dict[str, Any] = self._stamps(entity, now)
        for column in entity.stored_fields:
            if column.type == "boolean":
                values[column.name] = bool(column.raw.get("defaultValue"))
            elif column.name == "CreatedDate":
                values[column.name] = now
            elif column.name in ("CreatedById", "OwnerId"):
                values[column.name] = self._user_id
            elif default := column.default_choice:
                values[column.name] = default
            elif column.auto_number:
                values[column.name] = f"{number:08d}"
        return values

    def _stamps(self, entity: SObject, now: datetime) -> dict[str, Any]:
        stamps = {
            "LastModifiedDate": now,
            "LastModifiedById": self._user_id,
            "SystemModstamp": now,
        }
        return {name: value for name, value in stamps.items() if entity.field(name)}


def _fill_name(entity: SObject, values: dict[str, Any]) -> None:
    """A person's Name is composed of first and last name."""
    name = entity.name_field
    if name and not name.createable and entity.field("LastName"):
        parts = (values.get("FirstName"), values.get("LastName"))
        values[name.name] = " ".join(filter(None, parts))


def _unknown_field(entity: SObject, name: str) -> RowError:
    return RowError(
        "INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}", (name,)
    )
