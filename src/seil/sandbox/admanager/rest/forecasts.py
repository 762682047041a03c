"""Availability of an existing line item. The REST API has no prospective ones; SOAP has."""

from __future__ import annotations

from typing import Any

from seil.sandbox.admanager.errors import required_error
from seil.sandbox.admanager.inventory import availability, demand_of
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.rest.gateway import Request, RestOperation


def operations(network: SandboxNetwork, line_items: SandboxLineItems) -> dict[str, RestOperation]:
    def run(request: Request) -> dict[str, Any]:
        if not (name := request.get("existingLineItem")):
            raise required_error("existing_line_item")
        item = network.get("lineItems", name, field="existing_line_item")
        units = availability(network, demand_of(item))
        goal = item.get("goal", {})
        forecast = {
            "lineItem": name,
            "order": item["order"],
            "unitType": goal.get("unitType", "IMPRESSIONS"),
            "availableUnits": str(units.available),
            "deliveredUnits": str(line_items.impressions(item)),
            "matchedUnits": str(units.matched),
            "possibleUnits": str(units.possible),
            "reservedUnits": str(goal.get("units", 0)),
        }
        return {"availabilityForecastResult": forecast}

    return {"RunAvailabilityForecast": run}
