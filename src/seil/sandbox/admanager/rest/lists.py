"""List requests: https://google.aip.dev/132 and 158."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.ads import admanager_v1

from seil.sandbox.admanager.errors import invalid
from seil.sandbox.admanager.network import GamObject
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.filters import filter_test, sort_keys
from seil.sandbox.admanager.rest.masks import wants

_DEFAULT_PAGE = 50
_LARGEST_PAGE = 1000
_NAME = re.compile(r'name = "([\w/]+)"')
_BY_NAME = re.compile(rf"{_NAME.pattern}(?: OR {_NAME.pattern})*")


def list_page(
    request: Mapping[str, Any], entities: Sequence[GamObject], *, message: str, member: str
) -> dict[str, Any]:
    """A page of the objects that match the filter. `message` is their class in the client.

    `entities` that were chosen by `names_in` match.
    """
    plural = member[0].upper() + member[1:]
    request_class = getattr(admanager_v1, f"List{plural}Request")
    allowed = schema.filterable(request_class)
    resource = schema.descriptor_of(getattr(admanager_v1, message))
    if names_in(request) is None:
        test = filter_test(request.get("filter", ""), resource, allowed)
        matches = [entity for entity in entities if test(entity)]
    else:
        matches = list(entities)
    for key, descending in sort_keys(request.get("orderBy", ""), resource, allowed):
        matches.sort(key=key, reverse=descending)
    start, end = page_bounds(request, default=_DEFAULT_PAGE, largest=_LARGEST_PAGE)
    answer: dict[str, Any] = {member: matches[start:end]}
    if end < len(matches):
        answer["nextPageToken"] = page_token(request, end)
    if wants(request.get("_mask", ""), "totalSize"):
        answer["totalSize"] = len(matches)
    return answer


def names_in(request: Mapping[str, Any]) -> list[str] | None:
    """The names that a filter consists of; None for any other filter.

    A client that looks many objects up does so by name, and need not wait for a search of all.
    """
    text = request.get("filter", "")
    if not _BY_NAME.fullmatch(text):
        return None
    return list(dict.fromkeys(_NAME.findall(text)))


def page_bounds(request: Mapping[str, Any], *, default: int, largest: int) -> tuple[int, int]:
    size = int(request.get("pageSize", 0))
    skip = int(request.get("skip", 0))
    if size < 0 or skip < 0:
        raise invalid("page_size and skip are not negative", field="page_size")
    start = _offset(request) + skip
    return start, start + min(size or default, largest)


def page_token(request: Mapping[str, Any], end: int) -> str:
    token = json.dumps([end, _fingerprint(request)])
    return base64.urlsafe_b64encode(token.encode()).decode()


def _offset(request: Mapping[str, Any]) -> int:
    if not (token := request.get("pageToken")):
        return 0
    try:
        end, fingerprint = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error) as error:
        raise invalid("The page token is not valid", field="page_token") from error
    if fingerprint != _fingerprint(request):
        raise invalid("The page token belongs to another request", field="page_token")
    return int(end)


def _fingerprint(request: Mapping[str, Any]) -> str:
    """A digest of the parameters that must not change between pages."""
    same = {name: request.get(name) for name in ("name", "parent", "filter", "orderBy")}
    return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:12]
