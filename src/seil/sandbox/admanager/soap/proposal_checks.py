"""Checks of proposals and their references.

Requirements: https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.Proposal;
reasons: ProposalError, CurrencyCodeError, ProgrammaticError and CommonError below
https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.checks import check_length
from seil.sandbox.admanager.errors import AdManagerApiError, dangling, rejection, required_error
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.soap.references import (
    check_applied_labels,
    check_field_values,
    check_teams,
)

_LONGEST_NOTES = 65_535
_MOST_PLANNERS = 8
_PRIMARY = "PRIMARY_AGENCY"


def check_proposal(network: SandboxNetwork, proposal: Mapping[str, Any], at: str) -> None:
    if "name" not in proposal:
        raise required_error(f"{at}.name")
    check_length(proposal["name"], f"{at}.name")
    if notes := proposal.get("internalNotes"):
        check_length(notes, f"{at}.internalNotes", _LONGEST_NOTES)
    _check_buyer(network, proposal.get("marketplaceInfo", {}), f"{at}.marketplaceInfo")
    _check_currency(network, proposal, f"{at}.currencyCode")
    if advertiser := proposal.get("advertiser"):
        _check_advertiser(network, advertiser, f"{at}.advertiser")
    _check_agencies(network, proposal.get("agencies", []), f"{at}.agencies")
    _check_users(network, proposal, at)
    check_teams(network, proposal.get("appliedTeamIds", ()), f"{at}.appliedTeamIds")
    check_applied_labels(network, proposal.get("appliedLabels", ()), f"{at}.appliedLabels")
    check_field_values(network, proposal, at, "PROPOSAL")


def _check_buyer(network: SandboxNetwork, info: Mapping[str, Any], at: str) -> None:
    field = f"{at}.buyerAccountId"
    number = info.get("buyerAccountId")
    if number is None:
        raise required_error(field)
    buyer = network.store.get("programmaticBuyers", number)
    if buyer is None or not buyer["programmaticGuaranteedEnabled"]:
        message = f"{number} is no buyer for programmatic guaranteed deals"
        kind, reason = "ProgrammaticError", "INVALID_BUYER"
        raise rejection(kind, reason, message, field=field, trigger=number)


def _check_currency(network: SandboxNetwork, proposal: Mapping[str, Any], field: str) -> None:
    """The network's: the stand-in's has no secondary currencies."""
    own = network.store.fact("currency")
    currency = proposal.get("currencyCode", own)
    if not re.fullmatch("[A-Z]{3}", currency):
        message = f"{currency!r} is no code of ISO 4217"
        raise rejection("CurrencyCodeError", "INVALID", message, field=field, trigger=currency)
    if currency != own:
        raise _error("UNSUPPORTED_PROPOSAL_CURRENCY_CODE", field, currency)


def _check_advertiser(network: SandboxNetwork, company: Mapping[str, Any], at: str) -> None:
    if _association(company, at) != "ADVERTISER":
        reason = "UNSUPPORTED_COMPANY_ASSOCIATION_TYPE_FOR_PROGRAMMATIC_PROPOSAL"
        raise _error(reason, f"{at}.type", company["type"])
    if company.get("contactIds"):
        reason = "CONTACT_UNSUPPORTED_FOR_ADVERTISER"
        raise _error(reason, f"{at}.contactIds", company["contactIds"][0])
    _check_company(network, company["companyId"], "ADVERTISER", f"{at}.companyId")


def _check_agencies(
    network: SandboxNetwork, agencies: Sequence[Mapping[str, Any]], at: str
) -> None:
    """A programmatic proposal has a primary agency at most, as its order has one."""
    seen: set[tuple[str, int]] = set()
    for number, company in enumerate(agencies):
        path = f"{at}[{number}]"
        kind = _association(company, path)
        if kind != _PRIMARY:
            reason = "UNSUPPORTED_COMPANY_ASSOCIATION_TYPE_FOR_PROGRAMMATIC_PROPOSAL"
            raise _error(reason, f"{path}.type", kind)
        if (kind, company["companyId"]) in seen:
            raise _error("DUPLICATED_COMPANY_ASSOCIATION", path, company["companyId"])
        seen.add((kind, company["companyId"]))
        _check_company(network, company["companyId"], "AGENCY", f"{path}.companyId")
        _check_contacts(network, company, f"{path}.contactIds")
    if len(seen) > 1:
        raise _error("PRIMARY_AGENCY_NOT_UNIQUE", at, _PRIMARY)


def _association(company: Mapping[str, Any], at: str) -> str:
    for field in ("companyId", "type"):
        if field not in company:
            raise required_error(f"{at}.{field}")
    return str(company["type"])


def _check_company(network: SandboxNetwork, number: int, kind: str, field: str) -> None:
    company = network.store.get("companies", number)
    if company is None:
        raise dangling(str(number), field=field)
    if company["type"] != kind:
        message = f"{number} is of type {company['type']}, not {kind}"
        reason = "INVALID_COMPANY_TYPE"
        raise rejection("CompanyError", reason, message, field=field, trigger=number)


def _check_contacts(network: SandboxNetwork, association: Mapping[str, Any], field: str) -> None:
    company = network.name("companies", association["companyId"])
    contacts = association.get("contactIds", [])
    if len(set(contacts)) < len(contacts):
        raise _error("DUPLICATED_CONTACT", field, contacts[0])
    for number in contacts:
        contact = network.store.get("contacts", number)
        if contact is None or contact["company"] != company:
            raise _error("INVALID_CONTACT", field, number)


def _check_users(network: SandboxNetwork, proposal: Mapping[str, Any], at: str) -> None:
    planners = proposal.get("salesPlannerIds", [])
    if len(planners) > _MOST_PLANNERS:
        message = f"A proposal has {_MOST_PLANNERS} sales planners at most, not {len(planners)}"
        field = f"{at}.salesPlannerIds"
        raise rejection("CollectionSizeError", "TOO_LARGE", message, field=field)
    if len(set(planners)) < len(planners):
        raise _error("DUPLICATED_SALES_PLANNER", f"{at}.salesPlannerIds", planners[0])
    if "userId" not in (salesperson := proposal.get("primarySalesperson", {"userId": None})):
        raise required_error(f"{at}.primarySalesperson.userId")
    people = {
        "primaryTraffickerId": [proposal.get("primaryTraffickerId")],
        "primarySalesperson.userId": [salesperson["userId"]],
        "salesPlannerIds": planners,
        "sellerContactIds": proposal.get("sellerContactIds", []),
    }
    for field, users in people.items():
        for user in users:
            if user is not None:
                _check_user(network, user, f"{at}.{field}")


def _check_user(network: SandboxNetwork, number: int, field: str) -> None:
    """The reference has no reason for an inactive user: refused like an unknown one."""
    user = network.store.get("users", number)
    if user is None or not user["active"]:
        raise dangling(str(number), field=field)


def _error(reason: str, field: str, trigger: object) -> AdManagerApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    return rejection("ProposalError", reason, message, field=field, trigger=trigger)
