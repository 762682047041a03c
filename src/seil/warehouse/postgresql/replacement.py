"""A rebuild in PostgreSQL: one transaction that renames the schemas and fills new ones.

Readers see the old tables until it commits, and no lock of theirs stands in its way. The old
schemas are dropped afterwards, as soon as no reader holds a table of theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from re import Pattern
from typing import TYPE_CHECKING, TypeVar

from seil.errors import WarehouseError
from seil.warehouse.postgresql import rights, user_objects
from seil.warehouse.postgresql.warehouse import PostgresWarehouse, connect
from seil.warehouse.relational.fencing import admit
from seil.warehouse.sql import compose, quote
from seil.warehouse.tables import SCHEMAS, TableName

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.replacement import OldState, UserObject

log = logging.getLogger(__name__)

_OLD = "__old"

Result = TypeVar("Result")


@dataclass
class SchemaReplacement:
    settings: WarehouseSettings
    fence: Fence
    open_url: OpenUrl | None
    state: OldState = "missing"
    _warehouse: PostgresWarehouse | None = field(default=None, init=False)
    _names_before: frozenset[str] | None = field(default=None, init=False)
    _has_late_objects: bool = field(default=False, init=False)

    def read_old(
        self, read: Callable[[PostgresWarehouse], Result]
    ) -> tuple[OldState, Result | None]:
        warehouse = self._connected()
        try:
            if not self._existing(self._schemas):
                return self.state, None
            with warehouse.database.transaction():
                # Stores this run's fencing token: earlier runs cannot commit any more.
                pass
            self.state = "present"
            return self.state, read(warehouse)
        finally:
            self._close()

    def user_objects(
        self, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
    ) -> list[UserObject]:
        return user_objects.user_objects(
            self._connected().database, self._schemas, own_tables=own_tables
        )

    @contextmanager
    def new(self) -> Iterator[PostgresWarehouse]:
        self.discard()
        warehouse = self._connected()
        database = warehouse.database
        # A kill, or a view that does not fit, may have left some.
        self._keep_late_objects()
        self._drop_old()
        if remains := self._existing([name + _OLD for name in self._schemas]):
            reason = f"{', '.join(remains)} of an earlier rebuild are still read"
            hint = "Wait until that transaction ends, then run the same command again"
            if self._has_late_objects:
                hint = "Change or drop the views that the log names; then run the same command"
            raise WarehouseError(database.url, reason, hint=hint)
        database.begin()
        self._names_before = user_objects.relation_names(database, database.schema)
        for schema in self._existing(self._schemas):
            database.execute(f"ALTER SCHEMA {quote(schema)} RENAME TO {quote(schema + _OLD)}")
        try:
            yield warehouse
        except BaseException:
            self.discard()
            raise

    def copy_user_objects(self, objects: Sequence[UserObject]) -> list[UserObject]:
        database = self._connected().database
        rights.move_routines(database, database.schema, old=_OLD)
        copied = user_objects.copy_user_objects(database, objects, old=_OLD)
        rights.copy_rights(database, self._schemas, old=_OLD)
        return copied

    def replace(self) -> None:
        try:
            self._check_fence()
        except BaseException:
            self.discard()
            raise
        self._connected().database.end(commit=True)
        self._keep_late_objects()
        self._drop_old()
        self._close()

    def _keep_late_objects(self) -> None:
        """What users made while the new schemas were filled reads, or lies in, the old ones."""
        database = self._connected().database
        for entry in user_objects.late_objects(
            database, self._schemas, self._names_before, old=_OLD
        ):
            try:
                user_objects.keep_late_object(database, entry, old=_OLD)
            except WarehouseError as error:
                self._has_late_objects = True
                log.warning("%s, made during the rebuild, does not fit it: %s", entry, error.reason)

    def _check_fence(self) -> None:
        database = self._connected().database
        fence = TableName(f"seil{_OLD}", "fence")
        if database.columns(fence) is not None:
            # Locked until the end: a run that commits meanwhile waits, and is then refused.
            rows = database.query(compose("SELECT token FROM {fence} FOR UPDATE", fence=fence))
            stored = max((int(token or 0) for token in rows["token"].to_pylist()), default=0)
            self.fence.admit(database.url, stored)
        self.fence.check()
        admit(database, self.fence)

    def discard(self) -> None:
        if self._warehouse and self._warehouse.database.is_one_transaction:
            # A connection that is lost has been rolled back.
            with suppress(WarehouseError):
                self._warehouse.database.end(commit=False)
        self._close()

    @property
    def _schemas(self) -> list[str]:
        return sorted({*SCHEMAS, self.settings.schema_name})

    def _existing(self, schemas: Collection[str]) -> list[str]:
        rows = self._connected().database.query("SELECT nspname FROM pg_namespace ORDER BY 1")
        return [name for name in map(str, rows["nspname"].to_pylist()) if name in schemas]

    def _drop_old(self) -> None:
        database = self._connected().database
        if self._has_late_objects:
            return
        for schema in self._existing([name + _OLD for name in self._schemas]):
            try:
                database.execute(f"DROP SCHEMA {quote(schema)} CASCADE")
            except WarehouseError as error:
                log.warning("%s stays until the next rebuild: %s", schema, error)

    def _connected(self) -> PostgresWarehouse:
        if self._warehouse is None:
            self._warehouse = connect(self.settings, fence=self.fence, open_url=self.open_url)
        return self._warehouse

    def _close(self) -> None:
        if self._warehouse:
            self._warehouse.close()
        self._warehouse = None
