"""Proposals and their line items: creation, updates, rendering.

https://developers.google.com/ad-manager/api/reference/v202608/ProposalService and
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.errors import dangling, required_error
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.soap.dates import from_soap, to_soap
from seil.sandbox.admanager.soap.line_checks import (
    check_change,
    check_line,
    check_siblings,
    check_start,
    line_error,
)
from seil.sandbox.admanager.soap.proposal_checks import check_proposal
from seil.sandbox.admanager.soap.states import (
    FREE_FIELDS,
    READ_ONLY,
    READ_ONLY_LINE,
    is_open,
    is_reserved,
    rejection,
)

PROPOSALS = "proposals"
LINES = "proposalLineItems"
_FIXED_ONCE_RESERVED = {
    "advertiser": "UPDATE_ADVERTISER_NOT_ALLOWED",
    "currencyCode": "UPDATE_CURRENCY_NOT_ALLOWED",
}


class SandboxProposals:
    def __init__(self, network: SandboxNetwork, line_items: SandboxLineItems) -> None:
        self._network = network
        self._line_items = line_items

    def get(self, number: int) -> GamObject:
        entity = self._network.store.get(PROPOSALS, number)
        if entity is None:
            raise dangling(str(number), field="proposalId")
        return entity

    def all(self) -> list[GamObject]:
        return [self.render(proposal) for proposal in self._network.store.all(PROPOSALS)]

    def all_lines(self) -> list[GamObject]:
        return [self.render_line(line) for line in self._network.store.all(LINES)]

    def lines(self, proposal: Mapping[str, Any]) -> list[GamObject]:
        return self._network.store.having(LINES, "proposalId", proposal["id"])

    def create(self, entities: Sequence[GamObject]) -> list[GamObject]:
        return [self._create(entry, f"proposals[{at}]") for at, entry in enumerate(entities)]

    def _create(self, entity: GamObject, at: str) -> GamObject:
        values = {name: value for name, value in entity.items() if name not in READ_ONLY}
        check_proposal(self._network, values, at)
        buyer = self._network.store.get(
            "programmaticBuyers", values["marketplaceInfo"]["buyerAccountId"]
        )
        info = {
            "hasLocalVersionEdits": True,
            "negotiationStatus": "SELLER_INITIATED",
            "isNewVersionFromBuyer": False,
            "buyerAccountId": values["marketplaceInfo"]["buyerAccountId"],
        }
        if comment := values["marketplaceInfo"].get("marketplaceComment"):
            info["marketplaceComment"] = comment
        if buyer and buyer.get("partnerClientId"):
            info["partnerClientId"] = buyer["partnerClientId"]
        proposal = {
            "currencyCode": self._network.store.fact("currency"),
            **values,
            "id": self._network.new_id(PROPOSALS),
            "isProgrammatic": True,
            "status": "DRAFT",
            "isArchived": False,
            "isSold": False,
            "marketplaceInfo": info,
            "hasBuyerRfp": False,
        }
        return self.save(proposal)

    def update(self, entities: Sequence[GamObject]) -> list[GamObject]:
        return [self._update(entry, f"proposals[{at}]") for at, entry in enumerate(entities)]

    def _update(self, entity: GamObject, at: str) -> GamObject:
        """Replaces the whole proposal: omitted fields are removed."""
        if "id" not in entity:
            raise required_error(f"{at}.id")
        before = self.get(entity["id"])
        if before["isArchived"]:
            raise rejection("ProposalError", "UPDATE_PROPOSAL_NOT_ALLOWED", before)
        after = {name: value for name, value in entity.items() if name not in READ_ONLY}
        retained = {k: v for k, v in before.items() if k in READ_ONLY or k.startswith("_")}
        after = {**after, **retained}
        after["marketplaceInfo"] = _marketplace(before, entity.get("marketplaceInfo", {}))
        after.setdefault("currencyCode", before["currencyCode"])
        changes = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        if changes - FREE_FIELDS and not is_open(before):
            raise rejection("ProposalError", "UPDATE_PROPOSAL_NOT_ALLOWED", before)
        if is_reserved(self.lines(before)):
            for field, reason in _FIXED_ONCE_RESERVED.items():
                if field in changes:
                    raise rejection("ProposalError", reason, before)
        check_proposal(self._network, after, at)
        return self.save(after)

    def create_lines(self, entities: Sequence[GamObject]) -> list[GamObject]:
        return [
            self._create_line(entry, f"proposalLineItems[{at}]")
            for at, entry in enumerate(entities)
        ]

    def _create_line(self, entity: GamObject, at: str) -> GamObject:
        line = {name: value for name, value in entity.items() if name not in READ_ONLY_LINE}
        if "proposalId" not in line:
            raise required_error(f"{at}.proposalId")
        proposal = self._editable(line["proposalId"], at)
        if proposal["isSold"]:
            raise rejection("DealError", "CANNOT_ADD_LINE_ITEM_WHEN_SOLD", proposal)
        check_line(self._network, line, proposal["currencyCode"], at)
        check_start(self._network, line, at)
        check_siblings(line, self.lines(proposal), at)
        line |= {
            "id": self._network.new_id(LINES),
            "isArchived": False,
            "isSold": False,
            "reservationStatus": "NOT_RESERVED",
        }
        return self.save_line(line)

    def update_lines(self, entities: Sequence[GamObject]) -> list[GamObject]:
        return [
            self._update_line(entry, f"proposalLineItems[{at}]")
            for at, entry in enumerate(entities)
        ]

    def _update_line(self, entity: GamObject, at: str) -> GamObject:
        """Replaces the whole line item: omitted fields are removed."""
        if "id" not in entity:
            raise required_error(f"{at}.id")
        before = self._network.store.get(LINES, entity["id"])
        if before is None:
            raise dangling(str(entity["id"]), field=f"{at}.id")
        if before["isArchived"]:
            kind = "ProposalLineItemError"
            raise rejection(kind, "UPDATE_PROPOSAL_LINE_ITEM_NOT_ALLOWED", before)
        after = {name: value for name, value in entity.items() if name not in READ_ONLY_LINE}
        after |= {name: value for name, value in before.items() if name in READ_ONLY_LINE}
        after["proposalId"] = before["proposalId"]
        proposal = self._editable(before["proposalId"], at)
        check_line(self._network, after, proposal["currencyCode"], at)
        if _start(after, at) != _start(before, at):
            check_start(self._network, after, at)
        check_change(before, after, proposal, at)
        others = [line for line in self.lines(proposal) if line["id"] != before["id"]]
        check_siblings(after, others, at)
        self._check_delivered(after, at)
        return self.save_line(after)

    def _editable(self, number: int, at: str) -> GamObject:
        """The proposal, open for edit. Sold ones accept no further line items."""
        proposal = self._network.store.get(PROPOSALS, number)
        if proposal is None:
            raise dangling(str(number), field=f"{at}.proposalId")
        if proposal["isArchived"]:
            raise rejection("ProposalError", "UPDATE_PROPOSAL_NOT_ALLOWED", proposal)
        if not is_open(proposal):
            raise rejection("DealError", "CAN_ONLY_EXECUTE_IF_LOCAL_EDITS", proposal)
        return proposal

    def _check_delivered(self, line: Mapping[str, Any], at: str) -> None:
        if not (number := line.get("dfpLineItemId")) or line["goal"]["goalType"] != "LIFETIME":
            return
        item = self._network.store.get("lineItems", number)
        if item and line["goal"]["units"] < self._line_items.impressions(item):
            raise line_error("CONTRACTED_UNITS_LESS_THAN_DELIVERED", f"{at}.goal.units")

    def save(self, proposal: GamObject) -> GamObject:
        proposal["lastModifiedDateTime"] = self.now()
        self._network.store.put(PROPOSALS, proposal["id"], proposal)
        return self.render(proposal)

    def line(self, number: int) -> GamObject:
        entity = self._network.store.get(LINES, number)
        if entity is None:
            raise dangling(str(number), field="proposalLineItemId")
        return entity

    def remove_line(self, number: int) -> None:
        self._network.store.remove(LINES, number)

    def save_line(self, line: GamObject) -> GamObject:
        line["lastModifiedDateTime"] = self.now()
        self._network.store.put(LINES, line["id"], line)
        return self.render_line(line)

    def render(self, proposal: GamObject) -> GamObject:
        """Start and end are those of its line items."""
        lines = [line for line in self.lines(proposal) if not line["isArchived"]]
        if not lines:
            return proposal
        zone = self._network.clock.zone
        return {
            **proposal,
            "startDateTime": to_soap(min(_start(line, "") for line in lines), zone),
            "endDateTime": to_soap(
                max(from_soap(line["endDateTime"], "endDateTime") for line in lines), zone
            ),
        }

    def render_line(self, line: GamObject) -> GamObject:
        """With its status and stats, once it exists in the ad server."""
        if not (number := line.get("dfpLineItemId")):
            return line
        name = self._network.name("lineItems", number)
        if self._network.store.get("lineItems", number) is None:
            return line
        item = self._line_items.get(name)
        return {**line, "computedStatus": item["status"]}

    def columns(self) -> dict[str, Callable[[GamObject], Any]]:
        """https://developers.google.com/ad-manager/api/reference/v202608/ProposalService#getProposalsByStatement."""
        return {
            "id": lambda entity: entity["id"],
            "dfpOrderId": lambda entity: entity.get("dfpOrderId"),
            "name": lambda entity: entity["name"],
            "status": lambda entity: entity["status"],
            "isArchived": lambda entity: entity["isArchived"],
            "isProgrammatic": lambda entity: entity["isProgrammatic"],
            "negotiationStatus": lambda entity: entity["marketplaceInfo"]["negotiationStatus"],
            "lastModifiedDateTime": lambda entity: from_soap(entity["lastModifiedDateTime"], ""),
        }

    def line_columns(self) -> dict[str, Callable[[GamObject], Any]]:
        return {
            "id": lambda entity: entity["id"],
            "name": lambda entity: entity["name"],
            "proposalId": lambda entity: entity["proposalId"],
            "startDateTime": lambda entity: from_soap(entity["startDateTime"], ""),
            "endDateTime": lambda entity: from_soap(entity["endDateTime"], ""),
            "isArchived": lambda entity: entity["isArchived"],
            "isProgrammatic": lambda _thing: True,
            "lastModifiedDateTime": lambda entity: from_soap(entity["lastModifiedDateTime"], ""),
        }

    def now(self) -> dict[str, Any]:
        clock = self._network.clock
        return to_soap(clock.now(), clock.zone)


def _start(line: Mapping[str, Any], at: str) -> Any:
    return from_soap(line["startDateTime"], f"{at}.startDateTime")


def _marketplace(before: Mapping[str, Any], changes: Mapping[str, Any]) -> GamObject:
    """Only the comment can change, not the buyer."""
    info: GamObject = {**before["marketplaceInfo"]}
    if changes.get("buyerAccountId", info["buyerAccountId"]) != info["buyerAccountId"]:
        raise rejection("ProposalError", "UPDATE_PROPOSAL_NOT_ALLOWED", before)
    if "marketplaceComment" in changes:
        info["marketplaceComment"] = changes["marketplaceComment"]
    return info
