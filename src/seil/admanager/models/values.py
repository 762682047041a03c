"""Values that orders, line items and proposals share, in Ad Manager's own shapes."""

from __future__ import annotations

from datetime import date as calendar_date
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from seil.admanager.models.base import (
    ANSWER,
    Count,
    Id,
    Int,
    Long,
    Shape,
    Text,
    about,
    one_of,
)
from seil.admanager.models.bounds import at_least
from seil.admanager.models.lists import SEVERAL, entries
from seil.time_zones import canonical_name, canonical_zone, check_clock


class Money(Shape):
    """An amount in millionths of the currency's unit."""

    currency_code: Annotated[
        str, Field(pattern="^[A-Z]{3}$"), about("ISO 4217 code of the currency.", "AUD")
    ]
    micro_amount: Annotated[
        Long, at_least(0), about("Millionths of a unit: 12.50 is 12500000.", 12_500_000)
    ]


class Date(Shape):
    """A day of the calendar."""

    year: Annotated[int, Field(ge=1, le=9999), about("The year.", 2030)]
    month: Annotated[int, Field(ge=1, le=12), about("The month, 1 to 12.", 12)]
    day: Annotated[int, Field(ge=1, le=31), about("The day of the month.", 1)]

    @model_validator(mode="after")
    def _exists(self) -> Date:
        try:
            calendar_date(self.year, self.month, self.day)
        except ValueError as error:
            raise ValueError(
                f"{self.year}-{self.month}-{self.day} is not a day of the calendar"
            ) from error
        return self


class DateTime(Shape):
    """A time of day in a zone, as a clock there shows it."""

    date: Annotated[Date, about("The day.", {"year": 2030, "month": 12, "day": 1})]
    hour: Annotated[int, Field(ge=0, le=23), about("The hour, 0 to 23.", 9)] = 0
    minute: Annotated[int, Field(ge=0, le=59), about("The minute.", 30)] = 0
    second: Annotated[int, Field(ge=0, le=59), about("The second.", 0)] = 0
    time_zone_id: Annotated[
        str,
        Field(min_length=1, max_length=64),
        about("IANA's canonical name of a time zone.", "Australia/Sydney"),
    ]

    @field_validator("time_zone_id")
    @classmethod
    def _zone(cls, value: str, info: ValidationInfo) -> str:
        if info.context != ANSWER:
            return canonical_zone(value)
        # Google may have an older name, such as Asia/Calcutta: what is read can be sent again.
        return canonical_name(value) or value

    @model_validator(mode="after")
    def _once(self, info: ValidationInfo) -> Self:
        if info.context != ANSWER:
            day = (self.date.year, self.date.month, self.date.day)
            local = datetime(*day, self.hour, self.minute, self.second)  # noqa: DTZ001 - a clock's
            check_clock(local, self.time_zone_id)
        return self


class Size(Shape):
    """A creative's size."""

    width: Annotated[int, Field(ge=0, le=2**31 - 1), at_least(1), about("In pixels.", 300)]
    height: Annotated[int, Field(ge=0, le=2**31 - 1), at_least(1), about("In pixels.", 250)]
    is_aspect_ratio: Annotated[bool | None, about("The size is a ratio.", example=False)] = None


class AppliedLabel(Shape):
    """A label, or that it shall not be inherited."""

    label_id: Annotated[Id, about("The label.", 8200001)]
    is_negated: Annotated[bool | None, about("It is taken away, not given.", example=False)] = None


class CreativePlaceholder(Shape):
    """What creatives are expected."""

    size: Annotated[Size, about("The size.", {"width": 300, "height": 250})]
    creative_template_id: Annotated[Id | None, about("A native creative's template.", 10004)] = None
    companions: Annotated[
        list[CreativePlaceholder] | None, entries(SEVERAL), about("Companions of a video.", [])
    ] = None
    applied_labels: Annotated[list[AppliedLabel] | None, entries(SEVERAL), about("Labels.", [])] = (
        None
    )
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None,
        entries(SEVERAL),
        about("Labels, inherited ones too; read only.", []),
    ] = None
    expected_creative_count: Annotated[
        Int | None, at_least(1), about("How many creatives of it are expected.", 1)
    ] = None
    creative_size_type: Annotated[
        str | None,
        one_of("PIXEL", "ASPECT_RATIO", "INTERSTITIAL", "IGNORED", "NATIVE", "AUDIO"),
        about("How the size is meant.", "PIXEL"),
    ] = None
    targeting_name: Annotated[
        Text | None, about("The creative targeting that it belongs to.", "mobile")
    ] = None
    is_amp_only: Annotated[bool | None, about("AMP creatives only.", example=False)] = None


class Goal(Shape):
    """What shall be delivered."""

    goal_type: Annotated[
        str | None, one_of("NONE", "LIFETIME", "DAILY"), about("Over what time.", "LIFETIME")
    ] = None
    unit_type: Annotated[
        str | None,
        one_of(
            "IMPRESSIONS",
            "CLICKS",
            "CLICK_THROUGH_CPA_CONVERSIONS",
            "VIEW_THROUGH_CPA_CONVERSIONS",
            "TOTAL_CPA_CONVERSIONS",
            "VIEWABLE_IMPRESSIONS",
            "IN_TARGET_IMPRESSIONS",
            "COMPLETED_VIEWS",
        ),
        about("What is counted.", "IMPRESSIONS"),
    ] = None
    units: Annotated[Long | None, about("How much; a percentage for sponsorships.", 100_000)] = None


