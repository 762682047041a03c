"""What engines answer whose tables readers and runs share: nothing of them is a file or a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.readers import Publication

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings


def is_shared(settings: WarehouseSettings) -> bool:
    return True


def publish(settings: WarehouseSettings, *, is_replaced: bool) -> Publication:
    """Readers see the last commit: there is no copy."""
    return Publication("off")


def local_file(settings: WarehouseSettings) -> None:
    return None


def stored_bytes(settings: WarehouseSettings) -> int:
    """Only a connection could tell."""
    return 0
