"""The forecast of a line item that may be booked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seil.admanager.models.base import Count, Id, Shape, about
from seil.admanager.models.line_items import AT, GOAL, PRICE, TARGETING, LineItemFields


class ForecastLineItem(LineItemFields):
    """A line item that may be booked, or one that exists (`id`) with what would change."""

    id: Annotated[Id | None, about("A line item that exists.", 3100000000)] = None


class ProspectiveLineItem(Shape):
    """What a forecast is asked for."""

    line_item: Annotated[
        ForecastLineItem,
        about(
            "The line item.",
            {
                "lineItemType": "STANDARD",
                "startDateTime": AT,
                "endDateTime": {**AT, "date": {"year": 2030, "month": 12, "day": 31}},
                "costPerUnit": PRICE,
                "costType": "CPM",
                "primaryGoal": GOAL,
                "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
                "targeting": TARGETING,
            },
        ),
    ]
    advertiser_id: Annotated[
        Id | None, about("Whose; matters for exclusions and labels.", 4500000001)
    ] = None


class GetForecast(Shape):
    """Asks what is available for one line item."""

    line_items: Annotated[
        list[ProspectiveLineItem], Field(min_length=1, max_length=1), about("Exactly one.")
    ]


class Forecast(Shape):
    """What is available for a line item."""

    line_item_id: Annotated[Id | None, about("The line item, where it exists.", 3100000000)] = None
    order_id: Annotated[Id | None, about("Its order, where it exists.", 3100000000)] = None
    unit_type: Annotated[str, about("What the numbers count.", "IMPRESSIONS")]
    available_units: Annotated[Count, about("Can be booked.", 812_000)]
    delivered_units: Annotated[Count, about("Were delivered already.", 0)] = 0
    matched_units: Annotated[Count, about("Match the targeting.", 1_204_000)]
    possible_units: Annotated[Count, about("Could be had by displacing others.", 990_000)] = 0
    reserved_units: Annotated[Count, about("Are reserved by it already.", 0)] = 0
