"""A line item's creative placeholders: sizes, companions, creative targeting.

Sizes: https://developers.google.com/ad-manager/api/beta/reference/rest/v1/SizeType; reasons:
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItemError and
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.RequiredSizeError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import rejection

_ONE_BY_ONE = frozenset({"INTERSTITIAL", "IGNORED", "NATIVE", "FLUID", "AUDIO"})
_SET = "CREATIVE_SET"


def check_placeholders(item: Mapping[str, Any], at: str) -> None:
    targetings = {
        target.get("creativeTargetingDisplayName") for target in item.get("creativeTargetings", ())
    }
    for number, placeholder in enumerate(item["creativePlaceholders"]):
        path = f"{at}.creativePlaceholders[{number}]"
        check_size(placeholder["size"], placeholder["size"]["sizeType"], f"{path}.size")
        _check_count(placeholder, path)
        _check_companions(item, placeholder, path)
        name = placeholder.get("creativeTargetingDisplayName")
        if name and name not in targetings:
            raise rejection(
                "LineItemError",
                "INVALID_CREATIVE_TARGETING_NAME",
                f"{name!r} is the name of none of the line item's creative targetings",
                field=f"{path}.creativeTargetingDisplayName",
                trigger=name,
            )
    if item.get("roadblockingType") == _SET:
        _check_masters(item, f"{at}.creativePlaceholders")


def check_size(size: Mapping[str, Any], kind: str, field: str) -> None:
    """`size` has a width and a height; `kind` is what they mean, PIXEL or another."""
    width, height = size["width"], size["height"]
    text = f"{width}x{height}"
    if width < 1 or height < 1:
        message = f"A size is at least 1x1, not {text}"
        raise rejection("RequiredSizeError", "REQUIRED", message, field=field, trigger=text)
    if kind in _ONE_BY_ONE and text != "1x1":
        message = f"A size of type {kind} is 1x1, not {text}"
        native = ("LineItemError", "INVALID_NATIVE_SIZE")
        error, reason = native if kind == "NATIVE" else ("RequiredSizeError", "NOT_ALLOWED")
        raise rejection(error, reason, message, field=field, trigger=text)


def _check_count(placeholder: Mapping[str, Any], at: str) -> None:
    count = placeholder.get("expectedCreativeCount", 1)
    if count < 1:
        message = f"At least one creative is expected, not {count}"
        field = f"{at}.expectedCreativeCount"
        raise rejection("RangeError", "TOO_LOW", message, field=field, trigger=count)


def _check_companions(item: Mapping[str, Any], placeholder: Mapping[str, Any], at: str) -> None:
    companions = placeholder.get("companions", ())
    for number, companion in enumerate(companions):
        path = f"{at}.companions[{number}].size"
        check_size(companion["size"], companion["size"]["sizeType"], path)
    in_set, video = item.get("roadblockingType") == _SET, item.get("environmentType")
    if in_set and not companions:
        # "A CreativePlaceholder must be set accordingly": the reference of RoadblockingType.
        message = f"A placeholder of a {_SET} line item has companions"
        field = f"{at}.companions"
        raise rejection("RequiredCollectionError", "REQUIRED", message, field=field)
    if companions and not in_set and video != "VIDEO_PLAYER":
        message = f"Companions are for video and for roadblocks of type {_SET}"
        field = f"{at}.companions"
        raise rejection("LineItemError", "COMPANIONS_NOT_ALLOWED", message, field=field)


def _check_masters(item: Mapping[str, Any], field: str) -> None:
    sizes = [tuple(sorted(entry["size"].items())) for entry in item["creativePlaceholders"]]
    if len(set(sizes)) < len(sizes):
        message = f"The masters of a {_SET} line item have different sizes"
        raise rejection("LineItemError", "DUPLICATE_MASTER_SIZES", message, field=field)
