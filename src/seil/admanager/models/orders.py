"""Orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seil.admanager.models.actions import OrderAction
from seil.admanager.models.base import Count, Id, Int, Name, Shape, Text, Words, about
from seil.admanager.models.lists import SEVERAL, entries
from seil.admanager.models.values import AppliedLabel, CustomFieldValue, DateTime

_AT = {
    "date": {"year": 2030, "month": 12, "day": 1},
    "hour": 9,
    "minute": 0,
    "second": 0,
    "timeZoneId": "Australia/Sydney",
}


class _OrderFields(Shape):
    agency_id: Annotated[Id | None, about("The agency, a company.", 4500000009)] = None
    advertiser_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("The advertiser's contacts.", [9100001])
    ] = None
    agency_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("The agency's contacts.", [9100002])
    ] = None
    salesperson_id: Annotated[Id | None, about("Who sold it, a user.", 240000001)] = None
    secondary_salesperson_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Who helped.", [240000002])
    ] = None
    secondary_trafficker_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Who else may traffic it.", [240000001])
    ] = None
    applied_team_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Teams that see it.", [7000001])
    ] = None
    applied_labels: Annotated[
        list[AppliedLabel] | None, entries(SEVERAL), about("Labels.", [{"labelId": 8200001}])
    ] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom fields.", [{"customFieldId": 4400001, "value": {"value": "Q4 brand"}}]),
    ] = None
    external_order_id: Annotated[
        Int | None, about("The order's number in another system.", 80034512)
    ] = None
    po_number: Annotated[
        Annotated[Words, Field(max_length=63)] | None, about("Purchase order.", "PO-10442")
    ] = None
    notes: Annotated[Text | None, about("Notes.", "Booked from Salesforce")] = None
    is_programmatic: Annotated[bool | None, about("For programmatic deals.", example=False)] = None


class NewOrder(_OrderFields):
    """An order to be created."""

    name: Annotated[Name, about("Its name, unique in the network.", "Acme summer 2030")]
    advertiser_id: Annotated[Id, about("The advertiser, a company.", 4500000001)]
    trafficker_id: Annotated[Id, about("Who traffics it, a user.", 240000001)]


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

    id: Annotated[Id, about("Its id.", 3100000000)]
    name: Annotated[str, about("Its name.", "Acme summer 2030")]
    status: Annotated[str, about("Its status.", "DRAFT")]


class GetOrder(Shape):
    """Which order."""

    order_id: Annotated[Id, about("The order.", 3100000000)]


class Order(_OrderFields):
    """An order, whole."""

    id: Annotated[Id, about("Its id.", 3100000000)]
    name: Annotated[str, about("Its name.", "Acme summer 2030")]
    status: Annotated[str, about("DRAFT, PENDING_APPROVAL, APPROVED, ...", "APPROVED")]
    advertiser_id: Annotated[Id | None, about("The advertiser.", 4500000001)] = None
    trafficker_id: Annotated[Id | None, about("Who traffics it.", 240000001)] = None
    currency_code: Annotated[str | None, about("The network's currency.", "AUD")] = None
    creator_id: Annotated[Id | None, about("Who created it.", 240000001)] = None
    start_date_time: Annotated[DateTime | None, about("When its first line item starts.", _AT)] = (
        None
    )
    end_date_time: Annotated[DateTime | None, about("When its last line item ends.", _AT)] = None
    unlimited_end_date_time: Annotated[bool | None, about("It has no end.", example=False)] = None
    is_archived: Annotated[bool | None, about("It is archived.", example=False)] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Labels, inherited ones too.", [])
    ] = None
    effective_team_ids: Annotated[list[Id] | None, about("Teams, inherited ones too.", [])] = None
    last_modified_by_app: Annotated[str | None, about("What changed it last.", "SEIL")] = None
    last_modified_date_time: Annotated[DateTime | None, about("When.", _AT)] = None
    total_impressions_delivered: Annotated[Count | None, about("Impressions.", 48_211)] = None
    total_clicks_delivered: Annotated[Count | None, about("Clicks.", 96)] = None
    total_viewable_impressions_delivered: Annotated[Count | None, about("Seen.", 40_310)] = None


class ActOnOrder(Shape):
    """What shall be done to an order."""

    order_id: Annotated[Id, about("The order.", 3100000000)]
    action: Annotated[
        OrderAction, about("What to do; camelCase, snake_case and words are understood.", "approve")
    ]


class NumChanges(Shape):
    """How many an action changed."""

    num_changes: Annotated[Count, about("So many were changed.", 1)]
