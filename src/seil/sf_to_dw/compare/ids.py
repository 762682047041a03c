"""The backstop: all Ids of the org against those of the warehouse, once in a while.

A record that the warehouse holds and the org has not, not even in the recycle bin, was deleted for
good. One that the org has and the warehouse lacks, or holds as deleted, is read again, whole: while
it was out of sight, no window has shown its changes. Records created or changed since the
comparison began are neither: the next delta brings them.
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
from seil.sf_to_dw.extract.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates
from seil.sf_to_dw.extract.partials import (
    DELETIONS,
    REREAD,
    PartialStates,
    Reading,
    land,
    query_rows,
)
from seil.sf_to_dw.schema.registry import readable_schema
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

# So large a part of an object's records does not vanish without a word in the list of deletions; a
# user who may no longer see them is likelier.
_SUSPICIOUS_SHARE = 0.3
# A query takes 100,000 characters.
_IDS_PER_QUERY = 2000
_MOST_REREAD = 20_000
_IS_DELETED = "IsDeleted"


class IdComparison:
    """First `start`, then `compare`, then `extract_missing`. `now` is the org's clock before.

    With `believe`, any number of records may be gone.
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
        """Raises RejectError and RetryError, as `extract_missing` does."""
        self._schema = readable_schema(self._context.org, self.obj)
        self._cursor = choose_cursor(self.obj.flow, self._schema).name
        names = dict.fromkeys(filter(None, (self.obj.key, self._cursor, _IS_DELETED)))
        fields = tuple(f for name in names if (f := self._schema.get(name)))
        self._read = ObjectSchema(self.obj.api_name, fields)
        soql = select([f.name for f in fields], self.obj.api_name)
        self._spool.write(query_rows(self._context, soql, self._read, deleted=True))

    def compare(self, warehouse: Warehouse) -> Iterator[FlowResult]:
        """Lands what is gone. Raises RejectError when that is too much to be believed."""
        table = TableName("salesforce", self.obj.table)
        if warehouse.columns(table) is None:
            return
        rows = self._spool.rows(self._read.arrow)
        with warehouse.compare(table, rows, key=self.obj.key, cursor=self._cursor) as comparison:
            gone = comparison.ids_not_in_source(self._now)
            if not self._believe:
                self._check(len(gone), comparison.living())
            if committed := self._watermark:
                self._missing = self._without_set_aside(comparison.missing(committed))
                self._missing += comparison.hidden(committed)
        if gone:
            yield self._land_deletions(gone)

    @property
    def lacks_records(self) -> bool:
        return bool(self._missing)

    def extract_missing(self) -> Iterator[FlowResult]:
        """Lands what the warehouse lacks or takes for deleted."""
        name, missing = self.obj.api_name, self._missing
        log.warning("%s: %d records were missing, they are read again", name, len(missing))
        if len(missing) > _MOST_REREAD:
            reason = f"{len(missing):,} records of the org are not in the warehouse"
            raise ObjectRejectedError(name, reason, hint=f"Run `seil run --full {name}`")
        for first in range(0, len(missing), _IDS_PER_QUERY):
            listed = ", ".join(f"'{found}'" for found in missing[first : first + _IDS_PER_QUERY])
            where = f"{self.obj.key} IN ({listed})"
            soql = select([f.name for f in self._schema.fields], name, where)
            found = query_rows(self._context, soql, self._schema, deleted=True)
            # Pages differ where a value needed a wider column.
            for schema, page in groupby(found, key=lambda batch: batch.schema):
                batches = list(page)
                rows = sum(batch.num_rows for batch in batches)
                reading = Reading(REREAD, None, self._end, schema, rows)
                yield land(self._context, self.obj, reading, batches)

    def finish(self) -> None:
        states = PartialStates(self._context.lake)
        rules = rules_digest(self.obj)
        states.change(self.obj, compared_at=self._now, is_compare_due=False, rules=rules)

    def _check(self, gone: int, alive: int) -> None:
        """One record of several may go; of a small object, too, not a large part at once."""
        if gone <= _SUSPICIOUS_SHARE * alive or (gone == 1 and alive > 1):
            return
        name = self.obj.api_name
        raise ObjectRejectedError(
            name,
            f"{gone:,} of its {alive:,} records are not in the org any more, which is too many to"
            " be believed; nothing was marked as deleted",
            hint="Check that the user of [salesforce] still sees all records. If they are gone:"
            f" `seil reconcile {name} --ids --believe {name}`",
        )

    def _without_set_aside(self, missing: Sequence[tuple[str, Any]]) -> list[str]:
        """But for versions that the rules of today have set aside."""
        lake = self._context.lake
        compared = PartialStates(lake).get(self.obj).rules
        if missing and compared in ("", rules_digest(self.obj)):
            aside = versions_set_aside(lake, self.obj, self._cursor)
            missing = [version for version in missing if version not in aside]
        return [found for found, _ in missing]

    def _land_deletions(self, gone: Sequence[str]) -> FlowResult:
        log.warning("%s: %d records were deleted for good unnoticed", self.obj.api_name, len(gone))
        rows = deleted_rows(DeletedRecord(id=found, deleted_at=self._now) for found in gone)
        reading = Reading(DELETIONS, None, self._end, SCHEMA, len(gone))
        return land(self._context, self.obj, reading, [rows])

    @property
    def _end(self) -> datetime:
        return self._now - self.obj.flow.lag

    @property
    def _watermark(self) -> datetime | None:
        """Up to where the windows have been read."""
        return FlowStates(self._context.lake).get(self.obj).committed
