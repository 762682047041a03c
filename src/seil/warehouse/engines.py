"""Which engine serves a warehouse: the scheme of `[warehouse] url` says so.

An engine is a module with the functions of `Engine`. It is imported when it is first asked for, so
that nobody loads the drivers of another.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from seil.errors import ConfigurationError, Problem
from seil.extras import requires

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.readers import Publication, WarehouseReader
    from seil.warehouse.replacement import Replacement


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

    def publish(self, settings: WarehouseSettings, *, anew: bool) -> Publication: ...

    def local_file(self, settings: WarehouseSettings) -> Path | None:
        """Where the warehouse is a file on this machine. Raises ConfigurationError."""
        ...


@dataclass(frozen=True)
class EngineEntry:
    """A module with an engine; `extra` of this package installs what it imports, where the base
    does not. `url` shows the form of its URLs.
    """

    module: str
    url: str
    extra: str = ""


ENGINES = {"duckdb": EngineEntry("seil.warehouse.duckdb.engine", "duckdb:<file>")}
"""By scheme."""


def engine_of(url: str) -> Engine:
    """Raises ConfigurationError for a scheme that no engine has, and MissingExtraError for one
    whose packages are not installed.
    """
    scheme, colon, _ = url.partition(":")
    entry = ENGINES.get(scheme) if colon else None
    if entry is None:
        # Of a URL only the scheme is shown: there may be a password in the rest.
        lack = f"no engine has the scheme {scheme!r}" if colon else f"{url!r} has no scheme"
        reason = f"{lack}; those that exist: {', '.join(sorted(ENGINES))}"
        cure = f"write {' or '.join(entry.url for entry in ENGINES.values())}"
        raise ConfigurationError([Problem("warehouse.url", reason, cure)])
    with requires(entry.extra) if entry.extra else nullcontext():
        return cast("Engine", import_module(entry.module))
