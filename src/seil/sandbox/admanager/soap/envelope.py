"""SOAP envelopes: parsed strictly by the schema, written in its order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError
from seil.sandbox.admanager.messages import XML
from seil.sandbox.admanager.soap.contract import (
    VERSIONS,
    Element,
    contract,
    error_kinds,
    namespace,
    schema,
)
from seil.sandbox.admanager.soap.xml import etree
from seil.sandbox.base.messages import Reply

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = f"{{{_XSI}}}type"
_NIL = f"{{{_XSI}}}nil"
KIND = "_type"
"""Where a value of a more special type says which it is."""


def unmarshal(
    body: bytes, service: str, version: str
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(operation, its arguments, the request header)

    Raises AdManagerApiError for anything that the schema does not allow.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _unparsable(str(error)) from error
    soap_body = root.find(f"{{{_SOAP}}}Body") if root.tag == f"{{{_SOAP}}}Envelope" else None
    if soap_body is None or len(soap_body) != 1:
        raise _unparsable("a SOAP 1.1 envelope with one element in its body is expected")
    call = soap_body[0]
    ns = f"{{{namespace(version)}}}"
    name = str(call.tag).removeprefix(ns)
    operation = contract().services[service].get(name)
    if operation is None or not str(call.tag).startswith(ns):
        raise _unparsable(f"{service} has no operation {call.tag}")
    header = root.find(f"{{{_SOAP}}}Header/{ns}RequestHeader")
    _validate(call, service, version)
    if header is not None:
        _validate(header, service, version)
    headers = {} if header is None else _read_all(header, contract().elements("SoapRequestHeader"))
    return name, _read_all(call, operation.parameters), headers


def _validate(element: Any, service: str, version: str) -> None:
    """On its own, so that the schema sees the namespaces it uses."""
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    validator = schema(service, version)
    if not validator.validate(alone):
        raise _unparsable("; ".join(entry.message for entry in validator.error_log)[:1000])


def _unparsable(reason: str) -> AdManagerApiError:
    message = f"Unmarshalling Error: {reason}"
    return AdManagerApiError("INVALID_ARGUMENT", "ParseError", "UNPARSABLE", message)


def _read_all(parent: Any, elements: tuple[Element, ...]) -> dict[str, Any]:
    by_name = {element.name: element for element in elements}
    values: dict[str, Any] = {}
    for child in parent:
        if not isinstance(child.tag, str) or child.get(_NIL) in ("true", "1"):
            continue
        element = by_name[etree.QName(child).localname]
        value = _read(child, element.type)
        if element.many:
            values.setdefault(element.name, []).append(value)
        else:
            values[element.name] = value
    return values


def _read(element: Any, kind: str) -> Any:
    if contract().is_complex(kind):
        special = (element.get(_TYPE) or kind).rpartition(":")[2]
        value = _read_all(element, contract().elements(special))
        return {KIND: special, **value} if special != kind else value
    text = element.text or ""
    match kind:
        case "long" | "int":
            return int(text)
        case "double":
            return float(text)
        case "boolean":
            return text.strip() in ("true", "1")
    return text


def response_reply(service: str, version: str, operation: str, value: Any) -> Reply:
    """`result` is of dictionaries; members unknown to the types are internal and dropped."""
    ns = namespace(version)
    wrapper = etree.Element(f"{{{ns}}}{operation}Response", nsmap={None: ns, "xsi": _XSI})
    _write(wrapper, contract().services[service][operation].result, value, ns)
    return _envelope(200, wrapper, version)


def _write(parent: Any, element: Element, value: Any, ns: str) -> None:
    for entry in value if element.many else [value]:
        child = etree.SubElement(parent, f"{{{ns}}}{element.name}")
        if not contract().is_complex(element.type):
            child.text = str(entry).lower() if isinstance(entry, bool) else str(entry)
            continue
        special = entry.get(KIND, element.type)
        if special != element.type:
            child.set(_TYPE, special)
        for inner in contract().elements(special):
            if entry.get(inner.name) is not None:
                _write(child, inner, entry[inner.name], ns)


def fault_reply(path: str, error: AdManagerApiError) -> Reply:
    """An ApiExceptionFault: https://developers.google.com/ad-manager/api/troubleshooting."""
    version = _version(path)
    ns = namespace(version)
    fault = etree.Element(f"{{{_SOAP}}}Fault", nsmap={"soap": _SOAP, "xsi": _XSI})
    server = error.status in ("INTERNAL", "UNAVAILABLE")
    etree.SubElement(fault, "faultcode").text = "soap:Server" if server else "soap:Client"
    text = f"[{error.code} @ {error.field}]" if error.field else f"[{error.code} @ ]"
    etree.SubElement(fault, "faultstring").text = f"{text} {_clean(error.message)}"
    detail = etree.SubElement(fault, "detail")
    exception = etree.SubElement(detail, f"{{{ns}}}ApiExceptionFault", nsmap={None: ns})
    etree.SubElement(exception, f"{{{ns}}}message").text = f"{text} {_clean(error.message)}"
    _write(exception, Element("errors", "ApiError", many=True), [_error_members(error)], ns)
    return _envelope(500, fault, version)


def _error_members(error: AdManagerApiError) -> Mapping[str, Any]:
    """Errors without a SOAP type become a bad request."""
    reasons = error_kinds().get(error.kind)
    is_typed = reasons is not None and (error.reason in reasons or not reasons)
    return {
        KIND: error.kind if is_typed else "RequestError",
        "fieldPath": error.field,
        "fieldPathElements": [{"field": part} for part in error.field.split(".") if part],
        "trigger": _clean(error.trigger),
        "errorString": error.code,
        "reason": error.reason if is_typed else "INVALID_INPUT",
    }


def _clean(text: str) -> str:
    """Without characters that XML excludes."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def _version(path: str) -> str:
    return next((part for part in path.split("/") if part in VERSIONS), VERSIONS[-1])


def _envelope(status: int, content: Any, version: str) -> Reply:
    ns = namespace(version)
    envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soap": _SOAP})
    header = etree.SubElement(envelope, f"{{{_SOAP}}}Header")
    text = etree.SubElement(header, f"{{{ns}}}ResponseHeader", nsmap={None: ns})
    etree.SubElement(text, f"{{{ns}}}requestId").text = "00000000000000000000000000000000"
    etree.SubElement(text, f"{{{ns}}}responseTime").text = "1"
    etree.SubElement(envelope, f"{{{_SOAP}}}Body").append(content)
    return Reply(status, etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"), XML)
