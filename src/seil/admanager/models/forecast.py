"""Availability forecasts of line items."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seil.admanager.models.base import Count, Id, Shape, about
from seil.admanager.models.line_items import AT, GOAL, PRICE, TARGETING, LineItemFields


class ForecastLineItem(LineItemFields):
    """A prospective line item, or changes to an existing one (`id`)."""

    id: Annotated[Id | None, about("Id of an existing line item.", 3100000000)] = None


class ProspectiveLineItem(Shape):
    """The subject of a forecast."""

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
        Id | None, about("Company id of the advertiser; affects exclusions and labels.", 4500000001)
    ] = None


class GetForecast(Shape):
    """Forecasts availability for one line item."""

    line_items: Annotated[
        list[ProspectiveLineItem], Field(min_length=1, max_length=1), about("Exactly one entry.")
    ]


class Forecast(Shape):
    """Availability for a line item."""

    line_item_id: Annotated[Id | None, about("Id of an existing line item.", 3100000000)] = None
    order_id: Annotated[Id | None, about("Order id of an existing line item.", 3100000000)] = None
    unit_type: Annotated[str, about("Unit of the numbers.", "IMPRESSIONS")]
    available_units: Annotated[Count, about("Units that can be booked.", 812_000)]
    delivered_units: Annotated[Count, about("Units already delivered.", 0)] = 0
    matched_units: Annotated[Count, about("Units that match the targeting.", 1_204_000)]
    possible_units: Annotated[
        Count, about("Units available by displacing other line items.", 990_000)
    ] = 0
    reserved_units: Annotated[Count, about("Units that it has already reserved.", 0)] = 0
