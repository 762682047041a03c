"""The warehouse in a PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.postgresql.builds import PostgresBuilder
from seil.warehouse.postgresql.connection import PostgresConnection
from seil.warehouse.postgresql.forms import FUNCTIONS
from seil.warehouse.postgresql.staging import Staging
from seil.warehouse.relational.warehouse import RelationalWarehouse

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl


class PostgresWarehouse(RelationalWarehouse[PostgresConnection]):
    dialect = "postgres"

    def prepare(self) -> None:
        database = self.database
        with database.transaction():
            database.create_schema("seil")
            database.create_schema(database.schema)
            database.execute(FUNCTIONS)
        super().prepare()

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
