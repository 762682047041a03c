"""Forecasts of new or changed line items, which REST lacks."""

from __future__ import annotations

from typing import Any

from seil.admanager.models import Forecast, GetForecast
from seil.admanager.rest.messages import parse_answer
from seil.admanager.soap.transport import Soap
from seil.admanager.soap.values import from_soap, to_soap


class Forecasts:
    def __init__(self, soap: Soap) -> None:
        self._soap = soap

    def of(self, request: GetForecast) -> Forecast:
        item = request.line_items[0]
        prospective: dict[str, Any] = {"lineItem": to_soap(item.line_item.wire(), self._soap.zone)}
        if item.advertiser_id is not None:
            prospective["advertiserId"] = item.advertiser_id
        options = {"includeTargetingCriteriaBreakdown": False, "includeContendingLineItems": False}
        forecast = self._soap.read("Forecast", "getAvailabilityForecast", prospective, options)
        return parse_answer(Forecast, from_soap(forecast))
