"""Reads single records by Id, as a window reads them, and lands them.

Up to 2,000 of an object come by REST, more by a bulk query. The REST call leaves deleted records
out: those are read with the recycle bin, and what is not there either was deleted for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from seil.errors import RejectError
from seil.salesforce.org import DeletedRecord
from seil.salesforce.soql import select
from seil.salesforce.texts import decode_records
from seil.sf_to_dw.extract.deletions import SCHEMA, deleted_rows
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.partials import DELETIONS, REREAD, SideExtract, land, query_rows
from seil.sf_to_dw.schema.registry import schema_diff

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.catalog import SyncedObject
    from seil.salesforce.schema import ObjectSchema
    from seil.sf_to_dw.extract.described import DescribedObjects

_MOST_BY_REST = 2_000
# A query travels in the URL, which may have 16,384 bytes.
_IDS_PER_QUERY = 100
_LONGEST_SELECT = 8_000
_IDS_PER_JOB = 2_000


class DriftError(Exception):
    """The object's fields have changed since its last window: only a window takes that up."""


@dataclass(frozen=True)
class ChangedIds:
    """`deleted` has the time of each record that an event says was deleted; `schema_ids` are of
    the events.
    """

    ids: frozenset[str] = frozenset()
    deleted: Mapping[str, datetime] = field(default_factory=dict)
    schema_ids: frozenset[str] = frozenset()


def read_by_id(
    context: FlowContext, obj: SyncedObject, changed: ChangedIds, described: DescribedObjects
) -> list[FlowResult]:
    """Lands the records as they are now, and the deletions.

    Raises DriftError, RejectError and RetryError.
    """
    try:
        return _read_by_id(context, obj, changed, described)
    except RejectError:
        described.forget(obj)
        raise


def _read_by_id(
    context: FlowContext, obj: SyncedObject, changed: ChangedIds, described: DescribedObjects
) -> list[FlowResult]:
    # Before the read: what is changed later is newer.
    end = context.org.now() - obj.flow.lag
    schema = described.get(context.org, obj, changed.schema_ids)
    last = context.registry.get(obj)
    if last is None or schema_diff(last, schema):
        raise DriftError(obj.api_name)
    ids = sorted(changed.ids | changed.deleted.keys())
    reader = _ByBulk(context, schema) if len(ids) > _MOST_BY_REST else _ByRest(context, schema)
    results = []
    present: set[str] = set()
    for batches in reader.read(ids):
        for arrow, group in groupby(batches, key=lambda batch: batch.schema):
            rows = list(group)
            present.update(str(name) for batch in rows for name in batch.column("Id").to_pylist())
            count = sum(batch.num_rows for batch in rows)
            results.append(land(context, obj, SideExtract(REREAD, None, end, arrow, count), rows))
    purged = [
        DeletedRecord(record_id, at)
        for record_id, at in changed.deleted.items()
        if record_id not in present
    ]
    if purged:
        extract = SideExtract(DELETIONS, None, end, SCHEMA, len(purged))
        results.append(land(context, obj, extract, [deleted_rows(purged)]))
    return results


@dataclass(frozen=True)
class _ByBulk:
    context: FlowContext
    schema: ObjectSchema

    def read(self, ids: Sequence[str]) -> Iterator[Iterable[pa.RecordBatch]]:
        for part in _parts(ids, _IDS_PER_JOB):
            yield query_rows(self.context, _soql(self.schema, part), self.schema, deleted=True)


@dataclass(frozen=True)
class _ByRest:
    context: FlowContext
    schema: ObjectSchema

    def read(self, ids: Sequence[str]) -> Iterator[Iterable[pa.RecordBatch]]:
        org, names = self.context.org, [field.name for field in self.schema.fields]
        present = org.retrieve(self.schema.name, ids, names) if ids else {}
        # Decoded as a bulk result is.
        yield decode_records(self.schema, list(present.values()))
        rest = [record_id for record_id in ids if record_id not in present]
        if len(",".join(names)) > _LONGEST_SELECT:
            yield from _ByBulk(self.context, self.schema).read(rest)
            return
        for part in _parts(rest, _IDS_PER_QUERY):
            rows = list(org.query(_soql(self.schema, part), deleted=True))
            yield decode_records(self.schema, rows)


def _soql(schema: ObjectSchema, ids: Sequence[str]) -> str:
    among = ", ".join(f"'{record_id}'" for record_id in ids)
    return select([field.name for field in schema.fields], schema.name, f"Id IN ({among})")


def _parts(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), size):
        yield ids[first : first + size]
