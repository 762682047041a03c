"""The warehouse in a PostgreSQL database."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from seil.warehouse.bookkeeping_tables import KEYS
from seil.warehouse.builds import TableAccess
from seil.warehouse.postgresql.builds import PostgresBuilder
from seil.warehouse.postgresql.connection import PostgresConnection
from seil.warehouse.postgresql.forms import FUNCTIONS
from seil.warehouse.postgresql.indexes import Indexes
from seil.warehouse.postgresql.staging import Staging
from seil.warehouse.protocol import EngineTraits
from seil.warehouse.relational.warehouse import RelationalWarehouse
from seil.warehouse.sql import compose

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl


_PARTS = f"{FUNCTIONS}{sorted(KEYS.items())}"
_DESCRIPTION = f"SEIL, functions and keys {hashlib.sha256(_PARTS.encode()).hexdigest()[:16]}"


class PostgresWarehouse(RelationalWarehouse[PostgresConnection]):
    dialect = "postgres"
    _begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    traits = EngineTraits(atomic_across_tables=True, follows_changes=True, keeps_nul=False)

    def prepare(self) -> None:
        """Only their owner may replace functions and add keys, and not two processes at once."""
        database = self.database
        stored = "SELECT obj_description(to_regnamespace('seil'), 'pg_namespace') AS description"
        is_current = database.query(stored).to_pylist() == [{"description": _DESCRIPTION}]
        with database.transaction():
            database.create_schema("seil")
            database.create_schema(database.schema)
            if not is_current:
                database.execute(FUNCTIONS)
        super().prepare()
        if not is_current:
            with database.transaction():
                Indexes(database).arrange({t: TableAccess(key) for t, key in KEYS.items()})
                database.execute(compose("COMMENT ON SCHEMA seil IS {text}", text=_DESCRIPTION))

    def _builder(self) -> PostgresBuilder:
        return PostgresBuilder(self.database)


def connect(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> PostgresWarehouse:
    database = PostgresConnection(
        settings.url,
        schema=settings.schema_name,
        password=settings.password,
        read_only=read_only,
        fence=fence,
    )
    if not read_only:
        database.staging = Staging(settings.memory, settings.threads, open_url)
    return PostgresWarehouse(database)
