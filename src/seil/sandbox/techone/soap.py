"""SOAP 1.1 and 1.2, document style, as ASP.NET's web services speak them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from lxml import etree

from seil.sandbox.base.messages import Reply
from seil.sandbox.techone.messages import TechOneApiError, TechOneRequest
from seil.sandbox.techone.wsdl import SERVICES, Wsdl, parse_xml


@dataclass(frozen=True)
class _Version:
    namespace: str
    content_type: str
    client: str
    server: str


_V11 = _Version(
    "http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8", "Client", "Server"
)
_V12 = _Version(
    "http://www.w3.org/2003/05/soap-envelope",
    "application/soap+xml; charset=utf-8",
    "Sender",
    "Receiver",
)
_VERSIONS = {"text/xml": _V11, "application/soap+xml": _V12}
_XML = "{http://www.w3.org/XML/1998/namespace}"

TechOneOperation = Callable[[Any], Any]
"""From the request's element, or None where it is left out, to the result's."""


class FaultError(Exception):
    """A request that violates SOAP."""


class Endpoint:
    """GET ?wsdl and POST, for these operations by their names."""

    def __init__(self, wsdl: Wsdl, operations: Mapping[str, TechOneOperation]) -> None:
        self._wsdl = wsdl
        self._operations = operations

    def answer(self, request: TechOneRequest) -> Reply:
        if request.method == "GET" and "wsdl" in {name.lower() for name in request.params}:
            text = self._wsdl.served(f"{request.base_url}{request.path}")
            return Reply(200, text, "text/xml; charset=utf-8")
        if request.method != "POST":
            raise TechOneApiError(405, "Only POST is supported.", headers={"Allow": "POST"})
        sent = _content_type(request)
        version = _VERSIONS.get(sent.get_content_type())
        if version is None:
            raise TechOneApiError(415, "Send text/xml, or application/soap+xml for SOAP 1.2.")
        try:
            return self._run(request, version, str(sent.get_param("action", "")))
        except FaultError as error:
            return _fault(version, str(error))

    def _run(self, request: TechOneRequest, version: _Version, action: str) -> Reply:
        message = _message(request.body, version)
        name = etree.QName(message).localname
        self._check_action(request, version, action, name)
        if problem := self._wsdl.problem(message):
            raise FaultError(f"The request is not as the WSDL describes it: {problem}")
        operation_result = self._operations[name](message.find(f"{{{SERVICES}}}request"))
        response = etree.Element(f"{{{SERVICES}}}{name}Response", nsmap={None: SERVICES})
        response.append(operation_result)
        return Reply(200, _envelope(version, response), version.content_type)

    def _check_action(
        self, request: TechOneRequest, version: _Version, action: str, name: str
    ) -> None:
        soap_action = (
            request.headers.get("SOAPAction", "").strip('"') if version is _V11 else action
        )
        # SOAP 1.2, part 2, section 6.5.3: the action may be left out.
        if version is _V12 and not soap_action:
            soap_action = f"{SERVICES}/{name}"
        operation = self._wsdl.actions.get(soap_action)
        if operation is None:
            text = f"Server did not recognize the value of HTTP Header SOAPAction: {soap_action}."
            raise FaultError(text)
        if operation != name:
            raise FaultError(f"SOAPAction names {operation}, the message is {name}.")


def _content_type(request: TechOneRequest) -> Message:
    message = Message()
    message["Content-Type"] = request.headers.get("Content-Type", "")
    return message


def _message(body: bytes, version: _Version) -> Any:
    """The body's only element."""
    try:
        envelope = parse_xml(body)
    except ValueError as error:
        raise FaultError(f"Server was unable to read request: {error}") from error
    if envelope.tag != f"{{{version.namespace}}}Envelope":
        raise FaultError(f"The message is no envelope of {version.namespace}.")
    elements = envelope.findall(f"{{{version.namespace}}}Body/*")
    if len(elements) != 1:
        raise FaultError(f"The body has {len(elements)} messages, not one.")
    return elements[0]


def _envelope(version: _Version, content: Any) -> bytes:
    envelope = etree.Element(f"{{{version.namespace}}}Envelope", nsmap={"soap": version.namespace})
    etree.SubElement(envelope, f"{{{version.namespace}}}Body").append(content)
    text: bytes = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    return text


def _fault(version: _Version, text: str) -> Reply:
    if version is _V11:
        fault = etree.Element(f"{{{version.namespace}}}Fault", nsmap={"soap": version.namespace})
        etree.SubElement(fault, "faultcode").text = f"soap:{version.client}"
        etree.SubElement(fault, "faultstring").text = text
        return Reply(500, _envelope(version, fault), version.content_type)
    inside = f"{{{version.namespace}}}"
    fault = etree.Element(f"{inside}Fault", nsmap={"soap": version.namespace})
    code = etree.SubElement(fault, f"{inside}Code")
    etree.SubElement(code, f"{inside}Value").text = f"soap:{version.client}"
    reason = etree.SubElement(fault, f"{inside}Reason")
    reason_text = etree.SubElement(reason, f"{inside}Text")
    reason_text.set(f"{_XML}lang", "en")
    reason_text.text = text
    return Reply(400, _envelope(version, fault), version.content_type)
