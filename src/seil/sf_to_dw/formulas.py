"""Calculated fields: what they give changes without any timestamp, so they are read on a schedule.

Id and calculated fields of all records are compared with the warehouse, value by value, and only
the records that differ are landed, with nothing but these columns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.flows import Mode
from seil.sf_to_dw.partials import FORMULAS, PartialStates, Reading, land, queried
from seil.sf_to_dw.schema_review import Decisions
from seil.sf_to_dw.spool import Spool, spooled_table
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, translated
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)


class FormulaComparison:
    """First `read`, then `compare`. `now` is the org's clock before."""

    mode: Mode = FORMULAS
    lacks_records = False

    def __init__(self, context: FlowContext, obj: SyncedObject, *, now: datetime) -> None:
        self.obj = obj
        self._context = context
        self._now = now
        self._spool = Spool()
        self._schema = ObjectSchema(obj.api_name, ())

    def close(self) -> None:
        self._spool.close()

    def read(self) -> None:
        """Raises RejectError and RetryError."""
        obj, context = self.obj, self._context
        described = context.org.describe(obj.api_name)
        described = described.without(obj.exclude, "excluded in the catalog")
        key = described.get(obj.key)
        decided = Decisions(context.lake).by_column(obj).items()
        # The column of that name holds values of an earlier type.
        kept_apart = {column for column, entry in decided if entry.policy != "text"}
        fields = tuple(
            f
            for f in described.fields
            if f.calculated and f.name.lower() not in {obj.key.lower(), *kept_apart}
        )
        if key and fields:
            self._schema = ObjectSchema(obj.api_name, (key, *fields))
            soql = select([f.name for f in self._schema.fields], obj.api_name)
            self._spool.write(queried(context, soql, self._schema, deleted=False))

    def compare(self, warehouse: Warehouse) -> Iterator[FlowResult]:
        """Lands what differs."""
        table = TableName("salesforce", self.obj.table)
        columns = warehouse.columns(table)
        known = set(columns.names) if columns is not None else set()
        names = [name for name in self._schema.arrow.names[1:] if name.lower() in known]
        if not names:
            return
        read = TableName("seil", f"refreshed_{self.obj.table}")
        with spooled_table(warehouse, read, self._schema.arrow, self._spool):
            differing = _Differing(warehouse, table, read, self.obj.key).rows(names)
            counted = compose("SELECT count(*) AS n FROM ({rows})", rows=differing)
            found = warehouse.query(translated(counted, warehouse.dialect))
            rows = int(found["n"][0].as_py())
            if not rows:
                return
            with warehouse.stream(translated(differing, warehouse.dialect)) as batches:
                log.info("%s: the formulas of %d records changed", self.obj.api_name, rows)
                end = self._now - self.obj.flow.lag
                reading = Reading(FORMULAS, None, end, batches.schema, rows)
                yield land(self._context, self.obj, reading, batches)

    def read_missing(self) -> Iterator[FlowResult]:
        """No formula lacks a record."""
        yield from ()

    def finish(self) -> None:
        PartialStates(self._context.lake).change(self.obj, refreshed_at=self._now)


class _Differing:
    """Which of the rows read are not what the table says."""

    def __init__(self, warehouse: Warehouse, table: TableName, read: TableName, key: str) -> None:
        self._warehouse = warehouse
        self._table = table
        self._read = read
        self._key = key

    def rows(self, names: list[str]) -> Sql:
        return compose(
            """
            SELECT {values} FROM {read} AS n JOIN {table} AS t ON t.{key} = n.{key}
            WHERE {differs}""",
            values=joined(", ", (compose("n.{c}", c=Name(c)) for c in (self._key, *names))),
            read=self._read,
            table=self._table,
            key=Name(self._key.lower()),
            differs=joined(" OR ", map(self._differs, names)),
        )

    def _differs(self, name: str) -> Sql:
        kinds = [
            columns.field(spelt).type
            for table, spelt in ((self._table, name.lower()), (self._read, name))
            if (columns := self._warehouse.columns(table)) is not None
        ]
        # What either side keeps as text is compared as text.
        template = "t.{old} IS DISTINCT FROM n.{new}"
        if TEXT in kinds:
            template = "CAST(t.{old} AS VARCHAR) IS DISTINCT FROM CAST(n.{new} AS VARCHAR)"
        return compose(template, old=Name(name.lower()), new=Name(name))
