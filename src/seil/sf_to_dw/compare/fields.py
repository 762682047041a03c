"""Fields whose values come without any timestamp, so that no window brings them.

Calculated fields are read on a schedule; a field that is new, or may be read again, once for all
records. Id and these fields are compared with the warehouse, value by value, and only the records
that differ are landed, with nothing but these columns.
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
from seil.sf_to_dw.extract.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates
from seil.sf_to_dw.extract.partials import (
    FIELDS,
    FORMULAS,
    PartialStates,
    Reading,
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
    """First `read`, then `compare`. `now` is the org's clock before. `mode` is FORMULAS for the
    calculated fields, FIELDS for those that the flow's state has due.
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
        self._left: tuple[str, ...] = ()

    def close(self) -> None:
        self._spool.close()

    def start(self) -> None:
        """Raises RejectError and RetryError."""
        obj, context = self.obj, self._context
        described = readable_schema(context.org, obj)
        key = described.get(obj.key)
        decided = in_force(context.decisions.get(obj.api_name)).items()
        # The column of that name holds values of an earlier type.
        kept_apart = {column for column, entry in decided if entry.policy != "text"}
        left_out = {obj.key.lower(), *kept_apart}
        wanted = [f for f in self._compared_fields(described) if f.name.lower() not in left_out]
        if key and wanted:
            self._schema = ObjectSchema(obj.api_name, (key, *wanted))
            names = [f.name for f in self._schema.fields]
            if self.mode == FIELDS:
                log.warning(
                    "%s: %s came, or came back: read for all records",
                    obj.api_name,
                    ", ".join(names[1:]),
                )
            # A record in the recycle bin has a new field as well; its formulas do not matter.
            deleted = self.mode == FIELDS
            soql = select(names, obj.api_name)
            self._spool.write(query_rows(context, soql, self._schema, deleted=deleted))

    def _compared_fields(self, described: ObjectSchema) -> list[Field]:
        if self.mode == FORMULAS:
            return [f for f in described.fields if f.calculated]
        due = FlowStates(self._context.lake).get(self.obj).due_fields
        return [field for name in due if (field := described.get(name))]

    def compare(self, warehouse: Warehouse) -> Iterator[FlowResult]:
        """Lands what differs."""
        table = TableName("salesforce", self.obj.table)
        columns = warehouse.columns(table)
        known = set(columns.names) if columns is not None else set()
        read = self._schema.arrow.names[1:]
        names = [name for name in read if name.lower() in known]
        self._left = tuple(name for name in read if name.lower() not in known)
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
                reading = Reading(self.mode, None, end, batches.schema, count)
                yield land(self._context, self.obj, reading, batches)

    def extract_missing(self) -> Iterator[FlowResult]:
        """No field lacks a record."""
        yield from ()

    def finish(self) -> None:
        if self.mode == FORMULAS:
            PartialStates(self._context.lake).change(self.obj, refreshed_at=self._now)
        else:
            # Nothing else reads the org meanwhile: the next run finds a field that came since.
            FlowStates(self._context.lake).change(self.obj, due_fields=self._left)
