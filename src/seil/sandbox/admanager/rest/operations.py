"""The implemented methods of the REST API, by the client's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from seil.sandbox.admanager.clock import ZONE
from seil.sandbox.admanager.errors import AdManagerApiError, invalid
from seil.sandbox.admanager.life_cycle import LINE_ITEM_ACTIONS, ORDER_ACTIONS
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.orders import SandboxOrders
from seil.sandbox.admanager.rest.checks import check_mask, check_resource, without_output
from seil.sandbox.admanager.rest.gateway import Request, RestOperation
from seil.sandbox.admanager.rest.lists import list_page, names_in
from seil.sandbox.admanager.rest.masks import apply_paths
from seil.sandbox.admanager.seed import ROOT_AD_UNIT_ID

_ORDER = "google.ads.admanager.v1.Order"
_LINE_ITEM = "google.ads.admanager.v1.LineItem"
_LARGEST_BATCH = 100
_READ_ONLY = {
    "Company": "companies",
    "User": "users",
    "AdUnit": "adUnits",
    "Placement": "placements",
    "ProgrammaticBuyer": "programmaticBuyers",
    "GeoTarget": "geoTargets",
    "CustomTargetingKey": "customTargetingKeys",
    "CustomTargetingValue": "customTargetingValues",
    "AudienceSegment": "audienceSegments",
    "CustomField": "customFields",
    "Label": "labels",
    "Team": "teams",
    "Contact": "contacts",
    "DeviceCategory": "deviceCategories",
    "Browser": "browsers",
    "BrowserLanguage": "browserLanguages",
    "OperatingSystem": "operatingSystems",
    "BandwidthGroup": "bandwidthGroups",
}


def operations(
    network: SandboxNetwork, orders: SandboxOrders, line_items: SandboxLineItems
) -> dict[str, RestOperation]:
    methods: dict[str, RestOperation] = {
        **_network_operations(network),
        **_order_operations(orders),
        **_line_item_operations(line_items),
    }
    for message, kind in _READ_ONLY.items():
        plural = kind[0].upper() + kind[1:]
        methods[f"Get{message}"] = partial(_get, network, kind)
        methods[f"List{plural}"] = partial(_all, network, message, kind)
    return methods


def _get(network: SandboxNetwork, kind: str, request: Request) -> GamObject:
    return network.get(kind, request["name"])


def _all(network: SandboxNetwork, message: str, kind: str, request: Request) -> GamObject:
    return list_page(request, network.store.all(kind), message=message, member=kind)


def _network_operations(network: SandboxNetwork) -> dict[str, RestOperation]:
    def get(_request: Request) -> GamObject:
        return {
            "name": network.parent,
            "displayName": "Stand-in network",
            "networkCode": network.code,
            "propertyCode": f"ca-pub-{network.code}",
            "timeZone": ZONE,
            "currencyCode": network.store.fact("currency"),
            "effectiveRootAdUnit": network.name("adUnits", ROOT_AD_UNIT_ID),
            "testNetwork": True,
            "networkId": network.code,
        }

    return {"GetNetwork": get, "ListNetworks": lambda request: {"networks": [get(request)]}}


def _order_operations(orders: SandboxOrders) -> dict[str, RestOperation]:
    def create(request: Request) -> GamObject:
        at = "requests[{}].order"
        return {
            "orders": [
                orders.create(_new(_ORDER, entry["order"], at.format(i)), at=at.format(i))
                for i, entry in _batch(request)
            ]
        }

    def update(request: Request) -> GamObject:
        return {
            "orders": [
                orders.update(
                    _update(_ORDER, orders.get, entry, "order"), at=f"requests[{i}].order"
                )
                for i, entry in _batch(request)
            ]
        }

    def act(method: str, request: Request) -> GamObject:
        skip = request.get("skipInventoryCheck", False)
        orders.act(method, _names(request), skip_check=skip)
        return {}

    return {
        "GetOrder": lambda request: orders.get(request["name"]),
        "ListOrders": lambda request: list_page(
            request, orders.select(names_in(request)), message="Order", member="orders"
        ),
        "BatchCreateOrders": create,
        "BatchUpdateOrders": update,
        **{method: partial(act, method) for method in ORDER_ACTIONS},
    }


def _line_item_operations(line_items: SandboxLineItems) -> dict[str, RestOperation]:
    def create_one(resource: Mapping[str, Any], at: str) -> GamObject:
        return line_items.create(_new(_LINE_ITEM, resource, at), at=at)

    def update_one(request: Request, at: str) -> GamObject:
        return line_items.update(_update(_LINE_ITEM, line_items.get, request, "lineItem"), at=at)

    def create(request: Request) -> GamObject:
        created = [
            create_one(entry["lineItem"], f"requests[{i}].lineItem") for i, entry in _batch(request)
        ]
        return {"lineItems": created}

    def update(request: Request) -> GamObject:
        created = [update_one(entry, f"requests[{i}].lineItem") for i, entry in _batch(request)]
        return {"lineItems": created}

    def act(method: str, request: Request) -> GamObject:
        line_items.act(method, _names(request))
        return {}

    actions = (*LINE_ITEM_ACTIONS, *_FURTHER_ACTIONS)
    return {
        "GetLineItem": lambda request: line_items.get(request["name"]),
        "ListLineItems": lambda request: list_page(
            request,
            line_items.select(names_in(request)),
            message="LineItem",
            member="lineItems",
        ),
        "CreateLineItem": lambda request: create_one(request["lineItem"], "lineItem"),
        "UpdateLineItem": lambda request: update_one(request, "lineItem"),
        "BatchCreateLineItems": create,
        "BatchUpdateLineItems": update,
        **{method: partial(act, method) for method in actions},
    }


_FURTHER_ACTIONS = (
    "BatchArchiveLineItems",
    "BatchUnarchiveLineItems",
    "BatchDeleteLineItems",
    "BatchReserveAndOverbookLineItems",
)


def _new(full_name: str, resource: Mapping[str, Any], at: str) -> GamObject:
    """A new resource, without output-only fields."""
    check_resource(full_name, resource, at=f"{at}.")
    return {k: v for k, v in without_output(full_name, resource).items() if k != "name"}


def _update(
    full_name: str, before: Callable[[str], GamObject], request: Request, member: str
) -> GamObject:
    """The whole updated resource: https://google.aip.dev/134."""
    changes = request[member]
    if "name" not in changes:
        raise invalid(f"{member}.name is required", field=f"{member}.name")
    current = before(changes["name"])
    mask = request.get("updateMask", "")
    if mask == "*":
        paths = [
            name for name in {**changes, **without_output(full_name, current)} if name != "name"
        ]
    elif mask:
        paths = mask.split(",")
        check_mask(full_name, paths)
    else:
        paths = [name for name in without_output(full_name, changes) if name != "name"]
    after = apply_paths(current, changes, paths)
    _check_immutable(full_name, current, after)
    check_resource(full_name, after, at=f"{member}.")
    return without_output(full_name, after)


