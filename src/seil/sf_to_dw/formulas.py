"""Calculated fields: what they give changes without any timestamp, so they are read on a schedule.

Id and calculated fields of all records are compared with the warehouse, value by value, and only
the records that differ are landed, with nothing but these columns.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.partials import FORMULAS, PartialStates, Reading, land, queried
from seil.sf_to_dw.schema_review import Decisions
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, translated
from seil.warehouse.types import TEXT, common_type, stored_type

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)


def refresh_formulas(
    context: FlowContext, warehouse: Warehouse, obj: SyncedObject, *, now: datetime
) -> list[FlowResult]:
    """Lands what differs. `now` is the org's clock before this call.

    Raises RejectError and RetryError.
    """
    table = TableName("salesforce", obj.table)
    described = context.org.describe(obj.api_name).without(obj.exclude, "excluded in the catalog")
    key = described.get(obj.key)
    columns = warehouse.columns(table)
    fields = [f for f in described.fields if f.calculated and f.name.lower() != obj.key.lower()]
    known = set(columns.names) if columns is not None else set()
    # The column of that name holds values of an earlier type.
    known -= {c for c, d in Decisions(context.lake).by_column(obj).items() if d.policy != "text"}
    fields = [f for f in fields if f.name.lower() in known]
    results: list[FlowResult] = []
    if fields and key:
        schema = ObjectSchema(obj.api_name, (key, *fields))
        results = _Refresh(context, warehouse, obj, schema).run(now)
    PartialStates(context.lake).change(obj, refreshed_at=now)
    return results


class _Refresh:
    def __init__(
        self, context: FlowContext, warehouse: Warehouse, obj: SyncedObject, schema: ObjectSchema
    ) -> None:
        self._context = context
        self._warehouse = warehouse
        self._obj = obj
        self._schema = schema
        self._table = TableName("salesforce", obj.table)
        self._read = TableName("seil", f"refreshed_{obj.table}")

    def run(self, now: datetime) -> list[FlowResult]:
        self._warehouse.drop(self._read)
        try:
            self._collect()
            differing = self._differing()
            rows = self._count(differing)
            if not rows:
                return []
            with self._warehouse.stream(translated(differing, self._warehouse.dialect)) as batches:
                log.info("%s: the formulas of %d records changed", self._obj.api_name, rows)
                end = now - self._obj.flow.lag
                reading = Reading(FORMULAS, None, end, batches.schema, rows)
                return [land(self._context, self._obj, reading, batches)]
        finally:
            self._warehouse.drop(self._read)

    def _collect(self) -> None:
        names = [f.name for f in self._schema.fields]
        self._warehouse.create_table(self._read, self._schema.arrow)
        soql = select(names, self._obj.api_name)
        for batch in queried(self._context, soql, self._schema, deleted=False):
            self._widen(batch.schema)
            self._warehouse.append(self._read, pa.Table.from_batches([batch]))

    def _widen(self, page: pa.Schema) -> None:
        """A page's column is wider where a value did not fit."""
        columns = self._warehouse.columns(self._read)
        for column in page:
            known = columns.field(column.name).type if columns is not None else column.type
            arriving = stored_type(column.type) or TEXT
            if known not in (arriving, TEXT):
                wider = common_type(known, arriving) or TEXT
                if wider != known:
                    self._warehouse.change_type(self._read, column.with_type(wider))

    def _differing(self) -> Sql:
        return compose(
            """
            SELECT n.* FROM {read} AS n JOIN {table} AS t ON t.{key} = n.{key}
            WHERE {differs}""",
            read=self._read,
            table=self._table,
            key=Name(self._obj.key.lower()),
            differs=joined(" OR ", map(self._differs, self._schema.arrow.names[1:])),
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

    def _count(self, rows: Sql) -> int:
        counted = compose("SELECT count(*) AS n FROM ({rows})", rows=rows)
        found = self._warehouse.query(translated(counted, self._warehouse.dialect))
        return int(found["n"][0].as_py())
