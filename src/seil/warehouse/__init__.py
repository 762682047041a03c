"""The warehouse: one protocol, an engine chosen by URL."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from seil.errors import ConfigurationError, Problem, WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse.protocol import (
    Fence,
    OpenUrl,
    Outcome,
    Records,
    StagedFile,
    TableName,
    Warehouse,
)

__all__ = [
    "Fence",
    "OpenUrl",
    "Outcome",
    "Records",
    "StagedFile",
    "TableName",
    "Warehouse",
    "open_warehouse",
    "warehouse_file",
]

_SCHEMAS = frozenset(
    {
        "salesforce",
        "salesforce_history",
        "seil",
        "seil_changes",
        "seil_deletions",
        "seil_formulas",
        "seil_gaps",
        "seil_kept",
        "seil_versions",
    }
)
# Long enough for another process's query, too short to look like a hang.
LOCK_WAIT = timedelta(seconds=5)


def open_warehouse(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    wait: timedelta = LOCK_WAIT,
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> Warehouse:
    """Close it as soon as it is not needed: an embedded one is locked while it is open.

    `wait` is how long a lock of another process is waited for; `fence` refuses the commits of a run
    that lost the run lock; `open_url` reads staged files that are not on this machine. Read-only,
    nothing outside the warehouse can be reached either.
    """
    from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse

    file = warehouse_file(settings)
    if not read_only:
        _make_folder(settings.url, file.parent)
    return EmbeddedWarehouse(
        file,
        memory=settings.memory,
        threads=settings.threads,
        read_only=read_only,
        wait=wait,
        fence=fence,
        open_url=open_url,
    )


def warehouse_file(settings: WarehouseSettings) -> Path:
    """Raises ConfigurationError where `[warehouse] url` names no file that can hold one."""
    kind, _, location = settings.url.partition(":")
    file = Path(location)
    cure = "write duckdb:<file>, as in duckdb:warehouse.duckdb"
    if kind != "duckdb" or not location:
        reason = f"{settings.url!r} is unknown"
    elif file.name == ":memory:":
        reason = f"duckdb:{file.name} keeps nothing from one command to the next"
    elif not file.name or file.is_dir():
        reason = f"{file} is a folder, not a file"
    elif file.stem.lower() in _SCHEMAS:
        # DuckDB calls the database after the file, and `seil.loads` could then mean two things.
        reason = f"{file.name!r} is called like a schema in it"
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
