"""Records and collections of records over REST, and getUpdated and getDeleted.

An upsert of a record that is there answers 200 with `created` from v46 on, 204 before:
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.conditions import NUMBERS
from seil.sandbox.salesforce.conversion import RowError
from seil.sandbox.salesforce.describe import find_object
from seil.sandbox.salesforce.errors import AmbiguousIdError, OrgApiError, not_found, unreadable_json
from seil.sandbox.salesforce.json_rows import check_record, is_set, object_name
from seil.sandbox.salesforce.json_text import JsonSource, parse
from seil.sandbox.salesforce.messages import NO_CONTENT, OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.query import Queries
from seil.sandbox.salesforce.records import OrgRecords, WriteOutcome
from seil.sandbox.salesforce.rows import datetime_text
from seil.sandbox.salesforce.store import OrgStore, RollBack, ident

_MAX_COLLECTION = 200
_MOST_RETRIEVED = 2_000
_DELETED_KEPT = timedelta(days=15)
_UPSERT_ANSWERS_SINCE = 46.0
_NOT_THERE = frozenset({"INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"})
_NO_KEY = "Provided external ID field does not exist or is not accessible: "
_MOST_CHUNKS = 10
_UNSAFE_FIELDS = re.compile(r"[^\w.,\s]")


def _create_result(outcome: WriteOutcome) -> dict[str, Any]:
    return {"id": outcome.id, "success": True, "errors": []}


def _upsert_result(outcome: WriteOutcome) -> dict[str, Any]:
    return {**_create_result(outcome), "created": outcome.created}


def _error_result(outcome: WriteOutcome) -> dict[str, Any]:
    return {"success": False, "errors": [outcome.error.as_json()] if outcome.error else []}


class RecordRoutes:
    def __init__(self, store: OrgStore, records: OrgRecords, queries: Queries) -> None:
        self._store = store
        self._records = records
        self._queries = queries

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}"
        entry = f"{base}/sobjects/{{object}}"
        many = f"{base}/composite/sobjects"
        return [
            OrgRoute("GET", f"{entry}/deleted", self._list_deleted),
            OrgRoute("GET", f"{entry}/updated", self._list_updated),
            OrgRoute("POST", entry, self._create),
            OrgRoute("GET", f"{entry}/{{id}}", self._get),
            OrgRoute("PATCH", f"{entry}/{{id}}", self._update),
            OrgRoute("POST", f"{entry}/{{id}}", self._update_by_post),
            OrgRoute("DELETE", f"{entry}/{{id}}", self._delete),
            OrgRoute("GET", f"{entry}/{{key}}/{{value}}", self._get_by_key),
            OrgRoute("PATCH", f"{entry}/{{key}}/{{value}}", self._upsert),
            OrgRoute("DELETE", f"{entry}/{{key}}/{{value}}", self._delete_by_key),
            OrgRoute("POST", many, self._create_many),
            OrgRoute("PATCH", many, self._update_many),
            OrgRoute("DELETE", many, self._delete_many),
            OrgRoute("GET", f"{many}/{{object}}", self._retrieve),
            OrgRoute("POST", f"{many}/{{object}}", self._retrieve_by_post),
            OrgRoute("PATCH", f"{many}/{{object}}/{{key}}", self._upsert_many),
        ]

    def _get(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        identifier = full_id(call.args["id"])
        fields, current = call.params.get("fields", ""), [identifier] if identifier else []
        records = self._select(entity, "Id", current, fields=fields, root=call.root)
        if not records:
            raise self._absent(entity, identifier, call.args["id"])
        return OrgReply(200, records[0])

    def _absent(self, entity: SObject, identifier: str | None, sent: str) -> OrgApiError:
        if identifier is None:
            return not_found(f"{_NO_KEY}{sent}")
        text = f"SELECT Id FROM {entity.name} WHERE Id = {soql.quote(identifier)} ALL ROWS"  # noqa: S608  (SOQL)
        if self._queries.records(text, ""):
            return OrgApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
        return not_found()

    def _get_by_key(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        blob = entity.field(call.args["value"])
        if blob and blob.type == "base64" and (identifier := full_id(call.args["key"])):
            return self._blob(entity, identifier)
        key = _key(entity, call.args["key"])
        fields, value = call.params.get("fields", ""), call.args["value"]
        records = self._select(entity, key.name, [value], fields=fields, root=call.root)
        if not records:
            raise not_found()
        if len(records) > 1:
            raise AmbiguousIdError([record["attributes"]["url"] for record in records])
        return OrgReply(200, records[0])

    def _blob(self, entity: SObject, identifier: str) -> OrgReply:
        """A record's binary field: bytes derived from its Id."""
        if not self._select(entity, "Id", [identifier], fields="Id", root=""):
            raise not_found()
        return OrgReply(200, f"{entity.name} {identifier}".encode(), "application/octet-stream")

    def _create(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        (outcome,) = self._records.insert(entity.name, [_record(entity, call)])
        _raise(outcome)
        address = f"{call.root}/sobjects/{entity.name}/{outcome.id}"
        return OrgReply(201, _create_result(outcome), headers={"Location": address})

    def _update(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        row = _record(entity, call, without="Id")
        (outcome,) = self._records.update(entity.name, [{**row, "Id": call.args["id"]}])
        _raise(outcome)
        return NO_CONTENT

    def _update_by_post(self, call: OrgRequest) -> OrgReply:
        """For clients that cannot send PATCH; by Id without a value, an upsert that creates."""
        if call.args["id"].lower() == "id":
            created = self._create(call)
            return replace(created, content={**created.content, "created": True})
        if call.params.get("_HttpMethod", "").upper() != "PATCH":
            raise OrgApiError(405, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed")
        return self._update(call)

    def _delete(self, call: OrgRequest) -> OrgReply:
        (outcome,) = self._records.delete(self._entity(call).name, [call.args["id"]])
        _raise(outcome)
        return NO_CONTENT

    def _delete_by_key(self, call: OrgRequest) -> OrgReply:
        record = self._get_by_key(call).content
        (outcome,) = self._records.delete(self._entity(call).name, [record["Id"]])
        _raise(outcome)
        return NO_CONTENT

    def _upsert(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        key = _key(entity, call.args["key"])
        if call.params.get("updateOnly", "").lower() == "true":
            self._get_by_key(call)
        row = {**_record(entity, call, without=key.name), key.name: call.args["value"]}
        (outcome,) = self._records.upsert(entity.name, [row], key=key)
        if outcome.error and outcome.error.code == "DUPLICATE_EXTERNAL_ID":
            return self._get_by_key(call)
        _raise(outcome)
        if not outcome.created and float(call.version) < _UPSERT_ANSWERS_SINCE:
            return NO_CONTENT
        return OrgReply(201 if outcome.created else 200, _upsert_result(outcome))

    def _retrieve(self, call: OrgRequest) -> OrgReply:
        ids, fields = (_split_list(call.params.get(name, "")) for name in ("ids", "fields"))
        return self._retrieve_records(call, ids, fields)

    def _retrieve_by_post(self, call: OrgRequest) -> OrgReply:
        body = call.json_object("ids", "fields")
        lists = [body.get(name) for name in ("ids", "fields")]
        if not all(isinstance(names, list) for names in lists):
            raise unreadable_json("ids and fields must be lists of texts")
        ids, fields = ([str(name) for name in names or ()] for names in lists)
        return self._retrieve_records(call, ids, fields)

    def _retrieve_records(self, call: OrgRequest, ids: list[str], fields: list[str]) -> OrgReply:
        """In the order of the Ids, null for one that is not there.

        https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_retrieve.htm
        """
        if not ids or not fields:
            name = "fields" if ids else "ids"
            reason = f"The {name} parameter is required and must name at least one"
            raise OrgApiError(400, "MISSING_ARGUMENT", reason)
        _check_size(ids, _MOST_RETRIEVED)
        entity = self._entity(call)
        full_ids = [full_id(identifier) for identifier in ids]
        columns = ",".join(dict.fromkeys([*(_spelling(entity, name) for name in fields), "Id"]))
        text = _selection(entity, columns)
        records = self._queries.records_by_id(text, filter(None, full_ids), call.root)
        by_id = {record["Id"]: record for record in records}
        if "id" not in map(str.lower, fields):
            for record in records:
                del record["Id"]
        return OrgReply(200, [by_id.get(identifier or "") for identifier in full_ids])

    def _create_many(self, call: OrgRequest) -> OrgReply:
        return self._write_many(call, self._records.insert)

    def _update_many(self, call: OrgRequest) -> OrgReply:
        return self._write_many(call, self._records.update)

    def _upsert_many(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        key = _key(entity, call.args["key"])

        def write(name: str, rows: Sequence[Mapping[str, Any]]) -> list[WriteOutcome]:
            if name != entity.name:
                reason = f"Records of type {name} cannot be upserted as {entity.name}"
                raise OrgApiError(400, "INVALID_TYPE", reason)
            return self._records.upsert(name, rows, key=key)

        return self._write_many(call, write, outcome_body=_upsert_result)

    def _delete_many(self, call: OrgRequest) -> OrgReply:
        ids = _split_list(call.params.get("ids", ""))
        if not ids:
            raise OrgApiError(400, "MISSING_ARGUMENT", "The ids parameter is required")
        _check_size(ids)
        by_prefix = {e.key_prefix: e.name for e in self._store.objects.values()}
        rows = [(by_prefix.get(i[:3], ""), i) for i in ids]
        all_or_none = call.params.get("allOrNone", "false").lower() == "true"
        return OrgReply(200, self._group(rows, self._records.delete, all_or_none=all_or_none))

    def _write_many(
        self,
        call: OrgRequest,
        write: Callable[[str, Sequence[Mapping[str, Any]]], list[WriteOutcome]],
        *,
        outcome_body: Callable[[WriteOutcome], dict[str, Any]] = _create_result,
    ) -> OrgReply:
        body = call.json_object("allOrNone", "records")
        sent = body.get("records")
        if not isinstance(sent, list) or not all(isinstance(row, dict) for row in sent):
            raise unreadable_json("records must be a list of objects")
        _check_size(sent)
        source = JsonSource(call.text(), ("records",))
        rows = []
        for number, row in enumerate(sent):
            entity = find_object(self._store, object_name(row))
            rows.append((entity.name, check_record(entity, row, source.inside(number))))
        all_or_none = is_set(body, "allOrNone", source=JsonSource(call.text()))
        return OrgReply(
            200, self._group(rows, write, all_or_none=all_or_none, outcome_body=outcome_body)
        )

    def _group(
        self,
        rows: Sequence[tuple[str, Any]],
        write: Callable[[str, Any], list[WriteOutcome]],
        *,
        all_or_none: bool,
        outcome_body: Callable[[WriteOutcome], dict[str, Any]] = _create_result,
    ) -> list[dict[str, Any]]:
        """Groups consecutive records of an object."""
        results: list[dict[str, Any]] = []
        runs = _runs(rows)
        if len(runs) > _MOST_CHUNKS:
            reason = f"Cannot have more than {_MOST_CHUNKS} chunks in a single operation."
            advice = "Please rearrange the data to reduce chunking."
            raise OrgApiError(400, "LIMIT_EXCEEDED", f"{reason} {advice}")
        try:
            with self._store.write():
                for name, values in runs:
                    outcomes = write(name, values) if name else [_malformed_id(v) for v in values]
                    results += [_error_result(o) if o.error else outcome_body(o) for o in outcomes]
                if all_or_none and not all(entry["success"] for entry in results):
                    raise RollBack
        except RollBack:
            results = [r if not r["success"] else _ROLLED_BACK for r in results]
        return results

    def _list_deleted(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        start, end = _window(call)
        rows: list[tuple[str, datetime]] = []
        if entity.soft_deletes:
            rows += self._between(entity, start, end, '"IsDeleted"')
        rows += (
            self._store.cursor()
            .execute(
                "SELECT id, deleted_at FROM seil.hard_deleted"
                " WHERE lower(object) = lower($1) AND deleted_at >= $2 AND deleted_at < $3",
                [entity.name, start, end],
            )
            .fetchall()
        )
        deleted = [
            {"id": identifier, "deletedDate": datetime_text(at)}
            for identifier, at in sorted(dict(rows).items(), key=lambda row: (row[1], row[0]))
        ]
        now = datetime.now(UTC)
        earliest = now - _DELETED_KEPT
        return OrgReply(
            200,
            {
                "deletedRecords": deleted,
                "earliestDateAvailable": datetime_text(earliest),
                "latestDateCovered": datetime_text(min(end, now.replace(tzinfo=None))),
            },
        )

    def _list_updated(self, call: OrgRequest) -> OrgReply:
        entity = self._entity(call)
        start, end = _window(call)
        alive = '"IsDeleted" IS NOT TRUE' if entity.soft_deletes else "true"
        ids = [identifier for identifier, _ in self._between(entity, start, end, alive)]
        covered = min(end, datetime.now(UTC).replace(tzinfo=None))
        return OrgReply(200, {"ids": ids, "latestDateCovered": datetime_text(covered)})

    def _between(
        self, entity: SObject, start: datetime, end: datetime, condition: str
    ) -> list[tuple[str, datetime]]:
        stamp = next(
            (n for n in ("SystemModstamp", "LastModifiedDate", "CreatedDate") if entity.field(n)),
            None,
        )
        if stamp is None:
            reason = f"object {entity.name} cannot be replicated"
            raise OrgApiError(400, "INVALID_TYPE", reason)
        rows = self._store.cursor().execute(
            f'SELECT "Id", {ident(stamp)} FROM main.{ident(entity.name)}'  # noqa: S608  (bound)
            f" WHERE {condition} AND {ident(stamp)} >= $1 AND {ident(stamp)} < $2 ORDER BY 2, 1",
            [start, end],
        )
        return rows.fetchall()

    def _select(
        self, entity: SObject, key: str, values: Iterable[str], *, fields: str, root: str
    ) -> list[dict[str, Any]]:
        values = list(values)
        if not values:
            return []
        column = entity.field(key)
        numeric = column is not None and column.type in NUMBERS
        entries = ", ".join(value if numeric else soql.quote(value) for value in values)
        text = f"{_selection(entity, fields)} WHERE {key} IN ({entries})"
        return self._queries.records(text, root)

    def _entity(self, call: OrgRequest) -> SObject:
        return find_object(self._store, call.args["object"])


def _record(entity: SObject, call: OrgRequest, *, without: str = "") -> dict[str, Any]:
    """The body as a record; `without` is the field in the URL."""
    text = call.text()
    row = check_record(entity, parse(text), JsonSource(text))
    if without.lower() in (name.lower() for name in row):
        reason = f"The {without} field should not be specified in the sobject data."
        raise OrgApiError(400, "INVALID_FIELD", reason, fields=[without])
    return row


_ROLLED_BACK = {
    "success": False,
    "errors": [
        {
            "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "message": "Record rolled back because not all records were valid and the request was"
            " using AllOrNone header",
            "fields": [],
        }
    ],
}


def _key(entity: SObject, name: str) -> SField:
    key = entity.field(name)
    if key is None or not (key.external_id or key.id_lookup or key.type == "id"):
        raise not_found(f"{_NO_KEY}{name}")
    return key


def _raise(outcome: WriteOutcome) -> None:
    """Raises the record's error for the whole request."""
    if (error := outcome.error) is None:
        return
    if error.code == "ENTITY_IS_DELETED":
        raise OrgApiError(404, error.code, error.message, fields=[])
    if error.code in _NOT_THERE and error.fields in ((), ("Id",)):
        raise not_found(f"{_NO_KEY}{outcome.id or ''}")
    raise OrgApiError(400, error.code, error.message, fields=error.fields)


def _runs(rows: Sequence[tuple[str, Any]]) -> list[tuple[str, list[Any]]]:
    runs: list[tuple[str, list[Any]]] = []
    for name, value in rows:
        if runs and runs[-1][0] == name:
            runs[-1][1].append(value)
        else:
            runs.append((name, [value]))
    return runs


def _malformed_id(identifier: str) -> WriteOutcome:
    return WriteOutcome(
        None, created=False, error=RowError("MALFORMED_ID", f"malformed id {identifier}")
    )


def _split_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _selection(entity: SObject, fields: str) -> str:
    """SOQL for all records; without `fields` of all its fields."""
    fields = fields or ",".join(f.name for f in entity.fields)
    if _UNSAFE_FIELDS.search(fields):
        raise OrgApiError(400, "INVALID_FIELD", f"No such columns: {fields}")
    return f"SELECT {fields} FROM {entity.name}"  # noqa: S608  (SOQL)


def _spelling(entity: SObject, name: str) -> str:
    column = entity.field(name)
    return column.name if column else name


def _check_size(sent: Sequence[Any], most: int = _MAX_COLLECTION) -> None:
    if len(sent) > most:
        reason = f"record limit reached. cannot submit more than {most} records into this call"
        raise OrgApiError(400, "EXCEEDED_ID_LIMIT", reason)


def _window(call: OrgRequest) -> tuple[datetime, datetime]:
    """In UTC without a zone, like the columns."""
    moments = []
    for name in ("start", "end"):
        text = call.params.get(name, "").replace(" ", "+")
        text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise OrgApiError(
                400, "INVALID_REPLICATION_DATE", f"{name} is no date: {text}"
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moments.append(moment.astimezone(UTC).replace(tzinfo=None))
    if moments[0] >= moments[1]:
        raise OrgApiError(400, "INVALID_REPLICATION_DATE", "startDate before endDate expected")
    return moments[0], moments[1]
