"""A network's ad units and placements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seil.admanager.rest.names import id_of, ids_of
from seil.admanager.rest.transport import Rest

_AD_UNIT = (
    *("name", "parentAdUnit", "adUnitCode", "displayName", "description", "status"),
    *("hasChildren", "explicitlyTargeted", "adUnitSizes", "updateTime"),
)
_PLACEMENT = (
    *("name", "placementCode", "displayName", "description", "status", "targetedAdUnits"),
    "updateTime",
)


@dataclass(frozen=True)
class AdUnitEntry:
    """`parent_id` is None at the root; `sizes` as 300x250."""

    id: int
    parent_id: int | None
    code: str
    name: str
    description: str
    status: str
    has_children: bool
    explicitly_targeted: bool
    sizes: tuple[str, ...]
    updated_at: datetime | None


@dataclass(frozen=True)
class PlacementEntry:
    id: int
    code: str
    name: str
    description: str
    status: str
    ad_unit_ids: tuple[int, ...]
    updated_at: datetime | None


class InventoryReader:
    """Streams, a thousand objects a call."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def ad_units(self) -> Iterator[AdUnitEntry]:
        mask = _mask("adUnits", _AD_UNIT)
        request = {"parent": self._rest.network}
        for page in self._rest.pages("AdUnit", "list_ad_units", request, fields=mask):
            yield from map(_ad_unit, page.ad_units)

    def placements(self) -> Iterator[PlacementEntry]:
        mask = _mask("placements", _PLACEMENT)
        request = {"parent": self._rest.network}
        for page in self._rest.pages("Placement", "list_placements", request, fields=mask):
            yield from map(_placement, page.placements)


def _mask(collection: str, names: tuple[str, ...]) -> str:
    return ",".join(f"{collection}.{name}" for name in names)


def _ad_unit(unit: Any) -> AdUnitEntry:
    sizes = (entry.size for entry in unit.ad_unit_sizes)
    return AdUnitEntry(
        id=id_of(unit.name),
        parent_id=id_of(unit.parent_ad_unit) if unit.parent_ad_unit else None,
        code=unit.ad_unit_code,
        name=unit.display_name,
        description=unit.description,
        status=_status(unit),
        has_children=unit.has_children,
        explicitly_targeted=unit.explicitly_targeted,
        sizes=tuple(f"{size.width}x{size.height}" for size in sizes),
        updated_at=_moment(unit),
    )


def _placement(placement: Any) -> PlacementEntry:
    return PlacementEntry(
        id=id_of(placement.name),
        code=placement.placement_code,
        name=placement.display_name,
        description=placement.description,
        status=_status(placement),
        ad_unit_ids=tuple(ids_of(placement.targeted_ad_units)),
        updated_at=_moment(placement),
    )


def _status(entity: Any) -> str:
    """A status that this client has no name for is a number."""
    return str(getattr(entity.status, "name", entity.status))


def _moment(entity: Any) -> datetime | None:
    return entity.update_time if "update_time" in entity else None