class FrequencyCap(Shape):
    """How often one person may see it."""

    max_impressions: Annotated[
        int, Field(ge=0, le=2**31 - 1), at_least(1), about("Impressions at most.", 3)
    ]
    num_time_units: Annotated[
        int, Field(ge=0, le=2**31 - 1), at_least(1), about("In so many units.", 1)
    ]
    time_unit: Annotated[
        str,
        one_of("MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "LIFETIME", "POD", "STREAM"),
        about("Of this length.", "DAY"),
    ]


class CustomValue(Shape):
    """A custom field's value: a text, a number or a switch."""

    value: Annotated[Text | bool | float, about("The value.", "Q4 brand")]
    xsi_type: Annotated[
        Literal["TextValue", "NumberValue", "BooleanValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("SOAP's name of the type; may be left out.", "TextValue"),
    ] = None


class CustomFieldText(Shape):
    """A custom field that holds a text, a number or a switch."""

    custom_field_id: Annotated[Id, about("The custom field.", 4400002)]
    value: Annotated[CustomValue | None, about("Its value.", {"value": "Q4 brand"})] = None
    xsi_type: Annotated[
        Literal["CustomFieldValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("SOAP's name of the type; may be left out.", "CustomFieldValue"),
    ] = None


class CustomFieldOption(Shape):
    """A custom field that is chosen from a list."""

    custom_field_id: Annotated[Id, about("The custom field.", 4400003)]
    custom_field_option_id: Annotated[Id, about("The option chosen.", 4490001)]
    xsi_type: Annotated[
        Literal["DropDownCustomFieldValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("SOAP's name of the type; may be left out.", "DropDownCustomFieldValue"),
    ] = None


def _custom_field_kind(value: object) -> str:
    names = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "option" if {"customFieldOptionId", "custom_field_option_id"} & set(names) else "text"


CustomFieldValue = Annotated[
    Annotated[CustomFieldText, Tag("text")] | Annotated[CustomFieldOption, Tag("option")],
    Discriminator(_custom_field_kind),
]


class Stats(Shape):
    """What has been delivered."""

    impressions_delivered: Annotated[Count | None, about("Impressions.", 48_211)] = None
    clicks_delivered: Annotated[Count | None, about("Clicks.", 96)] = None
    video_completions_delivered: Annotated[Count | None, about("Videos seen whole.", 0)] = None
    video_starts_delivered: Annotated[Count | None, about("Videos started.", 0)] = None
    viewable_impressions_delivered: Annotated[Count | None, about("Seen.", 40_310)] = None


class DeliveryIndicator(Shape):
    """How delivery stands against its plan."""

    expected_delivery_percentage: Annotated[float | None, about("By plan.", 50.0)] = None
    actual_delivery_percentage: Annotated[float | None, about("In fact.", 51.5)] = None


class DeliveryData(Shape):
    """What was delivered on the last days."""

    units: Annotated[list[Long] | None, about("Units a day, the oldest first.", [120, 98])] = None


class ThirdPartyMeasurementSettings(Shape):
    """Who measures besides Ad Manager."""

    viewability_partner: Annotated[Text | None, about("Partner.", "MOAT")] = None
    viewability_client_id: Annotated[Text | None, about("Client there.", "c1")] = None
    viewability_reporting_id: Annotated[Text | None, about("Report there.", "r1")] = None
    publisher_viewability_partner: Annotated[Text | None, about("Partner.", "MOAT")] = None
    publisher_viewability_client_id: Annotated[Text | None, about("Client there.", "c1")] = None
    publisher_viewability_reporting_id: Annotated[Text | None, about("Report.", "r1")] = None
    brand_lift_partner: Annotated[Text | None, about("Partner.", "DYNATA")] = None
    brand_lift_client_id: Annotated[Text | None, about("Client there.", "c1")] = None
    brand_lift_reporting_id: Annotated[Text | None, about("Report there.", "r1")] = None
    reach_partner: Annotated[Text | None, about("Partner.", "NIELSEN")] = None
    reach_client_id: Annotated[Text | None, about("Client there.", "c1")] = None
    reach_reporting_id: Annotated[Text | None, about("Report there.", "r1")] = None
    publisher_reach_partner: Annotated[Text | None, about("Partner.", "NIELSEN")] = None
    publisher_reach_client_id: Annotated[Text | None, about("Client there.", "c1")] = None
    publisher_reach_reporting_id: Annotated[Text | None, about("Report there.", "r1")] = None


class GrpSettings(Shape):
    """Whom a line item with an audience goal is for."""

    min_target_age: Annotated[Count | None, about("Youngest.", 18)] = None
    max_target_age: Annotated[Count | None, about("Oldest.", 54)] = None
    target_gender: Annotated[
        str | None, one_of("MALE", "FEMALE", "BOTH"), about("Gender.", "BOTH")
    ] = None
    provider: Annotated[
        str | None, one_of("NIELSEN", "GOOGLE"), about("Who measures.", "GOOGLE")
    ] = None
    in_target_ratio_estimate_milli_percent: Annotated[
        Count | None, about("Thousandths of a percent in target.", 60_000)
    ] = None
    nielsen_ctv_pacing_type: Annotated[
        str | None, one_of("NONE", "COVIEW", "STRICT_COVIEW"), about("Pacing on TVs.", "NONE")
    ] = None
    pacing_device_categorization_type: Annotated[
        str | None, one_of("GOOGLE", "NIELSEN"), about("Whose devices.", "GOOGLE")
    ] = None
    apply_true_coview: Annotated[bool | None, about("Count all who watch.", example=False)] = None
