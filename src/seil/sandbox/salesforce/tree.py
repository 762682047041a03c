"""Creates records together with their child records, atomically.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobject_tree.htm
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from seil.sandbox.salesforce.conversion import RowError
from seil.sandbox.salesforce.describe import find_object
from seil.sandbox.salesforce.errors import OrgApiError, unreadable_json
from seil.sandbox.salesforce.json_rows import check_record
from seil.sandbox.salesforce.json_text import JsonSource
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.records import OrgRecords
from seil.sandbox.salesforce.store import OrgStore, RollBack

_MOST_RECORDS = 200
_MOST_LEVELS = 5
_RECORDS = "records"


@dataclass
class _Node:
    """A record of the tree; `key` is its field that refers to the record `above` it."""

    entity: SObject
    row: Mapping[str, Any]
    source: JsonSource
    above: _Node | None = None
    key: str = ""
    id: str | None = None

    @property
    def nested(self) -> dict[str, Mapping[str, Any]]:
        members = self.row.items()
        return {n: v for n, v in members if isinstance(v, dict) and _RECORDS in v}

    @property
    def own(self) -> dict[str, Any]:
        return {name: value for name, value in self.row.items() if name not in self.nested}

    def check(self) -> None:
        """Raises OrgApiError for anything that is not a record of the object."""
        check_record(self.entity, self.own, self.source)

    @property
    def reference(self) -> str:
        return str((self.row.get("attributes") or {}).get("referenceId") or "")


class Tree:
    def __init__(self, store: OrgStore, records: OrgRecords) -> None:
        self._store = store
        self._records = records

    def routes(self) -> list[OrgRoute]:
        return [OrgRoute("POST", "/services/data/{version}/composite/tree/{object}", self._create)]

    def _create(self, call: OrgRequest) -> OrgReply:
        entity = find_object(self._store, call.args["object"])
        source = JsonSource(call.text())
        levels = self._levels(_Node(entity, call.json_object(_RECORDS), source))
        nodes = [node for level in levels for node in level]
        if len(nodes) > _MOST_RECORDS:
            reason = f"record limit reached. cannot submit more than {_MOST_RECORDS} records"
            raise OrgApiError(400, "EXCEEDED_ID_LIMIT", reason)
        if errors := _reference_errors(nodes) or self._write(levels):
            return OrgReply(400, {"hasErrors": True, "results": errors})
        results = [{"referenceId": node.reference, "id": node.id} for node in nodes]
        return OrgReply(201, {"hasErrors": False, "results": results})

    def _write(self, levels: list[list[_Node]]) -> list[dict[str, Any]]:
        """Writes all of them, or returns the errors."""
        errors: list[dict[str, Any]] = []
        with suppress(RollBack), self._store.write():
            errors = [error for level in levels for error in self._write_level(level)]
            if errors:
                raise RollBack
        return errors

    def _levels(self, root: _Node) -> list[list[_Node]]:
        """The body's records, then their children, level by level."""
        levels: list[list[_Node]] = []
        level = list(_nodes(root))
        while level:
            if len(levels) == _MOST_LEVELS:
                raise OrgApiError(400, "INVALID_INPUT", f"A tree has at most {_MOST_LEVELS} levels")
            for node in level:
                node.check()
            levels.append(level)
            level = [child for node in level for child in self._children(node)]
        return levels

    def _children(self, node: _Node) -> Iterator[_Node]:
        for name, value in node.nested.items():
            child, key = self._child(node.entity, name)
            yield from _nodes(_Node(child, value, node.source.inside(name), node, key))

    def _child(self, entity: SObject, name: str) -> tuple[SObject, str]:
        """(a child relationship's object, its field that refers back)"""
        for child in entity.describe(self._store.objects.values())["childRelationships"]:
            there = child["childSObject"] in self._store.objects
            if there and (child["relationshipName"] or "").lower() == name.lower():
                return self._store.object(child["childSObject"]), str(child["field"])
        reason = f"No such column '{name}' on sobject of type {entity.name}"
        raise OrgApiError(400, "INVALID_FIELD", reason)

    def _write_level(self, level: list[_Node]) -> Iterator[dict[str, Any]]:
        """The errors of a level's records; children of a refused record are skipped."""
        for node in level:
            if node.above is not None and node.above.id is None:
                continue
            above = {node.key: node.above.id} if node.above else {}
            (outcome,) = self._records.insert(node.entity.name, [{**node.own, **above}])
            node.id = outcome.id
            if outcome.error:
                yield _error(node.reference, outcome.error)


def _nodes(holder: _Node) -> Iterator[_Node]:
    """The records in `holder.row`, which share its parent."""
    rows = holder.row.get(_RECORDS)
    if not isinstance(rows, list) or not rows:
        raise unreadable_json(f"{_RECORDS} must be a list of objects at {holder.source.place}")
    for number, row in enumerate(rows):
        source = holder.source.inside(_RECORDS, number)
        node = replace(holder, row=row if isinstance(row, dict) else {}, source=source)
        yield node


def _reference_errors(nodes: list[_Node]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    for node in nodes:
        if not node.reference or node.reference in seen:
            duplicate = "Duplicate ReferenceId provided in the request."
            missing = "Include a reference ID for each record in the request."
            error = RowError("INVALID_INPUT", duplicate if node.reference else missing)
            return [_error(node.reference, error)]
        seen.add(node.reference)
    return []


def _error(reference: str, error: RowError) -> dict[str, Any]:
    return {"referenceId": reference, "errors": [error.as_json()]}
