"""What changed in the org's fields, and what was decided on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seil.errors import RejectError

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.app.site import Site
    from seil.catalog import SyncedObject
    from seil.sf_to_dw.schema.diff import ObjectDiff
    from seil.state.decisions import Decision

PolicyChoice = Literal["text", "column", "drop", "read", "accept"]


@dataclass(frozen=True)
class SchemaChanges:
    """`failed` gives the reason by the API name of an object that could not be described."""

    objects: list[ObjectDiff]
    failed: Mapping[str, str]

    @property
    def needs_decision(self) -> bool:
        return bool(self.failed) or any(entry.stops for entry in self.objects)


def compare_fields(site: Site, names: Sequence[str] = ()) -> SchemaChanges:
    """The org's fields now with those last read and with the warehouse's columns."""
    from seil.sf_to_dw.schema.diff import object_diff
    from seil.sf_to_dw.schema.registry import readable_schema
    from seil.sf_to_dw.schema.review import SchemaReview

    schemas = SchemaReview(site.state_to_read.decisions, site.registry)
    objects: list[ObjectDiff] = []
    failed: dict[str, str] = {}
    for obj in site.catalog.select(names):
        try:
            readable = readable_schema(site.org, obj)
        except RejectError as error:
            failed[obj.api_name] = str(error)
            continue
        objects.append(object_diff(schemas, obj, readable, _columns(site, obj)))
    return SchemaChanges(objects, failed)


def accept(
    site: Site, name: str, *, policy: PolicyChoice = "accept", by: str, target: str = ""
) -> tuple[str, list[Decision]]:
    """Decides on an object, or on object.column; returns the object and the decisions.

    `target` names the new column of the policy `column`. Raises ObjectRejectedError where the
    policy does not go with what it is about, AlreadyRunningError.
    """
    from seil.sf_to_dw.lock import run_lock
    from seil.sf_to_dw.schema import acceptance
    from seil.sf_to_dw.schema.registry import readable_schema
    from seil.sf_to_dw.schema.review import SchemaReview, decision

    object_name, _, column = name.partition(".")
    with run_lock(site.lake):
        obj = site.catalog.select([object_name])[0]
        request = decision(policy, by=by, column=column, target=target)
        review = SchemaReview(site.state.decisions, site.registry)
        readable = readable_schema(site.org, obj)
        decisions = acceptance.accept(review, obj, readable, request)
        acceptance.publish_decisions(review, obj, readable, site.bus)
    return obj.api_name, decisions


def _columns(site: Site, obj: SyncedObject) -> pa.Schema | None:
    """None where there is no warehouse, or no table in it."""
    from seil.warehouse import TableName

    if not site.has_warehouse:
        return None
    with site.reading() as reading:
        return reading.warehouse.columns(TableName("salesforce", obj.table))