def _check_immutable(full_name: str, before: GamObject, after: GamObject) -> None:
    from seil.sandbox.admanager.rest.schema import behaviours

    for name, kinds in behaviours(full_name).items():
        if "Immutable" in kinds and before.get(name) != after.get(name):
            raise invalid(f"{name} cannot be changed", field=name, trigger=str(after.get(name)))


def _batch(request: Request) -> list[tuple[int, Request]]:
    requests = request.get("requests", [])
    _check_size(requests, "requests")
    for i, entry in enumerate(requests):
        if entry.get("parent", request["parent"]) != request["parent"]:
            raise invalid("The parent of a request is another", field=f"requests[{i}].parent")
    return list(enumerate(requests))


def _names(request: Request) -> list[str]:
    names: list[str] = request.get("names", [])
    _check_size(names, "names")
    if len(set(names)) < len(names):
        raise invalid("names has a name twice", field="names")
    return names


def _check_size(members: list[Any], field: str) -> None:
    if not 1 <= len(members) <= _LARGEST_BATCH:
        raise AdManagerApiError(
            "INVALID_ARGUMENT",
            "CollectionSizeError",
            "TOO_LARGE" if members else "TOO_SMALL",
            f"{field} has {len(members)} members, 1 to {_LARGEST_BATCH} are allowed",
            field=field,
        )
