"""Opens the file that `[warehouse] url` names."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
from seil.warehouse.fencing import Fence
from seil.warehouse.merges import OpenUrl


def open_file(
    settings: WarehouseSettings,
    *,
    file: Path | None = None,
    read_only: bool = False,
    wait: timedelta,
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> EmbeddedWarehouse:
    """`file` overrides the one that the URL names."""
    file = file or local_file(settings)
    if not read_only:
        _make_folder(settings.url, file.parent)
    database = DuckDBConnection(
        file,
        memory=settings.memory,
        threads=settings.threads,
        read_only=read_only,
        wait=wait,
        fence=fence,
        open_url=open_url,
    )
    return EmbeddedWarehouse(database)


def _make_folder(url: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make its folder {folder}: {error.strerror}"
        hint = "Check [warehouse] url in seil.toml, and the rights on that folder"
        raise WarehouseError(url, reason, hint=hint) from error
