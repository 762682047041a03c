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
    """A calendar date."""

    year: Annotated[int, Field(ge=1, le=9999), about("Year.", 2030)]
    month: Annotated[int, Field(ge=1, le=12), about("Month, 1 to 12.", 12)]
    day: Annotated[int, Field(ge=1, le=31), about("Day of the month.", 1)]

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
    """A local date and time in a time zone."""

    date: Annotated[Date, about("Date.", {"year": 2030, "month": 12, "day": 1})]
    hour: Annotated[int, Field(ge=0, le=23), about("Hour, 0 to 23.", 9)] = 0
    minute: Annotated[int, Field(ge=0, le=59), about("Minute.", 30)] = 0
    second: Annotated[int, Field(ge=0, le=59), about("Second.", 0)] = 0
    time_zone_id: Annotated[
        str,
        Field(min_length=1, max_length=64),
        about("Canonical IANA time zone name.", "Australia/Sydney"),
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
    is_aspect_ratio: Annotated[
        bool | None, about("Whether the size is an aspect ratio.", example=False)
    ] = None


class AppliedLabel(Shape):
    """An applied label, or one that is not inherited."""

    label_id: Annotated[Id, about("Label id.", 8200001)]
    is_negated: Annotated[
        bool | None, about("True: removes an inherited label.", example=False)
    ] = None


class CreativePlaceholder(Shape):
    """An expected creative."""

    size: Annotated[Size, about("Size.", {"width": 300, "height": 250})]
    creative_template_id: Annotated[
        Id | None, about("Template id of a native creative.", 10004)
    ] = None
    companions: Annotated[
        list[CreativePlaceholder] | None,
        entries(SEVERAL),
        about("Companion creatives of a video.", []),
    ] = None
    applied_labels: Annotated[
        list[AppliedLabel] | None, entries(SEVERAL), about("Applied labels.", [])
    ] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None,
        entries(SEVERAL),
        about("Applied and inherited labels; read-only.", []),
    ] = None
    expected_creative_count: Annotated[
        Int | None, at_least(1), about("Number of such creatives.", 1)
    ] = None
    creative_size_type: Annotated[
        str | None,
        one_of("PIXEL", "ASPECT_RATIO", "INTERSTITIAL", "IGNORED", "NATIVE", "AUDIO"),
        about("Type of the size.", "PIXEL"),
    ] = None
    targeting_name: Annotated[Text | None, about("Name of its creative targeting.", "mobile")] = (
        None
    )
    is_amp_only: Annotated[
        bool | None, about("Whether only AMP creatives are expected.", example=False)
    ] = None


class Goal(Shape):
    """A delivery goal."""

    goal_type: Annotated[
        str | None, one_of("NONE", "LIFETIME", "DAILY"), about("Period of the goal.", "LIFETIME")
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
        about("Unit of the goal.", "IMPRESSIONS"),
    ] = None
    units: Annotated[
        Long | None, about("Units to deliver; a percentage for sponsorships.", 100_000)
    ] = None


