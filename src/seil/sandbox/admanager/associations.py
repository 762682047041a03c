"""Checks references of orders and line items besides targeting: people, labels, custom fields.

https://developers.google.com/ad-manager/api/reference/v202608/OrderService.OrderError,
https://developers.google.com/ad-manager/api/reference/v202608/OrderService.LabelEntityAssociationError
and
https://developers.google.com/ad-manager/api/reference/v202608/OrderService.CustomFieldValueError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from seil.sandbox.admanager.errors import AdManagerApiError, dangling, rejection
from seil.sandbox.admanager.network import SandboxNetwork

Entity: TypeAlias = Literal["ORDER", "LINE_ITEM", "PROPOSAL", "PROPOSAL_LINE_ITEM"]

_PEOPLE = (("trafficker", "secondaryTraffickers"), ("salesperson", "secondarySalespeople"))
_CONTACTS = (("advertiser", "advertiserContacts"), ("agency", "agencyContacts"))
_TYPES = {"dropdownValue": "DROP_DOWN", "stringValue": "STRING", "numberValue": "NUMBER"}
_TYPES["toggleValue"] = "TOGGLE"


def check_people(network: SandboxNetwork, order: Mapping[str, Any], at: str) -> None:
    """Traffickers and salespeople are active users, each in one role only."""
    for primary, secondary in _PEOPLE:
        names = order.get(secondary, [])
        if names and primary not in order:
            raise _order_error("PRIMARY_USER_REQUIRED", f"{at}.{primary}", "")
        if order.get(primary) in names:
            reason = "PRIMARY_USER_CANNOT_BE_SECONDARY"
            raise _order_error(reason, f"{at}.{secondary}", order[primary])
        if primary in order:
            _check_user(network, order[primary], f"{at}.{primary}")
        for name in names:
            _check_user(network, name, f"{at}.{secondary}")


def _check_user(network: SandboxNetwork, name: str, field: str) -> None:
    """The reference has no reason for an inactive user: refused like an unknown one."""
    if not network.referred("users", name, field=field)["active"]:
        raise rejection(
            "CommonError", "NOT_FOUND", f"{name} is not active", field=field, trigger=name
        )


def check_companies(network: SandboxNetwork, order: Mapping[str, Any], at: str) -> None:
    """The advertiser, the agency, and their contacts."""
    for field, contacts in _CONTACTS:
        if field in order:
            _check_company(network, order[field], field.upper(), f"{at}.{field}")
        for name in order.get(contacts, ()):
            path = f"{at}.{contacts}"
            if network.referred("contacts", name, field=path)["company"] != order.get(field):
                raise dangling(f"{name} of the order's {field}", field=path)


def _check_company(network: SandboxNetwork, name: str, kind: str, field: str) -> None:
    company = network.referred("companies", name, field=field)
    if company["type"] != kind:
        message = f"{name} is of type {company['type']}, not {kind}"
        raise rejection("CompanyError", "INVALID_COMPANY_TYPE", message, field=field, trigger=name)


def check_teams(network: SandboxNetwork, order: Mapping[str, Any], at: str) -> None:
    for name in order.get("appliedTeams", ()):
        network.referred("teams", name, field=f"{at}.appliedTeams")


def check_labels(network: SandboxNetwork, applied: Sequence[Mapping[str, Any]], at: str) -> None:
    """`at` is the path of the list."""
    seen: dict[str, bool] = {}
    for label in applied:
        name, negated = label["label"], label.get("negated", False)
        if not network.referred("labels", name, field=at)["active"]:
            raise _label_error("INVALID_ASSOCIATION", at, name)
        if name in seen:
            same = seen[name] == negated
            reason = "DUPLICATE_ASSOCIATION"
            raise _label_error(reason if same else f"{reason}_WITH_NEGATION", at, name)
        seen[name] = negated


def check_custom_fields(
    network: SandboxNetwork, entity: Mapping[str, Any], at: str, on: Entity
) -> None:
    for number, entry in enumerate(entity.get("customFieldValues", ())):
        path = f"{at}.customFieldValues[{number}]"
        name = entry["customField"]
        field = network.referred("customFields", name, field=f"{path}.customField")
        if field["status"] != "ACTIVE":
            raise _field_error("CUSTOM_FIELD_INACTIVE", f"{path}.customField", name)
        if field["entityType"] != on:
            raise _field_error("INVALID_ENTITY_TYPE", f"{path}.customField", name)
        _check_value(field, entry.get("value", {}), f"{path}.value")


def _check_value(field: Mapping[str, Any], value: Mapping[str, Any], at: str) -> None:
    kinds = [_TYPES[name] for name in value]
    if kinds != [field["dataType"]]:
        message = f"{field['name']} holds a {field['dataType']}, not {', '.join(kinds) or 'none'}"
        raise rejection("RequestError", "INVALID_INPUT", message, field=at)
    options = [option["customFieldOptionId"] for option in field.get("options", ())]
    if "dropdownValue" in value and str(value["dropdownValue"]) not in options:
        raise _field_error("CUSTOM_FIELD_OPTION_NOT_FOUND", at, str(value["dropdownValue"]))


def _order_error(reason: str, field: str, trigger: str) -> AdManagerApiError:
    message = reason.lower().replace("_", " ")
    return rejection("OrderError", reason, message, field=field, trigger=trigger)


def _label_error(reason: str, field: str, trigger: str) -> AdManagerApiError:
    message = f"{trigger}: {reason.lower().replace('_', ' ')}"
    kind = "LabelEntityAssociationError"
    return rejection(kind, reason, message, field=field, trigger=trigger)


def _field_error(reason: str, field: str, trigger: str) -> AdManagerApiError:
    message = f"{trigger}: {reason.lower().replace('_', ' ')}"
    return rejection("CustomFieldValueError", reason, message, field=field, trigger=trigger)
