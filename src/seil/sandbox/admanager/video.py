"""What is for videos alone, and what is for everything but videos.

`maxVideoCreativeDuration`, `skippableAdType` and `TimeUnit`:
https://developers.google.com/ad-manager/api/beta/reference/rest/v1/networks.lineItems; reasons:
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItemError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, rejection, required_error

_VIDEO = "VIDEO_PLAYER"
_STREAMS = frozenset({"POD", "STREAM"})
_ONE_BY_ONE = frozenset({"INTERSTITIAL", "NATIVE", "AUDIO"})


def check_video(item: Mapping[str, Any], at: str) -> None:
    video = item.get("environmentType") == _VIDEO
    for number, placeholder in enumerate(item["creativePlaceholders"]):
        kind = placeholder["size"]["sizeType"]
        if kind in _ONE_BY_ONE and video is not (kind == "AUDIO"):
            field = f"{at}.creativePlaceholders[{number}].size.sizeType"
            raise _error("INVALID_SIZE_FOR_ENVIRONMENT", field, kind)
    if video:
        _check_video(item, at)
    else:
        _check_other(item, at)


def _check_video(item: Mapping[str, Any], at: str) -> None:
    field = f"{at}.maxVideoCreativeDuration"
    if "maxVideoCreativeDuration" not in item:
        raise required_error(field)
    duration = item["maxVideoCreativeDuration"]
    if float(duration.removesuffix("s")) <= 0:
        raise _error("INVALID_MAX_VIDEO_CREATIVE_DURATION", field, duration)
    roadblocking = item.get("roadblockingType", "ONE_OR_MORE")
    if roadblocking != "ONE_OR_MORE":
        raise _error("VIDEO_INVALID_ROADBLOCKING", f"{at}.roadblockingType", roadblocking)


def _check_other(item: Mapping[str, Any], at: str) -> None:
    skippable = item.get("skippableAdType", "DISABLED")
    if skippable != "DISABLED":
        raise _error("SKIPPABLE_AD_TYPE_NOT_ALLOWED", f"{at}.skippableAdType", skippable)
    for number, cap in enumerate(item.get("frequencyCaps", ())):
        if cap.get("timeUnit") in _STREAMS:
            field = f"{at}.frequencyCaps[{number}].timeUnit"
            raise _error("INVALID_ENVIRONMENT_TYPE", field, cap["timeUnit"])


def _error(reason: str, field: str, trigger: str) -> AdManagerApiError:
    message = reason.lower().replace("_", " ")
    return rejection("LineItemError", reason, message, field=field, trigger=trigger)
