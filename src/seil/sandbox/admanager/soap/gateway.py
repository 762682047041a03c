"""The SOAP services: their WSDLs, and their operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from seil.sandbox.admanager.account import AdManagerTokens
from seil.sandbox.admanager.clock import ZONE
from seil.sandbox.admanager.errors import AdManagerApiError, required_error
from seil.sandbox.admanager.messages import XML, AdManagerRequest
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.options import READ_WRITE, SOAP_ONLY
from seil.sandbox.admanager.seed import ROOT_AD_UNIT_ID
from seil.sandbox.admanager.soap.contract import VERSIONS, contract, wsdl
from seil.sandbox.admanager.soap.envelope import response_reply, unmarshal
from seil.sandbox.admanager.soap.forecasts import SandboxForecasts
from seil.sandbox.admanager.soap.negotiation import Negotiation
from seil.sandbox.admanager.soap.pql import Page, select
from seil.sandbox.admanager.soap.proposals import SandboxProposals
from seil.sandbox.base.messages import Reply

Arguments: TypeAlias = Mapping[str, Any]
_PATH = re.compile(r"/apis/ads/publisher/(v\d{6})/(\w+)")


class SoapGateway:
    def __init__(
        self,
        network: SandboxNetwork,
        tokens: AdManagerTokens,
        *,
        proposals: SandboxProposals,
        negotiation: Negotiation,
        forecasts: SandboxForecasts,
    ) -> None:
        self._network = network
        self._tokens = tokens
        self._proposals = proposals
        self._negotiation = negotiation
        self._operations: dict[str, Callable[[Arguments], Any]] = {
            "getCurrentNetwork": lambda _arguments: self._network_members(),
            "getAllNetworks": lambda _arguments: [self._network_members()],
            "createProposals": lambda arguments: proposals.create(_some(arguments, "proposals")),
            "updateProposals": lambda arguments: proposals.update(_some(arguments, "proposals")),
            "getProposalsByStatement": lambda arguments: _page_members(self._chosen(arguments)),
            "performProposalAction": self._act,
            "createProposalLineItems": lambda arguments: proposals.create_lines(
                _some(arguments, "proposalLineItems")
            ),
            "updateProposalLineItems": lambda arguments: proposals.update_lines(
                _some(arguments, "proposalLineItems")
            ),
            "getProposalLineItemsByStatement": lambda arguments: _page_members(
                self._chosen_lines(arguments)
            ),
            "performProposalLineItemAction": self._act_on_lines,
            "getAvailabilityForecast": forecasts.prospective,
            "getAvailabilityForecastById": forecasts.existing,
        }

    def answer(self, request: AdManagerRequest) -> Reply:
        match = _PATH.fullmatch(request.path)
        version, service = match.groups() if match else ("", "")
        if version not in VERSIONS or service not in contract().services:
            return Reply(404, b"<html><title>Error 404 (Not Found)!!1</title></html>", "text/html")
        if request.method == "GET":
            address = f"{request.base_url}{request.path}"
            return Reply(200, wsdl(service, version, address).encode(), XML)
        with self._network.store.transaction():
            self._tokens.require(request, {READ_WRITE, SOAP_ONLY})
            operation, arguments, header = unmarshal(request.body, service, version)
            if operation != "getAllNetworks":
                self._check_network(header)
            value = self._operations[operation](arguments)
        return response_reply(service, version, operation, value)

    def _check_network(self, header: GamObject) -> None:
        if not header:
            raise _denial("MISSING_SOAP_REQUEST_HEADER", "The request has no RequestHeader")
        if not header.get("applicationName"):
            raise required_error("RequestHeader.applicationName")
        if not (code := header.get("networkCode")):
            raise _denial("NETWORK_CODE_REQUIRED", "The request names no network")
        if code != self._network.code:
            raise _denial("NETWORK_NOT_FOUND", f"The account has no access to network {code}")

    def _network_members(self) -> GamObject:
        network = self._network
        return {
            "id": int(network.code),
            "displayName": "Stand-in network",
            "networkCode": network.code,
            "propertyCode": f"ca-pub-{network.code}",
            "timeZone": ZONE,
            "currencyCode": network.store.fact("currency"),
            "effectiveRootAdUnitId": str(ROOT_AD_UNIT_ID),
            "isTest": True,
        }

    def _chosen(self, arguments: Arguments) -> Page:
        return select(
            _statement(arguments),
            self._proposals.all(),
            self._proposals.columns(),
            self._network.clock.zone,
        )

    def _chosen_lines(self, arguments: Arguments) -> Page:
        return select(
            _statement(arguments),
            self._proposals.all_lines(),
            self._proposals.line_columns(),
            self._network.clock.zone,
        )

    def _act(self, arguments: Arguments) -> GamObject:
        action = _action(arguments, "proposalAction")
        return {"numChanges": self._negotiation.act(action, self._chosen(arguments).results)}

    def _act_on_lines(self, arguments: Arguments) -> GamObject:
        action = _action(arguments, "proposalLineItemAction")
        lines = self._chosen_lines(arguments).results
        return {"numChanges": self._negotiation.act_on_lines(action, lines)}


def _some(arguments: Arguments, member: str) -> list[GamObject]:
    entities: list[GamObject] = arguments.get(member, [])
    if not entities:
        raise required_error(member)
    return entities


def _statement(arguments: Arguments) -> GamObject:
    if "filterStatement" not in arguments:
        raise required_error("filterStatement")
    statement: GamObject = arguments["filterStatement"]
    return statement


def _action(arguments: Arguments, member: str) -> GamObject:
    if member not in arguments:
        raise required_error(member)
    action: GamObject = arguments[member]
    return action


def _page_members(page: Page) -> GamObject:
    return {
        "results": page.results,
        "startIndex": page.start,
        "totalResultSetSize": page.total,
    }


def _denial(reason: str, message: str) -> AdManagerApiError:
    return AdManagerApiError("UNAUTHENTICATED", "AuthenticationError", reason, message)
