"""Which engine serves a warehouse: the scheme of `[warehouse] url` says so.

An engine is a module with the functions of `Engine`. It is imported on first use, so that only its
own drivers are loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from seil.errors import ConfigurationError, Problem
from seil.extras import requires

if TYPE_CHECKING:
    from seil.checks import SiteCheck
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.readers import Publication, WarehouseReader
    from seil.warehouse.replacement import Replacement
    from seil.warehouse.upkeep import UpkeepMark, UpkeepPlan, UpkeepResult


class Engine(Protocol):
    """See `seil.warehouse` for what each function does."""

    def open_warehouse(
        self,
        settings: WarehouseSettings,
        *,
        read_only: bool,
        wait: timedelta,
        fence: Fence | None,
        open_url: OpenUrl | None,
    ) -> Warehouse: ...

    def open_replacement(
        self,
        settings: WarehouseSettings,
        *,
        fence: Fence,
        open_url: OpenUrl | None,
        wait: timedelta,
    ) -> Replacement: ...

    def open_reading(
        self, settings: WarehouseSettings, *, wait: timedelta
    ) -> AbstractContextManager[WarehouseReader]: ...

    def publish(self, settings: WarehouseSettings, *, is_replaced: bool) -> Publication: ...

    def stored_bytes(self, settings: WarehouseSettings) -> int: ...

    def upkeep_due(self, settings: WarehouseSettings, mark: UpkeepMark) -> str: ...

    def upkeep(
        self, settings: WarehouseSettings, *, fence: Fence, wait: timedelta
    ) -> Sequence[UpkeepResult]: ...

    def plan_upkeep(self, settings: WarehouseSettings) -> Sequence[UpkeepPlan]: ...

    def is_shared(self, settings: WarehouseSettings) -> bool:
        """Whether it can be read while a run writes it."""
        ...

    def local_file(self, settings: WarehouseSettings) -> Path | None:
        """None where a server holds the warehouse. Raises ConfigurationError."""
        ...

    def checks(self, settings: WarehouseSettings) -> Iterator[SiteCheck]: ...


@dataclass(frozen=True)
class EngineEntry:
    """An engine's module, the form of its URLs, and the extra of this package that installs its
    drivers; empty where the base install has them. `is_iceberg`: its tables are Iceberg tables.
    """

    module: str
    url: str
    extra: str = ""
    is_iceberg: bool = False


ENGINES = {
    "duckdb": EngineEntry("seil.warehouse.duckdb.engine", "duckdb:<file>"),
    "postgresql": EngineEntry(
        "seil.warehouse.postgresql.engine",
        "postgresql://<user>@<host>:5432/<database>",
        extra="postgres",
    ),
    "spark": EngineEntry(
        "seil.warehouse.spark.engine", "spark://<catalog>", extra="spark", is_iceberg=True
    ),
}
"""By scheme."""


def engine_of(url: str) -> Engine:
    """Raises ConfigurationError for an unknown scheme, and MissingExtraError where the engine's
    packages are not installed.
    """
    scheme, colon, _ = url.partition(":")
    entry = ENGINES.get(scheme) if colon else None
    if entry is None:
        # Only the scheme is shown: the rest of a URL may hold a password.
        defect = f"no engine has the scheme {scheme!r}" if colon else f"{url!r} has no scheme"
        reason = f"{defect}; those that exist: {', '.join(sorted(ENGINES))}"
        cure = f"write {' or '.join(entry.url for entry in ENGINES.values())}"
        raise ConfigurationError([Problem("warehouse.url", reason, cure)])
    with requires(entry.extra):
        return cast("Engine", import_module(entry.module))
