"""The backstop: a periodic comparison of all Ids in the org with those in the warehouse.

A record of the warehouse that is not in the org, not even in its recycle bin, was hard-deleted. One
that lies in the recycle bin since before the last window had its deletion set aside by a rule: it
is marked as deleted too. A record of the org that the warehouse lacks, or has as deleted, is read
again in full, as no window can have had its changes meanwhile. Records created or changed since the
comparison began count as neither: the next delta brings them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError
from seil.salesforce.org import DeletedRecord
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.compare.exceptions import rules_digest, versions_set_aside
from seil.sf_to_dw.compare.spool import Spool
from seil.sf_to_dw.extract.cursor import choose_cursor
from seil.sf_to_dw.extract.deletions import SCHEMA, deleted_rows
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates
from seil.sf_to_dw.extract.partials import (
    DELETIONS,
    REREAD,
    PartialStates,
    SideExtract,
    land,
    query_rows,
)
from seil.sf_to_dw.schema.registry import readable_schema
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

# When so many records vanish without being listed as deleted, a lost permission is likelier.
_SUSPICIOUS_SHARE = 0.3
# A SOQL statement may have 100,000 characters.
_IDS_PER_QUERY = 2000
_MAX_REREAD = 20_000
_IS_DELETED = "IsDeleted"


class IdComparison:
    """First `start`, then `compare`, then `extract_missing`, then `finish`.

    `now` is the org's clock before that. With `believe`, any share of records may be missing in the
    org.
    """

    mode: FlowMode = DELETIONS

    def __init__(
        self, context: FlowContext, obj: SyncedObject, *, now: datetime, believe: bool = False
    ) -> None:
        self.obj = obj
        self._context = context
        self._now = now
        self._believe = believe
        self._spool = Spool()
        self._missing: list[str] = []

    def close(self) -> None:
        self._spool.close()

    def start(self) -> None:
        """Reads all Ids from the org. Raises RejectError and RetryError."""
        self._schema = readable_schema(self._context.org, self.obj)
        self._cursor = choose_cursor(self.obj.flow, self._schema).name
        names = dict.fromkeys(filter(None, (self.obj.key, self._cursor, _IS_DELETED)))
        fields = tuple(f for name in names if (f := self._schema.get(name)))
        self._read = ObjectSchema(self.obj.api_name, fields)
        soql = select([f.name for f in fields], self.obj.api_name)
        self._spool.write(query_rows(self._context, soql, self._read, deleted=True))

    def compare(self, warehouse: Warehouse) -> Iterator[FlowResult]:
        """Lands the deletions. Raises RejectError where they are suspiciously many."""
        table = TableName("salesforce", self.obj.table)
        if warehouse.columns(table) is None:
            return
        rows = self._spool.rows(self._read.arrow)
        with warehouse.compare(table, rows, key=self.obj.key, cursor=self._cursor) as comparison:
            deleted = comparison.ids_not_in_source(self._now)
            if not self._believe:
                self._check_share(len(deleted), comparison.living())
            if watermark := FlowStates(self._context.lake).get(self.obj).committed:
                self._missing = self._without_set_aside(comparison.missing(watermark))
                self._missing += comparison.hidden(watermark)
                deleted += comparison.deleted(watermark)
        if deleted:
            yield self._land_deletions(deleted)

    @property
    def lacks_records(self) -> bool:
        return bool(self._missing)

    def extract_missing(self) -> Iterator[FlowResult]:
        """Lands records that the warehouse lacks, or has as deleted. Raises RejectError and
        RetryError.
        """
        name, missing = self.obj.api_name, self._missing
        log.warning("%s: the warehouse lacks %d records; reading them again", name, len(missing))
        if len(missing) > _MAX_REREAD:
            reason = f"{len(missing):,} records of the org are not in the warehouse"
            raise ObjectRejectedError(name, reason, hint=f"Run `seil run --full {name}`")
        for first in range(0, len(missing), _IDS_PER_QUERY):
            ids = ", ".join(
                f"'{record_id}'" for record_id in missing[first : first + _IDS_PER_QUERY]
            )
            where = f"{self.obj.key} IN ({ids})"
            soql = select([f.name for f in self._schema.fields], name, where)
            rows = query_rows(self._context, soql, self._schema, deleted=True)
            # Schemas differ where a value needed a wider column.
            for schema, group in groupby(rows, key=lambda batch: batch.schema):
                batches = list(group)
                count = sum(batch.num_rows for batch in batches)
                extract = SideExtract(REREAD, None, self._end, schema, count)
                yield land(self._context, self.obj, extract, batches)

    def finish(self) -> None:
        states = PartialStates(self._context.lake)
        rules = rules_digest(self.obj)
        states.change(self.obj, compared_at=self._now, is_compare_due=False, rules=rules)

    def _check_share(self, deleted: int, total: int) -> None:
        """A single record of several may always go."""
        if deleted <= _SUSPICIOUS_SHARE * total or (deleted == 1 and total > 1):
            return
        name = self.obj.api_name
        raise ObjectRejectedError(
            name,
            f"{deleted:,} of its {total:,} records are not in the org any more, suspiciously many;"
            " nothing was marked as deleted",
            hint="Check that the user of [salesforce] still sees all records. If they are gone:"
            f" `seil reconcile {name} --ids --believe {name}`",
        )

    def _without_set_aside(self, missing: Sequence[tuple[str, Any]]) -> list[str]:
        """The Ids, but for record versions that the current rules have set aside."""
        lake = self._context.lake
        last_rules = PartialStates(lake).get(self.obj).rules
        if missing and last_rules in ("", rules_digest(self.obj)):
            aside = versions_set_aside(lake, self.obj, self._cursor)
            missing = [version for version in missing if version not in aside]
        return [record_id for record_id, _ in missing]

    def _land_deletions(self, ids: Sequence[str]) -> FlowResult:
        log.warning("%s: %d deletions were in no list of deletions", self.obj.api_name, len(ids))
        rows = deleted_rows(DeletedRecord(id=record_id, deleted_at=self._now) for record_id in ids)
        extract = SideExtract(DELETIONS, None, self._end, SCHEMA, len(ids))
        return land(self._context, self.obj, extract, [rows])

    @property
    def _end(self) -> datetime:
        return self._now - self.obj.flow.lag
