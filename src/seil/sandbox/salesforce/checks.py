"""Validates records against those already in the org."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce.conversion import RowError, arrow_type
from seil.sandbox.salesforce.drafts import Draft, sound
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import OrgStore, ident, value_list


class Checks:
    """Each check marks failing drafts; call it inside the transaction that writes them."""

    def __init__(self, store: OrgStore) -> None:
        self._store = store

    def existing(self, entity: SObject, drafts: Sequence[Draft], *, deleted_too: bool) -> None:
        """Takes each draft's Id from its values, and checks that the record exists."""
        for draft in sound(drafts):
            sent = draft.id or draft.values.get("Id")
            draft.id = draft.values["Id"] = full_id(str(sent or ""))
            if not sent:
                draft.error = RowError(
                    "MISSING_ARGUMENT", "Id not specified in an update call", ("Id",)
                )
            elif draft.id is None:
                draft.error = RowError("MALFORMED_ID", f"malformed id {sent}", ("Id",))
        states = self._states(entity, [d.id for d in sound(drafts) if d.id])
        for draft in sound(drafts):
            deleted = states.get(str(draft.id))
            if deleted is None:
                draft.error = RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
            elif deleted and not deleted_too:
                draft.error = RowError("ENTITY_IS_DELETED", "entity is deleted")

    def references(self, entity: SObject, drafts: Sequence[Draft]) -> None:
        for column in entity.stored_fields:
            targets = [n for n in column.reference_to if n in self._store.objects]
            ids = {d.values[column.name] for d in sound(drafts) if d.values.get(column.name)}
            if not ids or not targets or len(targets) < len(column.reference_to):
                continue  # an object that the org does not have cannot be checked
            there = {
                identifier
                for target in targets
                for identifier, deleted in self._states(self._store.object(target), ids).items()
                if not deleted
            }
            prefixes = {self._store.object(target).key_prefix for target in targets}
            for draft in sound(drafts):
                if (value := draft.values.get(column.name)) and value not in there:
                    draft.error = _dangling(column, value, prefixes)

    def unique(self, entity: SObject, drafts: Sequence[Draft]) -> None:
        for column in entity.stored_fields:
            carrying = [d for d in sound(drafts) if d.values.get(column.name) is not None]
            if not column.unique or not carrying:
                continue
            holders = self.holders(entity, column, [d.values[column.name] for d in carrying])
            used: dict[Any, str] = {}
            for draft in carrying:
                key = fold_case(draft.values[column.name])
                other = next((h for h in holders.get(key, ()) if h != draft.id), used.get(key))
                if other is not None:
                    draft.error = RowError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {column.name} duplicates value on record with id:"
                        f" {other}",
                        (column.name,),
                    )
                used.setdefault(key, draft.id or "another record of this request")

    def identify(self, entity: SObject, key: SField, drafts: Sequence[Draft]) -> None:
        """Sets each draft's Id by its value of `key`, where a record has it."""
        carrying = [d for d in sound(drafts) if d.values.get(key.name) is not None]
        holders = self.holders(entity, key, [d.values[key.name] for d in carrying])
        seen: set[Any] = set()
        for draft in carrying:
            value = fold_case(draft.values[key.name])
            matches = holders.get(value, [])
            if len(matches) > 1:
                reason = f"{key.name}: more than one record found for external id field: {matches}"
                draft.error = RowError("DUPLICATE_EXTERNAL_ID", reason, (key.name,))
            elif value in seen:
                reason = f"Duplicate external id specified: {draft.values[key.name]}"
                draft.error = RowError("DUPLICATE_VALUE", reason, (key.name,))
            elif matches:
                draft.id = matches[0]
            seen.add(value)

    def holders(self, entity: SObject, key: SField, values: Iterable[Any]) -> dict[Any, list[str]]:
        """The Ids of the records that are there, by the folded value of `key` they carry."""
        text = key.column_type == "VARCHAR"
        column = f"lower({ident(key.name)})" if text else ident(key.name)
        keys = list({fold_case(value) for value in values})
        alive = '"IsDeleted" IS NOT TRUE' if entity.soft_deletes else "true"
        cursor = self._store.cursor()
        with value_list(cursor, keys, arrow_type(key)) as key_list:
            rows = cursor.execute(
                f'SELECT {column}, "Id" FROM main.{ident(entity.name)}'  # noqa: S608  (quoted)
                f' WHERE {alive} AND {column} IN {key_list} ORDER BY "Id"',
            ).fetchall()
        holders: dict[Any, list[str]] = defaultdict(list)
        for value, identifier in rows:
            holders[value].append(identifier)
        return holders

    def _states(self, entity: SObject, ids: Iterable[str]) -> dict[str, bool]:
        """Whether each existing record is deleted."""
        deleted = 'coalesce("IsDeleted", false)' if entity.soft_deletes else "false"
        cursor = self._store.cursor()
        with value_list(cursor, ids) as id_list:
            rows = cursor.execute(
                f'SELECT "Id", {deleted} FROM main.{ident(entity.name)}'  # noqa: S608  (quoted)
                f' WHERE "Id" IN {id_list}',
            )
            return dict(rows.fetchall())


def _dangling(column: SField, value: str, prefixes: Collection[str]) -> RowError:
    if value[:3] not in prefixes:
        reason = f"{column.raw.get('label', column.name)}: id value of incorrect type: {value}"
        return RowError("FIELD_INTEGRITY_EXCEPTION", reason, (column.name,))
    return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (column.name,))


def fold_case(value: Any) -> Any:
    """External ids are case-insensitive."""
    return value.lower() if isinstance(value, str) else value