class FrequencyCap(Shape):
    """A frequency cap per user."""

    max_impressions: Annotated[
        int, Field(ge=0, le=2**31 - 1), at_least(1), about("Maximum impressions.", 3)
    ]
    num_time_units: Annotated[
        int, Field(ge=0, le=2**31 - 1), at_least(1), about("Number of time units.", 1)
    ]
    time_unit: Annotated[
        str,
        one_of("MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "LIFETIME", "POD", "STREAM"),
        about("Time unit.", "DAY"),
    ]


class CustomValue(Shape):
    """A custom field's value: a text, a number or a switch."""

    value: Annotated[Text | bool | float, about("The value.", "Q4 brand")]
    xsi_type: Annotated[
        Literal["TextValue", "NumberValue", "BooleanValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("Type name in the SOAP API; optional.", "TextValue"),
    ] = None


class CustomFieldText(Shape):
    """A custom field that holds a text, a number or a switch."""

    custom_field_id: Annotated[Id, about("Custom field id.", 4400002)]
    value: Annotated[CustomValue | None, about("Its value.", {"value": "Q4 brand"})] = None
    xsi_type: Annotated[
        Literal["CustomFieldValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("Type name in the SOAP API; optional.", "CustomFieldValue"),
    ] = None


class CustomFieldOption(Shape):
    """A custom field with a drop-down list."""

    custom_field_id: Annotated[Id, about("Custom field id.", 4400003)]
    custom_field_option_id: Annotated[Id, about("Id of the selected option.", 4490001)]
    xsi_type: Annotated[
        Literal["DropDownCustomFieldValue"] | None,
        Field(alias="xsi_type", exclude=True),
        about("Type name in the SOAP API; optional.", "DropDownCustomFieldValue"),
    ] = None


def _custom_field_kind(value: object) -> str:
    names = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "option" if {"customFieldOptionId", "custom_field_option_id"} & set(names) else "text"


CustomFieldValue = Annotated[
    Annotated[CustomFieldText, Tag("text")] | Annotated[CustomFieldOption, Tag("option")],
    Discriminator(_custom_field_kind),
]


class Stats(Shape):
    """Delivery statistics."""

    impressions_delivered: Annotated[Count | None, about("Impressions delivered.", 48_211)] = None
    clicks_delivered: Annotated[Count | None, about("Clicks delivered.", 96)] = None
    video_completions_delivered: Annotated[Count | None, about("Videos completed.", 0)] = None
    video_starts_delivered: Annotated[Count | None, about("Videos started.", 0)] = None
    viewable_impressions_delivered: Annotated[
        Count | None, about("Viewable impressions delivered.", 40_310)
    ] = None


class DeliveryIndicator(Shape):
    """Delivery against plan."""

    expected_delivery_percentage: Annotated[
        float | None, about("Expected delivery so far, in percent.", 50.0)
    ] = None
    actual_delivery_percentage: Annotated[
        float | None, about("Actual delivery so far, in percent.", 51.5)
    ] = None


class DeliveryData(Shape):
    """Delivery of the last days."""

    units: Annotated[list[Long] | None, about("Units per day, oldest first.", [120, 98])] = None


class ThirdPartyMeasurementSettings(Shape):
    """Third-party measurement partners."""

    viewability_partner: Annotated[Text | None, about("Measurement partner.", "MOAT")] = None
    viewability_client_id: Annotated[Text | None, about("Client id at the partner.", "c1")] = None
    viewability_reporting_id: Annotated[
        Text | None, about("Reporting id at the partner.", "r1")
    ] = None
    publisher_viewability_partner: Annotated[Text | None, about("Measurement partner.", "MOAT")] = (
        None
    )
    publisher_viewability_client_id: Annotated[
        Text | None, about("Client id at the partner.", "c1")
    ] = None
    publisher_viewability_reporting_id: Annotated[
        Text | None, about("Reporting id at the partner.", "r1")
    ] = None
    brand_lift_partner: Annotated[Text | None, about("Measurement partner.", "DYNATA")] = None
    brand_lift_client_id: Annotated[Text | None, about("Client id at the partner.", "c1")] = None
    brand_lift_reporting_id: Annotated[Text | None, about("Reporting id at the partner.", "r1")] = (
        None
    )
    reach_partner: Annotated[Text | None, about("Measurement partner.", "NIELSEN")] = None
    reach_client_id: Annotated[Text | None, about("Client id at the partner.", "c1")] = None
    reach_reporting_id: Annotated[Text | None, about("Reporting id at the partner.", "r1")] = None
    publisher_reach_partner: Annotated[Text | None, about("Measurement partner.", "NIELSEN")] = None
    publisher_reach_client_id: Annotated[Text | None, about("Client id at the partner.", "c1")] = (
        None
    )
    publisher_reach_reporting_id: Annotated[
        Text | None, about("Reporting id at the partner.", "r1")
    ] = None


class GrpSettings(Shape):
    """Audience settings of a GRP goal."""

    min_target_age: Annotated[Count | None, about("Minimum age.", 18)] = None
    max_target_age: Annotated[Count | None, about("Maximum age.", 54)] = None
    target_gender: Annotated[
        str | None, one_of("MALE", "FEMALE", "BOTH"), about("Gender.", "BOTH")
    ] = None
    provider: Annotated[
        str | None, one_of("NIELSEN", "GOOGLE"), about("Measurement provider.", "GOOGLE")
    ] = None
    in_target_ratio_estimate_milli_percent: Annotated[
        Count | None, about("Estimated in-target ratio, in thousandths of a percent.", 60_000)
    ] = None
    nielsen_ctv_pacing_type: Annotated[
        str | None,
        one_of("NONE", "COVIEW", "STRICT_COVIEW"),
        about("Pacing on connected TVs.", "NONE"),
    ] = None
    pacing_device_categorization_type: Annotated[
        str | None,
        one_of("GOOGLE", "NIELSEN"),
        about("Provider of the device categories.", "GOOGLE"),
    ] = None
    apply_true_coview: Annotated[bool | None, about("Whether co-viewers count.", example=False)] = (
        None
    )


# Optional fields that several kinds of object have.
MeasurementSettings = Annotated[
    ThirdPartyMeasurementSettings | None, about("Third-party measurement.")
]
AppliedLabels = Annotated[
    list[AppliedLabel] | None, entries(SEVERAL), about("Applied labels.", [{"labelId": 8200001}])
]
CompanionDelivery = Annotated[
    str | None,
    one_of("OPTIONAL", "AT_LEAST_ONE", "ALL"),
    about("How many companion creatives have to be shown.", "OPTIONAL"),
]
EnvironmentType = Annotated[
    str | None,
    one_of("BROWSER", "VIDEO_PLAYER"),
    about("Environment: browser or video player.", "BROWSER"),
]
FrequencyCaps = Annotated[
    list[FrequencyCap] | None,
    entries(SEVERAL),
    about(
        "Frequency caps per user.", [{"maxImpressions": 3, "numTimeUnits": 1, "timeUnit": "DAY"}]
    ),
]
SkippableAdType = Annotated[
    str | None,
    one_of("DISABLED", "ENABLED", "INSTREAM_SELECT", "ANY"),
    about("Whether viewers can skip the video.", "DISABLED"),
]
RoadblockingType = Annotated[
    str | None,
    one_of("ONLY_ONE", "ONE_OR_MORE", "AS_MANY_AS_POSSIBLE", "ALL_ROADBLOCK", "CREATIVE_SET"),
    about("How many of its creatives a page may show.", "ONE_OR_MORE"),
]
TeamIds = Annotated[
    list[Id] | None, entries(SEVERAL), about("Ids of the teams with access.", [7000001])
]
