"""Fields that were read once and that the org does not show any more. Light: `seil status` asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.lake import Document, Lake

VANISHED = "deleted in the org, or hidden from this user"
_CURE = "the next extract writes it again"


def schema_document(lake: Lake, obj: SyncedObject) -> Document:
    """Where the schema registry stores an object's entry."""
    return lake.document(f"schemas/Salesforce-{obj.landing_name}.json", cure=_CURE)


def vanished_fields(lake: Lake, obj: SyncedObject) -> dict[str, datetime]:
    """Since when, by name: deleted in the org, or hidden from this user. Fields that the catalog or
    a decision leaves out are none.
    """
    body = schema_document(lake, obj).read() or {}
    described: Mapping[str, Any] = body.get("described") or {"fields": [], "left_out": {}}
    current = {str(field["name"]).lower() for field in described["fields"]}
    current |= {str(name).lower() for name in described["left_out"]}
    since: dict[str, datetime] = {}
    for entry in body.get("history", []):
        # Of a file or a decision, the entry does not say what the org shows.
        if entry["source"] == "describe":
            at = datetime.fromisoformat(entry["at"])
            since |= dict.fromkeys(entry["removed"], at)
    return {name: at for name, at in since.items() if name.lower() not in current}
