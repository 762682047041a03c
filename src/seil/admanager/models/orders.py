"""Orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seil.admanager.models.actions import OrderAction
from seil.admanager.models.base import Count, Id, Int, Name, Shape, Text, Words, about
from seil.admanager.models.lists import SEVERAL, entries
from seil.admanager.models.values import (
    AppliedLabel,
    AppliedLabels,
    CustomFieldValue,
    DateTime,
    TeamIds,
)

_AT = {
    "date": {"year": 2030, "month": 12, "day": 1},
    "hour": 9,
    "minute": 0,
    "second": 0,
    "timeZoneId": "Australia/Sydney",
}


class _OrderFields(Shape):
    agency_id: Annotated[Id | None, about("Company id of the agency.", 4500000009)] = None
    advertiser_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Ids of the advertiser's contacts.", [9100001])
    ] = None
    agency_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Ids of the agency's contacts.", [9100002])
    ] = None
    salesperson_id: Annotated[Id | None, about("User id of the salesperson.", 240000001)] = None
    secondary_salesperson_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("User ids of secondary salespeople.", [240000002])
    ] = None
    secondary_trafficker_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("User ids of secondary traffickers.", [240000001])
    ] = None
    applied_team_ids: TeamIds = None
    applied_labels: AppliedLabels = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom field values.", [{"customFieldId": 4400001, "value": {"value": "Q4 brand"}}]),
    ] = None
    external_order_id: Annotated[Int | None, about("Order id in an external system.", 80034512)] = (
        None
    )
    po_number: Annotated[
        Annotated[Words, Field(max_length=63)] | None, about("Purchase order number.", "PO-10442")
    ] = None
    notes: Annotated[Text | None, about("Notes.", "Booked from Salesforce")] = None
    is_programmatic: Annotated[
        bool | None, about("Whether it is for programmatic deals.", example=False)
    ] = None


class NewOrder(_OrderFields):
    """An order to create."""

    name: Annotated[Name, about("Name, unique in the network.", "Acme summer 2030")]
    advertiser_id: Annotated[Id, about("Company id of the advertiser.", 4500000001)]
    trafficker_id: Annotated[Id, about("User id of the trafficker.", 240000001)]


class CreateOrder(Shape):
    """Creates one order."""

    orders: Annotated[
        list[NewOrder],
        Field(min_length=1, max_length=1),
        about(
            "Exactly one order.",
            [{"name": "Acme summer 2030", "advertiserId": 4500000001, "traffickerId": 240000001}],
        ),
    ]


class CreatedOrder(Shape):
    """The order that was created."""

    id: Annotated[Id, about("Id.", 3100000000)]
    name: Annotated[str, about("Name.", "Acme summer 2030")]
    status: Annotated[str, about("Status.", "DRAFT")]


class GetOrder(Shape):
    """Reads one order."""

    order_id: Annotated[Id, about("Order id.", 3100000000)]


class Order(_OrderFields):
    """An order with all its fields."""

    id: Annotated[Id, about("Id.", 3100000000)]
    name: Annotated[str, about("Name.", "Acme summer 2030")]
    status: Annotated[str, about("DRAFT, PENDING_APPROVAL, APPROVED, ...", "APPROVED")]
    advertiser_id: Annotated[Id | None, about("Company id of the advertiser.", 4500000001)] = None
    trafficker_id: Annotated[Id | None, about("User id of the trafficker.", 240000001)] = None
    currency_code: Annotated[str | None, about("The network's currency.", "AUD")] = None
    creator_id: Annotated[Id | None, about("User id of the creator.", 240000001)] = None
    start_date_time: Annotated[DateTime | None, about("Start of its first line item.", _AT)] = None
    end_date_time: Annotated[DateTime | None, about("End of its last line item.", _AT)] = None
    unlimited_end_date_time: Annotated[
        bool | None, about("Whether it runs without an end date.", example=False)
    ] = None
    is_archived: Annotated[bool | None, about("Whether it is archived.", example=False)] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Applied and inherited labels.", [])
    ] = None
    effective_team_ids: Annotated[list[Id] | None, about("Assigned and inherited teams.", [])] = (
        None
    )
    last_modified_by_app: Annotated[
        str | None, about("Application that made the last change.", "SEIL")
    ] = None
    last_modified_date_time: Annotated[DateTime | None, about("Time of the last change.", _AT)] = (
        None
    )
    total_impressions_delivered: Annotated[
        Count | None, about("Impressions delivered.", 48_211)
    ] = None
    total_clicks_delivered: Annotated[Count | None, about("Clicks delivered.", 96)] = None
    total_viewable_impressions_delivered: Annotated[
        Count | None, about("Viewable impressions delivered.", 40_310)
    ] = None


class ActOnOrder(Shape):
    """Performs an action on one order."""

    order_id: Annotated[Id, about("Order id.", 3100000000)]
    action: Annotated[
        OrderAction,
        about("Action, in kebab-case, camelCase, snake_case or separate words.", "approve"),
    ]


class NumChanges(Shape):
    """How many objects an action changed."""

    num_changes: Annotated[Count, about("Objects changed.", 1)]
