"""Opens the file that `[warehouse] url` names."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from seil.errors import ConfigurationError, Problem, WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
from seil.warehouse.fencing import Fence
from seil.warehouse.merges import OpenUrl
from seil.warehouse.tables import SCHEMAS


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


def local_file(settings: WarehouseSettings) -> Path:
    """Raises ConfigurationError unless `[warehouse] url` names a usable file."""
    location = settings.url.partition(":")[2]
    file = Path(location)
    cure = "write duckdb:<file>, as in duckdb:warehouse.duckdb"
    if not location:
        reason = f"{settings.url!r} names no file"
    elif file.name == ":memory:":
        reason = f"duckdb:{file.name} keeps nothing from one command to the next"
    elif not file.name or file.is_dir():
        reason = f"{file} is a folder, not a file"
    elif file.stem.lower() in SCHEMAS:
        # DuckDB names the database after the file, which makes `seil.loads` ambiguous.
        reason = f"{file.name!r} has the name of a schema in it"
        cure = f"write duckdb:{file.with_name('warehouse.duckdb')}"
    else:
        return file
    raise ConfigurationError([Problem("warehouse.url", reason, cure)])


def _make_folder(url: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make its folder {folder}: {error.strerror}"
        hint = "Check [warehouse] url in seil.toml, and the rights on that folder"
        raise WarehouseError(url, reason, hint=hint) from error
