"""The SOAP services' interface: `types.txt` and `errors.txt` as types, XML Schema and WSDL."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from seil.sandbox.admanager.soap.xml import etree

VERSIONS = ("v202511", "v202602", "v202605", "v202608")
SCALARS = frozenset({"string", "long", "int", "boolean", "double"})


@dataclass(frozen=True)
class Element:
    name: str
    type: str
    many: bool


@dataclass(frozen=True)
class Type:
    """`elements` are its own; `Contract.elements` gives those of its base too."""

    name: str
    base: str
    elements: tuple[Element, ...]
    abstract: bool = False


@dataclass(frozen=True)
class SoapOperation:
    name: str
    parameters: tuple[Element, ...]
    result: Element


@dataclass(frozen=True)
class Contract:
    types: Mapping[str, Type]
    enums: Mapping[str, tuple[str, ...]]
    services: Mapping[str, Mapping[str, SoapOperation]]

    def elements(self, name: str) -> tuple[Element, ...]:
        """In the order of the wire: the base's come first."""
        definition = self.types[name]
        return (*(self.elements(definition.base) if definition.base else ()), *definition.elements)

    def is_complex(self, name: str) -> bool:
        return name in self.types


@functools.cache
def contract() -> Contract:
    types: dict[str, Type] = {}
    enums: dict[str, tuple[str, ...]] = {}
    services: dict[str, dict[str, SoapOperation]] = {}
    service = ""
    for line in _lines(Path(__file__).with_name("types.txt").read_text("utf-8")):
        if line.startswith("service "):
            service = line.split()[1]
            services[service] = {}
        elif match := re.fullmatch(r"(\w+)\((.*)\) (\S+)", line):
            returned = _element(f"rval:{match[3]}")
            created = SoapOperation(match[1], _elements(match[2]), returned)
            services[service][created.name] = created
        elif match := re.fullmatch(r"enum (\S+): (.*)", line):
            enums[match[1]] = tuple(match[2].split())
        elif match := re.fullmatch(r"(abstract )?(\w+)(?: < (\w+))?:(.*)", line):
            abstract = bool(match[1])
            inner = _elements(match[4])
            types[match[2]] = Type(match[2], match[3] or "", inner, abstract=abstract)
    for kind, reasons in error_kinds().items():
        types[kind] = Type(kind, "ApiError", _elements(f"reason:{kind}.Reason" if reasons else ""))
        if reasons:
            enums[f"{kind}.Reason"] = (*reasons, "UNKNOWN")
    return Contract(types, enums, services)


@functools.cache
def error_kinds() -> Mapping[str, tuple[str, ...]]:
    """The reasons of each kind of error, as `errors.txt` lists them."""
    lines = _lines(Path(__file__).with_name("errors.txt").read_text("utf-8"))
    parts = (line.partition(":") for line in lines)
    return {kind: tuple(reasons.split()) for kind, _, reasons in parts}


def _lines(text: str) -> Iterator[str]:
    """One statement per line; continuations are indented further."""
    statement = ""
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        operation = indent == _OPERATION and "(" in line
        continues = indent > 0 and not operation
        if continues:
            statement = f"{statement} {line.strip()}"
            continue
        if statement:
            yield statement
        statement = line.strip()
    yield statement


_OPERATION = 4


def _elements(text: str) -> tuple[Element, ...]:
    return tuple(_element(part) for part in text.split())


def _element(text: str) -> Element:
    name, _, kind = text.partition(":")
    return Element(name, kind.removesuffix("*"), kind.endswith("*"))


def namespace(version: str) -> str:
    return f"https://www.google.com/apis/ads/publisher/{version}"


@functools.cache
def schema(service: str, version: str) -> Any:
    """Validates what is sent to a service, and what it answers."""
    return etree.XMLSchema(etree.fromstring(_xsd(service, version)))


def _xsd(service: str, version: str) -> str:
    types = contract()
    head = (
        f'<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:tns="{namespace(version)}"'
        f' targetNamespace="{namespace(version)}" elementFormDefault="qualified">'
    )
    parts = [head, *(_complex(definition) for definition in types.types.values())]
    parts += [_simple(name, values) for name, values in types.enums.items()]
    for operation in types.services[service].values():
        parts.append(_wrapper(operation.name, operation.parameters))
        parts.append(_wrapper(f"{operation.name}Response", (operation.result,)))
    parts += [f'<element name="{name}" type="tns:{kind}"/>' for name, kind in _HEADERS]
    return "".join([*parts, "</schema>"])


