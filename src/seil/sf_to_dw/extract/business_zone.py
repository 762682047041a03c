"""The time zone that business dates are cut in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.modeling.business_date import BusinessZone
from seil.sf_to_dw.extract.org_identity import stored_identity
from seil.time_zones import is_time_zone

if TYPE_CHECKING:
    from seil.lake import Lake


def business_zone(setting: str, lake: Lake) -> BusinessZone:
    """The setting, else the org's default time zone as of its first read, else UTC with a note."""
    if setting:
        return BusinessZone(setting)
    identity = stored_identity(lake)
    zone = identity.time_zone if identity else ""
    if is_time_zone(zone):
        return BusinessZone(zone)
    why = f"is {zone}, which is no IANA time zone" if zone else "is not known yet"
    return BusinessZone(
        note=f"dates are days in UTC: the org's time zone {why}; [warehouse] time_zone sets one"
    )
