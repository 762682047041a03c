"""The backstop: all Ids of the org against those of the warehouse, once in a while.

A record that the warehouse holds and the org has not, not even in the recycle bin, was deleted for
good; one that the org has and the warehouse lacks is read again. Records created or changed since
the comparison began are neither: the next delta brings them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError
from seil.salesforce.org import DeletedRecord
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.deletions import SCHEMA, deleted_rows
from seil.sf_to_dw.exceptions import rules_digest, versions_set_aside
from seil.sf_to_dw.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.flows import FlowStates, cursor_field
from seil.sf_to_dw.partials import DELETIONS, REREAD, PartialStates, Reading, land, queried
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, translated

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

# So many records do not vanish; a user who may no longer see them is likelier.
_SUSPICIOUS_SHARE = 0.3
_SUSPICIOUS_ROWS = 100
# A query takes 100,000 characters.
_IDS_PER_QUERY = 2000
_MOST_REREAD = 20_000


def compare_ids(
    context: FlowContext, warehouse: Warehouse, obj: SyncedObject, *, now: datetime
) -> list[FlowResult]:
    """Lands what it finds. `now` is the org's clock before this call.

    Raises RejectError, also when too many records are gone to be believed, and RetryError.
    """
    columns = warehouse.columns(TableName("salesforce", obj.table))
    results: list[FlowResult] = []
    if columns is not None:
        comparison = _Comparison(context, warehouse, obj, columns=columns, now=now)
        results = list(comparison.run())
    states = PartialStates(context.lake)
    states.change(obj, compared_at=now, is_compare_due=False, rules=rules_digest(obj))
    return results


class _Comparison:
    def __init__(
        self,
        context: FlowContext,
        warehouse: Warehouse,
        obj: SyncedObject,
        *,
        columns: pa.Schema,
        now: datetime,
    ) -> None:
        self._context = context
        self._warehouse = warehouse
        self._obj = obj
        self._table = TableName("salesforce", obj.table)
        self._columns = columns
        self._now = now
        self._ids = TableName("seil", f"compared_{obj.table}")
        described = context.org.describe(obj.api_name)
        self._schema = described.without(obj.exclude, "excluded in the catalog")
        self._cursor = cursor_field(obj.flow, self._schema)

    def run(self) -> Iterator[FlowResult]:
        self._warehouse.drop(self._ids)
        try:
            self._collect()
            gone = self._gone()
            if len(gone) > max(_SUSPICIOUS_ROWS, _SUSPICIOUS_SHARE * self._count(self._table)):
                raise ObjectRejectedError(
                    self._obj.api_name,
                    f"{len(gone):,} records of the warehouse are not in the org any more, which is"
                    " too many to be believed; nothing was marked as deleted",
                    hint="Check that the user of [salesforce] still sees all records",
                )
            missing = self._missing()
        finally:
            self._warehouse.drop(self._ids)
        if gone:
            yield self._deleted(gone)
        if missing:
            yield from self._reread(missing)

    def _collect(self) -> None:
        names = dict.fromkeys(filter(None, (self._key, self._cursor)))
        schema = ObjectSchema(
            self._obj.api_name, tuple(f for name in names if (f := self._schema.get(name)))
        )
        types = {f.name.lower(): f.arrow for f in schema.fields}
        self._warehouse.create_table(self._ids, pa.schema(types))
        soql = select([f.name for f in schema.fields], self._obj.api_name)
        for batch in queried(self._context, soql, schema, deleted=True):
            self._warehouse.append(self._ids, pa.Table.from_batches([batch]))

    @property
    def _key(self) -> str:
        return self._obj.key

    def _gone(self) -> list[str]:
        """Live in the warehouse, in a version from before the comparison, and not in the org."""
        found = compose(
            """
            SELECT t.{key} AS id FROM {table} AS t LEFT JOIN {ids} AS i ON i.{key} = t.{key}
            WHERE i.{key} IS NULL AND t.{key} IS NOT NULL AND {lives} AND {before} ORDER BY 1""",
            key=Name(self._key.lower()),
            table=self._table,
            ids=self._ids,
            lives=Sql(
                "coalesce(TRY_CAST(t.isdeleted AS BOOLEAN), false) = false"
                if "isdeleted" in self._columns.names
                else "true"
            ),
            before=self._before("t", self._now),
        )
        return self._texts(found)

    def _missing(self) -> list[str]:
        """In the org, from before the window that was last read, and not in the warehouse; but for
        versions that the rules of today have set aside.
        """
        committed = FlowStates(self._context.lake).get(self._obj).committed
        if committed is None:
            return []
        found = compose(
            """
            SELECT i.{key} AS id, {stamp} AS stamp
            FROM {ids} AS i LEFT JOIN {table} AS t ON t.{key} = i.{key}
            WHERE t.{key} IS NULL AND {before} ORDER BY 1""",
            key=Name(self._key.lower()),
            stamp=compose("i.{c}", c=Name(self._cursor.lower())) if self._cursor else Sql("NULL"),
            table=self._table,
            ids=self._ids,
            before=self._before("i", committed),
        )
        missing = [(row["id"], row["stamp"]) for row in self._query(found).to_pylist()]
        if missing and PartialStates(self._context.lake).get(self._obj).rules in (
            "",
            rules_digest(self._obj),
        ):
            aside = versions_set_aside(self._context.lake, self._obj, self._cursor)
            missing = [version for version in missing if version not in aside]
        return [found_id for found_id, _ in missing]

    def _before(self, alias: str, moment: datetime) -> Sql:
        if not self._cursor:
            return Sql("true")
        return compose(
            "coalesce(TRY_CAST({alias}.{cursor} AS TIMESTAMPTZ) < CAST({at} AS TIMESTAMPTZ), true)",
            alias=Sql(alias),
            cursor=Name(self._cursor.lower()),
            at=moment.isoformat(),
        )

    def _deleted(self, gone: Sequence[str]) -> FlowResult:
        log.warning("%s: %d records were deleted for good unnoticed", self._obj.api_name, len(gone))
        rows = deleted_rows(DeletedRecord(id=found, deleted_at=self._now) for found in gone)
        reading = Reading(DELETIONS, None, self._end, SCHEMA, len(gone))
        return land(self._context, self._obj, reading, [rows])

    def _reread(self, missing: Sequence[str]) -> Iterator[FlowResult]:
        name = self._obj.api_name
        log.warning("%s: %d records had not arrived, they are read again", name, len(missing))
        if len(missing) > _MOST_REREAD:
            reason = f"{len(missing):,} records of the org are not in the warehouse"
            raise ObjectRejectedError(name, reason, hint=f"Run `seil run --full {name}`")
        for first in range(0, len(missing), _IDS_PER_QUERY):
            listed = ", ".join(f"'{found}'" for found in missing[first : first + _IDS_PER_QUERY])
            where = f"{self._key} IN ({listed})"
            soql = select([f.name for f in self._schema.fields], name, where)
            found = queried(self._context, soql, self._schema, deleted=True)
            # Pages differ where a value needed a wider column.
            for schema, page in groupby(found, key=lambda batch: batch.schema):
                batches = list(page)
                rows = sum(batch.num_rows for batch in batches)
                reading = Reading(REREAD, None, self._end, schema, rows)
                yield land(self._context, self._obj, reading, batches)

    @property
    def _end(self) -> datetime:
        return self._now - self._obj.flow.lag

    def _count(self, table: TableName) -> int:
        return int(self._query(compose("SELECT count(*) AS n FROM {t}", t=table))["n"][0].as_py())

    def _texts(self, sql: Sql) -> list[str]:
        return [str(found) for found in self._query(sql)["id"].to_pylist()]

    def _query(self, sql: Sql) -> Any:
        return self._warehouse.query(translated(sql, self._warehouse.dialect))
