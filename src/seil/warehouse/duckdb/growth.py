"""How far a DuckDB file has grown. Loads no driver: `seil status` asks for it."""

from __future__ import annotations

from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.upkeep import UpkeepMark

# A delta of 1 % adds 1.6 %: 50 of them, which have replaced half of the rows, 78 %. To rewrite the
# file once in 50 deltas costs each of them half as much again as it takes to load (docs/scale.md).
_GROWTH = 1.8
# Below this a rewrite saves no space that matters.
_SMALL = 256_000_000


def stored_bytes(settings: WarehouseSettings) -> int:
    """0 while there is no file."""
    file = local_file(settings)
    return file.stat().st_size if file.exists() else 0


def upkeep_due(settings: WarehouseSettings, mark: UpkeepMark) -> str:
    """See `seil.warehouse.upkeep_due`."""
    size = stored_bytes(settings)
    if size < _SMALL or size < mark.bytes * _GROWTH:
        return ""
    grown = f"{mark.bytes / 1e6:,.0f} to {size / 1e6:,.0f} MB"
    return f"{local_file(settings).name} has grown from {grown} since {mark.at:%Y-%m-%d}"
