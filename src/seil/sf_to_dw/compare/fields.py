"""Comparison of fields whose values change without moving the cursor, so that no window has them.

Calculated fields are read on a schedule; a field that is new, or readable again, is backfilled
once. Id and these fields are compared with the warehouse value by value, and only the records that
differ land, with these columns alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.salesforce.schema import Field, ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.compare.spool import Spool
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates
from seil.sf_to_dw.extract.partials import (
    FIELDS,
    FORMULAS,
    PartialStates,
    SideExtract,
    land,
    query_rows,
)
from seil.sf_to_dw.schema.registry import readable_schema
from seil.state.decisions import in_force
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)


class FieldComparison:
    """First `start`, then `compare`, then `finish`.

    `now` is the org's clock before that. `mode` is FORMULAS for the calculated fields, FIELDS for
    the due fields of the flow's state.
    """

    lacks_records = False

    def __init__(
        self, context: FlowContext, obj: SyncedObject, mode: FlowMode, *, now: datetime
    ) -> None:
        self.obj = obj
        self.mode = mode
        self._context = context
        self._now = now
        self._spool = Spool()
        self._schema = ObjectSchema(obj.api_name, ())
        self._not_in_table: tuple[str, ...] = ()

    def close(self) -> None:
        self._spool.close()

    def start(self) -> None:
        """Reads the fields from the org. Raises RejectError and RetryError."""
        obj, context = self.obj, self._context
        readable = readable_schema(context.org, obj)
        key = readable.get(obj.key)
        decisions = in_force(context.decisions.get(obj.api_name)).items()
        # Under another policy than `text`, the column of that name holds values of an older type.
        incomparable = {column for column, entry in decisions if entry.policy != "text"}
        incomparable.add(obj.key.lower())
        compared = [f for f in self._candidates(readable) if f.name.lower() not in incomparable]
        if not key or not compared:
            return
        self._schema = ObjectSchema(obj.api_name, (key, *compared))
        names = [f.name for f in self._schema.fields]
        if self.mode == FIELDS:
            log.warning("%s: backfilling the new fields %s", obj.api_name, ", ".join(names[1:]))
        # Records in the recycle bin have the new fields, too; their formulas do not matter.
        deleted = self.mode == FIELDS
        soql = select(names, obj.api_name)
        self._spool.write(query_rows(context, soql, self._schema, deleted=deleted))

    def _candidates(self, readable: ObjectSchema) -> list[Field]:
        if self.mode == FORMULAS:
            return [f for f in readable.fields if f.calculated]
        due = FlowStates(self._context.lake).get(self.obj).due_fields
        return [field for name in due if (field := readable.get(name))]

    def compare(self, warehouse: Warehouse) -> Iterator[FlowResult]:
        """Lands the records that differ."""
        table = TableName("salesforce", self.obj.table)
        columns = warehouse.columns(table)
        in_table = set(columns.names) if columns is not None else set()
        read = self._schema.arrow.names[1:]
        names = [name for name in read if name.lower() in in_table]
        self._not_in_table = tuple(name for name in read if name.lower() not in in_table)
        if not names:
            return
        rows = self._spool.rows(self._schema.arrow)
        with (
            warehouse.compare(table, rows, key=self.obj.key) as comparison,
            comparison.differing(names) as (count, batches),
        ):
            if count:
                log.info("%s: %s of %d records differ", self.obj.api_name, self.mode, count)
                end = self._now - self.obj.flow.lag
                extract = SideExtract(self.mode, None, end, batches.schema, count)
                yield land(self._context, self.obj, extract, batches)

    def extract_missing(self) -> Iterator[FlowResult]:
        """None: this comparison is about values."""
        yield from ()

    def finish(self) -> None:
        if self.mode == FORMULAS:
            PartialStates(self._context.lake).change(self.obj, refreshed_at=self._now)
        else:
            # Only this run sets due fields; one that the org got meanwhile is the next run's.
            FlowStates(self._context.lake).change(self.obj, due_fields=self._not_in_table)
