"""Views, stored in the table `seil.views`: the catalogs of Hadoop and of AWS Glue have none.

A statement that names one reads its SELECT in its place. Other engines do not see them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.sql import Sql, compose
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.warehouse.spark.database import IcebergDatabase

_VIEWS = TableName("seil", "views")
_COLUMNS = pa.schema(
    [pa.field("schema_name", TEXT), pa.field("view_name", TEXT), pa.field("sql", TEXT)]
)
_READ = "SELECT schema_name, view_name, sql FROM {views}"
_DELETE = "DELETE FROM {views} WHERE schema_name = {schema} AND view_name = {name}"


class StoredViews:
    def __init__(self, database: IcebergDatabase) -> None:
        self._database = database
        self._selects: dict[TableName, str] | None = None
        self._is_reading = False

    def invalidate(self) -> None:
        self._selects = None

    def selects(self) -> Mapping[TableName, str]:
        """In SEIL's own dialect."""
        if self._is_reading:
            return {}
        if self._selects is None:
            self._is_reading = True
            try:
                self._selects = self._read()
            finally:
                self._is_reading = False
        return self._selects

    def occur_in(self, select: str) -> bool:
        return any(
            re.search(rf"\b{re.escape(view.name)}\b", select, re.IGNORECASE)
            for view in self.selects()
        )

    def create(self, view: TableName, select: Sql) -> None:
        existing = self.selects().get(view)
        if existing == select:
            return
        if existing is None:
            self._database.create_table(_VIEWS, _COLUMNS)
        else:
            self._delete(view)
        row = {"schema_name": view.schema, "view_name": view.name, "sql": str(select)}
        self._database.append(_VIEWS, pa.Table.from_pylist([row], schema=_COLUMNS))
        self.invalidate()

    def drop(self, view: TableName) -> None:
        if view in self.selects():
            self._delete(view)
            self.invalidate()

    def _delete(self, view: TableName) -> None:
        delete = compose(_DELETE, views=_VIEWS, schema=view.schema, name=view.name)
        self._database.execute(delete)

    def _read(self) -> dict[TableName, str]:
        if self._database.load(_VIEWS) is None:
            return {}
        rows = self._database.query(compose(_READ, views=_VIEWS)).to_pylist()
        return {TableName(row["schema_name"], row["view_name"]): row["sql"] for row in rows}
