"""The creatives that a programmatic deal may expect.

Size types:
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.CreativeSizeType;
sizes: `ProgrammaticError.SIZE_NOT_SUPPORTED` names https://support.google.com/admanager/answer/1100453;
reasons: ProposalLineItemError and ProposalLineItemProgrammaticError below
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, rejection

_SIZES = """
    88x31 120x60 120x240 120x600 125x125 160x600 180x150 200x200 234x60 240x400 250x250 250x360
    292x30 300x31 300x50 300x250 300x600 300x1050 320x50 320x100 320x480 336x280 468x60 480x320
    580x400 728x90 750x100 750x200 750x300 768x1024 930x180 950x90 960x90 970x66 970x90 970x250
    980x90 980x120 1024x768
"""
_SUPPORTED = frozenset(_SIZES.split())
"""The common ones of that page; its custom sizes are refused here, to be on the safe side."""
_ONE_BY_ONE = ("INTERSTITIAL", "NATIVE", "AUDIO")


def check_placeholders(line: Mapping[str, Any], at: str) -> None:
    video = line.get("environmentType") == "VIDEO_PLAYER"
    seen: set[str] = set()
    for number, placeholder in enumerate(line["creativePlaceholders"]):
        path = f"{at}[{number}]"
        if not {"width", "height"} <= placeholder.get("size", {}).keys():
            raise _error("SIZE_REQUIRED", f"{path}.size", "")
        _check_size(placeholder, path, video=video)
        _check_native(placeholder, path)
        _check_details(placeholder, path)
        master = _size(placeholder)
        if master in seen and _kind(placeholder) != "NATIVE":
            raise _error("DUPLICATED_MASTER_SIZE", f"{path}.size", master)
        seen.add(master)
    kinds = {_kind(target) == "NATIVE" for target in line["creativePlaceholders"]}
    if len(kinds) > 1:
        reason, kind = "MIX_NATIVE_AND_BANNER_SIZE_NOT_ALLOWED", "ProposalLineItemProgrammaticError"
        raise rejection(kind, reason, "Sizes are native or none is", field=at)


def sizes(line: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The sizes, fixed where the publisher makes the creatives."""
    return sorted((_kind(entry), _size(entry)) for entry in line["creativePlaceholders"])


def _check_size(placeholder: Mapping[str, Any], at: str, *, video: bool) -> None:
    kind, size = _kind(placeholder), _size(placeholder)
    if kind in _ONE_BY_ONE:
        supported = size == "1x1" and video is (kind == "AUDIO")
    elif placeholder["size"].get("isAspectRatio") or kind != "PIXEL":
        supported = False
    else:
        width, height = placeholder["size"]["width"], placeholder["size"]["height"]
        supported = size in _SUPPORTED or (video and min(width, height) > 1)
    if not supported:
        message = f"Programmatic deals have no size {size} of type {kind}"
        reason, field = "SIZE_NOT_SUPPORTED", f"{at}.size"
        raise rejection("ProgrammaticError", reason, message, field=field, trigger=size)


def _check_native(placeholder: Mapping[str, Any], at: str) -> None:
    native, template = _kind(placeholder) == "NATIVE", placeholder.get("creativeTemplateId")
    field = f"{at}.creativeTemplateId"
    if native and template is None:
        raise _error("CANNOT_INCLUDE_NATIVE_PLACEHOLDER_WITHOUT_TEMPLATE_ID", field, "")
    if not native and template is not None:
        raise _error("CANNOT_HAVE_CREATIVE_TEMPLATE", field, template)


def _check_details(placeholder: Mapping[str, Any], at: str) -> None:
    pixels = _kind(placeholder) == "PIXEL"
    if placeholder.get("companions"):
        raise _error("COMPANION_NOT_ALLOWED", f"{at}.companions", "")
    count = placeholder.get("expectedCreativeCount")
    if count is not None and (not pixels or count < 1):
        raise _error("INVALID_EXPECTED_CREATIVE_COUNT", f"{at}.expectedCreativeCount", count)
    labels = placeholder.get("appliedLabels", [])
    if labels and not pixels:
        raise _error("PLACEHOLDER_CANNOT_CONTAIN_LABELS", f"{at}.appliedLabels", "")
    if any(label.get("isNegated") for label in labels):
        raise _error("PLACEHOLDER_CANNOT_CONTAIN_NEGATED_LABELS", f"{at}.appliedLabels", "")


def _kind(placeholder: Mapping[str, Any]) -> str:
    return str(placeholder.get("creativeSizeType", "PIXEL"))


def _size(placeholder: Mapping[str, Any]) -> str:
    return f"{placeholder['size']['width']}x{placeholder['size']['height']}"


def _error(reason: str, field: str, trigger: object) -> AdManagerApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    return rejection("ProposalLineItemError", reason, message, field=field, trigger=trigger)
