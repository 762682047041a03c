"""The file that `[warehouse] url` names. Loads no driver: `seil status` asks for it."""

from __future__ import annotations

from pathlib import Path

from seil.errors import ConfigurationError, Problem
from seil.settings import WarehouseSettings
from seil.warehouse.tables import SCHEMAS


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
