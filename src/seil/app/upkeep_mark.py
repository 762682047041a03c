"""The warehouse's size when it was last compact, kept in the state; `seil status` compares it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.state import State
    from seil.warehouse.upkeep import UpkeepMark

_MARK = "warehouse_upkeep"


def upkeep_due(state: State, settings: WarehouseSettings) -> str:
    """Why it is due; empty while it is not."""
    from seil import warehouse

    mark = _mark(state, settings)
    return warehouse.upkeep_due(settings, mark) if mark else ""


def mark_compact(state: State, settings: WarehouseSettings) -> None:
    """The warehouse has just been written anew. Requires the run lock."""
    from seil.warehouse import stored_bytes

    at = datetime.now(UTC).isoformat()
    mark = {"url": settings.url, "at": at, "bytes": stored_bytes(settings)}
    state.marks.set(_MARK, json.dumps(mark))


def mark_first(state: State, settings: WarehouseSettings) -> None:
    """A warehouse without a mark is new. Requires the run lock."""
    if _mark(state, settings) is None:
        mark_compact(state, settings)


def _mark(state: State, settings: WarehouseSettings) -> UpkeepMark | None:
    """None before the first run, and where `[warehouse] url` has changed."""
    from seil.warehouse.upkeep import UpkeepMark

    stored = state.marks.get(_MARK)
    fields = json.loads(stored) if stored else {}
    if fields.get("url") != settings.url:
        return None
    return UpkeepMark(datetime.fromisoformat(fields["at"]), fields["bytes"])
