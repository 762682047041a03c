"""Forecasts of existing, unchanged line items."""

from __future__ import annotations

from typing import Any

from seil.admanager.calls import SERVICE
from seil.admanager.models import Forecast
from seil.admanager.rest.codecs import LONG, MappedField, Network, decode_fields, enum, ref
from seil.admanager.rest.messages import as_json, parse_answer
from seil.admanager.rest.transport import Rest
from seil.errors import RequestRejectedError

_UNITS = ("availableUnits", "deliveredUnits", "matchedUnits", "possibleUnits", "reservedUnits")
_RESPONSE_FIELDS = (
    MappedField("lineItemId", "lineItem", ref("lineItems")),
    MappedField("orderId", "order", ref("orders")),
    MappedField("unitType", "unitType", enum()),
    *(MappedField(name, name, LONG) for name in _UNITS),
)


class ExistingForecasts:
    def __init__(self, rest: Rest, network: Network) -> None:
        self._rest = rest
        self._network = network

    def of(self, line_item: int, order: int | None = None) -> Forecast:
        """Raises RequestRejectedError where `order` is given and is not the line item's."""
        answer = self._rest.read(
            "Forecast",
            "run_availability_forecast",
            {
                "parent": self._rest.network,
                "existing_line_item": self._network.names.of("lineItems", line_item),
                "availability_forecast_options": {},
            },
        )
        values: dict[str, Any] = as_json(answer).get("availabilityForecastResult", {})
        forecast = parse_answer(Forecast, decode_fields(_RESPONSE_FIELDS, values, self._network))
        if order is not None and forecast.order_id not in (None, order):
            reason = f"lineItems[0].lineItem.orderId: line item {line_item} is in another order"
            raise RequestRejectedError(SERVICE, "WRONG_ORDER", reason, status=400)
        return forecast
