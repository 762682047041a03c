"""A rebuild in Iceberg tables: in namespaces beside the current ones, then one commit to those.

The commit copies the new tables' rows onto branches of the current ones and publishes them like any
other, so that a kill leaves the old tables or, once it is decided, the new ones. A table whose
columns changed is replaced in one step of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from re import Pattern
from typing import TYPE_CHECKING, TypeVar

from seil.warehouse.replacement import UserObject
from seil.warehouse.spark.commit_log import COMMITS
from seil.warehouse.spark.warehouse import SparkWarehouse, connect
from seil.warehouse.tables import SCHEMAS, TableName

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.replacement import OldState
    from seil.warehouse.spark.connection import SparkConnection

log = logging.getLogger(__name__)

_BESIDE = "__rebuild"

Result = TypeVar("Result")


@dataclass
class NamespaceReplacement:
    settings: WarehouseSettings
    fence: Fence
    open_url: OpenUrl | None
    state: OldState = "missing"
    _kept: set[TableName] = field(default_factory=set, init=False)

    def read_old(self, read: Callable[[SparkWarehouse], Result]) -> tuple[OldState, Result | None]:
        with self._connect() as warehouse:
            if not any(_tables(warehouse.database)):
                return self.state, None
            with warehouse.database.transaction("rebuild"):
                # Stores this run's fencing token: earlier runs cannot commit any more.
                pass
            self.state = "present"
            return self.state, read(warehouse)

    def user_objects(
        self, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
    ) -> list[UserObject]:
        """Tables in the namespace of the models' tables; other namespaces stay as they are."""
        own = {table.name for table in own_tables if not table.schema}
        with self._connect() as warehouse:
            names = warehouse.tables()
        schema = self.settings.schema_name
        return [UserObject("table", schema, name) for name in names if name not in own]

    @contextmanager
    def new(self) -> Iterator[SparkWarehouse]:
        self.discard()
        with self._connect(_BESIDE) as warehouse:
            yield warehouse

    def copy_user_objects(self, objects: Sequence[UserObject]) -> list[UserObject]:
        """They stay where they are."""
        self._kept = {TableName("", entry.name) for entry in objects}
        return list(objects)

    def replace(self) -> None:
        with self._connect() as old, self._connect(_BESIDE) as new:
            tables = list(_tables(new.database))
            with old.database.transaction("rebuild"):
                for table in tables:
                    self._copy(table, new.database, old.database)
                for table in _tables(old.database):
                    if table not in tables and table not in self._kept:
                        old.database.drop(table)
        self.discard()

    def _copy(self, table: TableName, new: SparkConnection, old: SparkConnection) -> None:
        columns = new.existing_columns(table)
        with old.replaced_table(table, columns):
            old.insert_frame(table, old.session.table(new.place(table)), columns.names)

    def discard(self) -> None:
        with self._connect(_BESIDE) as warehouse:
            database = warehouse.database
            for table in [*_tables(database), COMMITS]:
                database.drop_bare(table)
            for schema in (*SCHEMAS, ""):
                database.drop_namespace(schema)

    def _connect(self, suffix: str = "") -> SparkWarehouse:
        return connect(self.settings, suffix=suffix, fence=self.fence, open_url=self.open_url)


def _tables(database: SparkConnection) -> Iterator[TableName]:
    for schema in (*sorted(SCHEMAS), ""):
        for name in database.tables(schema):
            table = TableName(schema, name)
            if table != COMMITS:
                yield table
