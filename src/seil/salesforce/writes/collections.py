"""sObject Collections: up to 200 records a call, each with its own outcome.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from seil.errors import UnavailableError
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.ids import full_id
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.writes.batch import CLEAR, RowOutcome, WriteBatch
from seil.salesforce.writes.row_errors import RowFailure, failed_row

MOST_RECORDS = 200
_PATH = "composite/sobjects"
_AS_WRITTEN = frozenset({"boolean", "int", "long", "double", "currency", "percent"})
_METHODS = {"insert": "POST", "update": "PATCH", "upsert": "PATCH", "delete": "DELETE"}


class Collections:
    def __init__(self, connection: OrgConnection) -> None:
        self._connection = connection

    def write(self, batch: WriteBatch, schema: ObjectSchema) -> list[RowOutcome]:
        """Writes at most 200 rows in one call. Outcomes are in the order of the rows.

        Raises OutcomeUnknownError for inserts and deletes whose response was lost: a retry would
        duplicate the former, and report the latter as missing.
        """
        answer = self._connection.json(self._call(batch, schema))
        keys = batch.keys
        if not isinstance(answer, list) or len(answer) != len(keys):
            raise UnavailableError(SERVICE, f"the answer does not have {len(keys)} results")
        return [_outcome(batch, key, result) for key, result in zip(keys, answer, strict=True)]

    def _call(self, batch: WriteBatch, schema: ObjectSchema) -> OrgCall:
        target = batch.target
        method = _METHODS[target.operation]
        if target.operation == "delete":
            params = {"ids": ",".join(batch.keys), "allOrNone": "false"}
            return OrgCall(method, _PATH, params=params, about=target.object, idempotent=False)
        upsert = target.operation == "upsert"
        return OrgCall(
            method,
            f"{_PATH}/{target.object}/{target.key}" if upsert else _PATH,
            content=_body(batch, schema),
            about=target.object,
            idempotent=target.operation != "insert",
            look="The next run looks up the records by their key",
        )


def _body(batch: WriteBatch, schema: ObjectSchema) -> bytes:
    """Copies numbers as text: a float would round them."""
    records = (_record(batch.target.object, row, schema) for row in batch.sent.to_pylist())
    return f'{{"allOrNone":false,"records":[{",".join(records)}]}}'.encode()


def _record(name: str, row: Mapping[str, str | None], schema: ObjectSchema) -> str:
    members = {"attributes": json.dumps({"type": name})}
    for column, text in row.items():
        if text is None:
            continue
        parent, dot, field = column.partition(".")
        if dot:
            members[parent] = _object({field: json.dumps(text)})
        else:
            members[column] = _cell(column, text, schema)
    return _object(members)


def _object(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"


def _cell(column: str, text: str, schema: ObjectSchema) -> str:
    if text == CLEAR:
        return "null"
    field = schema.get(column)
    return text if field and field.type in _AS_WRITTEN else json.dumps(text)


def _outcome(batch: WriteBatch, key: str, result: Any) -> RowOutcome:
    if not isinstance(result, Mapping) or "success" not in result:
        raise UnavailableError(SERVICE, "a result does not say whether it succeeded")
    record_id = str(result.get("id") or "")
    if batch.target.key == "Id" and record_id and full_id(record_id) != full_id(key):
        raise UnavailableError(SERVICE, f"the result for {key} is about {record_id}")
    if result["success"]:
        # Only results of upserts have `created`.
        created = batch.target.operation == "insert" or bool(result.get("created"))
        return RowOutcome(key, "written", record_id, created)
    return failed_row(key, _error(result.get("errors") or ()), record_id)


def _error(errors: Iterable[Mapping[str, Any]]) -> RowFailure:
    first = next(iter(errors), {})
    fields = ", ".join(first.get("fields") or ())
    return RowFailure(str(first.get("statusCode") or ""), str(first.get("message") or ""), fields)