_HEADERS = (
    ("RequestHeader", "SoapRequestHeader"),
    ("ResponseHeader", "SoapResponseHeader"),
    ("ApiExceptionFault", "ApiException"),
)


def _complex(definition: Type) -> str:
    inner = f"<sequence>{''.join(map(_member, definition.elements))}</sequence>"
    if definition.base:
        inner = f'<extension base="tns:{definition.base}">{inner}</extension>'
        inner = f"<complexContent>{inner}</complexContent>"
    abstract = ' abstract="true"' if definition.abstract else ""
    return f'<complexType name="{definition.name}"{abstract}>{inner}</complexType>'


def _member(element: Element) -> str:
    prefix = "" if element.type in SCALARS else "tns:"
    many = "unbounded" if element.many else "1"
    return (
        f'<element name="{element.name}" type="{prefix}{element.type}"'
        f' minOccurs="0" maxOccurs="{many}"/>'
    )


def _simple(name: str, values: tuple[str, ...]) -> str:
    allowed = "".join(f'<enumeration value="{value}"/>' for value in values)
    return (
        f'<simpleType name="{name}"><restriction base="string">{allowed}</restriction></simpleType>'
    )


def _wrapper(name: str, elements: tuple[Element, ...]) -> str:
    inner = "".join(map(_member, elements))
    return (
        f'<element name="{name}"><complexType><sequence>{inner}</sequence></complexType></element>'
    )


def wsdl(service: str, version: str, address: str) -> str:
    """Document/literal, as Ad Manager's own."""
    operations = contract().services[service]
    ns = namespace(version)
    return "".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<wsdl:definitions targetNamespace="{ns}" xmlns:tns="{ns}"',
            ' xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"',
            ' xmlns:wsdlsoap="http://schemas.xmlsoap.org/wsdl/soap/">',
            f"<wsdl:types>{_xsd(service, version)}</wsdl:types>",
            *(_message(name, name) for name in ("RequestHeader", "ResponseHeader")),
            _message("ApiException", "ApiExceptionFault"),
            *(_messages(name) for name in operations),
            f'<wsdl:portType name="{service}Interface">',
            *(_port_operation(name) for name in operations),
            f'</wsdl:portType><wsdl:binding name="{service}SoapBinding"',
            f' type="tns:{service}Interface"><wsdlsoap:binding style="document"',
            ' transport="http://schemas.xmlsoap.org/soap/http"/>',
            *(_binding_operation(name) for name in operations),
            f'</wsdl:binding><wsdl:service name="{service}">',
            f'<wsdl:port binding="tns:{service}SoapBinding" name="{service}InterfacePort">',
            f'<wsdlsoap:address location="{escape(address)}"/>',
            "</wsdl:port></wsdl:service></wsdl:definitions>",
        ]
    )


def _message(name: str, element: str) -> str:
    part = "parameters" if name == element and "Header" not in name else element
    return (
        f'<wsdl:message name="{name}"><wsdl:part element="tns:{element}" name="{part}"/>'
        "</wsdl:message>"
    )


def _messages(operation: str) -> str:
    return "".join(
        f'<wsdl:message name="{operation}{message}"><wsdl:part element="tns:{operation}{element}"'
        ' name="parameters"/></wsdl:message>'
        for message, element in (("Request", ""), ("Response", "Response"))
    )


def _port_operation(name: str) -> str:
    return (
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}Request"/>'
        f'<wsdl:output message="tns:{name}Response"/>'
        '<wsdl:fault message="tns:ApiException" name="ApiException"/></wsdl:operation>'
    )


def _binding_operation(name: str) -> str:
    def direction(kind: str, header: str) -> str:
        return (
            f'<wsdl:{kind}><wsdlsoap:header message="tns:{header}" part="{header}" use="literal"/>'
            f'<wsdlsoap:body use="literal"/></wsdl:{kind}>'
        )

    return (
        f'<wsdl:operation name="{name}"><wsdlsoap:operation soapAction=""/>'
        f"{direction('input', 'RequestHeader')}{direction('output', 'ResponseHeader')}"
        '<wsdl:fault name="ApiException"><wsdlsoap:fault name="ApiException" use="literal"/>'
        "</wsdl:fault></wsdl:operation>"
    )
