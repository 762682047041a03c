"""The warehouse's WSDL: served to clients, and used to validate requests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from lxml import etree
from typing_extensions import override

from seil.errors import ConfigurationError, Problem

SERVICES = "http://TechnologyOneCorp.com/Public/Services"
PROBLEMS = "WebService"
OPERATIONS = ("Warehouse_DoImport", "Warehouse_DoRead", "Warehouse_DoDelete")

_OWN = Path(__file__).with_name("warehouse.wsdl")
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_SOAP = (
    "{http://schemas.xmlsoap.org/wsdl/soap/}",
    "{http://schemas.xmlsoap.org/wsdl/soap12/}",
)


def parse_xml(text: bytes) -> Any:
    """Without external entities. Raises ValueError."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise ValueError("a document type is not allowed")
    return root


class Wsdl:
    """Raises ConfigurationError for a file that does not describe the warehouse."""

    def __init__(self, file: Path | None = None) -> None:
        source = file or _OWN
        try:
            self._root = parse_xml(source.read_bytes())
            self._schema = _schema(self._root)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError([Problem(str(source), reason)]) from error
        except (ValueError, etree.XMLSchemaParseError) as error:
            raise ConfigurationError([Problem(str(source), f"is no WSDL: {error}")]) from error
        self.actions = _actions(self._root)
        if missing := set(OPERATIONS) - set(self.actions.values()):
            names = ", ".join(sorted(missing))
            raise ConfigurationError([Problem(str(source), f"does not describe {names}")])

    def served(self, address: str) -> bytes:
        root = copy.deepcopy(self._root)
        for namespace in _SOAP:
            for element in root.iter(f"{namespace}address"):
                element.set("location", address)
        text: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8")
        return text

    def problem(self, element: Any) -> str:
        """The schema's objection to a message; empty where it is valid."""
        # A copy: libxml2 validates whole documents.
        if self._schema.validate(etree.ElementTree(copy.deepcopy(element))):
            return ""
        return str(self._schema.error_log[0].message)


def _actions(root: Any) -> dict[str, str]:
    """Operations by SOAPAction."""
    actions = {}
    for operation in root.iter(f"{_WSDL}operation"):
        for namespace in _SOAP:
            for bound in operation.iterchildren(f"{namespace}operation"):
                actions[bound.get("soapAction", "")] = operation.get("name", "")
    return actions


def _schema(root: Any) -> Any:
    """All in one: side by side in a WSDL, they import each other without saying from where."""
    schemas = root.findall(f"{_WSDL}types/{_XSD}schema")
    if not schemas:
        raise ValueError("it has no types")
    places = {schema.get("targetNamespace"): f"part:{n}" for n, schema in enumerate(schemas)}
    parts = {}
    for schema in schemas:
        part = etree.fromstring(etree.tostring(schema))
        for imported in part.iterchildren(f"{_XSD}import"):
            place = places.get(imported.get("namespace"))
            if place is None:
                raise ValueError(f"it imports {imported.get('namespace')}, which is not in it")
            imported.set("schemaLocation", place)
        parts[places[schema.get("targetNamespace")]] = etree.tostring(part)
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    parser.resolvers.add(_Parts(parts))
    whole = etree.Element(f"{_XSD}schema")
    for namespace, place in places.items():
        etree.SubElement(whole, f"{_XSD}import", namespace=namespace, schemaLocation=place)
    return etree.XMLSchema(etree.fromstring(etree.tostring(whole), parser))


class _Parts(etree.Resolver):  # type: ignore[misc]
    def __init__(self, parts: dict[str, bytes]) -> None:
        super().__init__()
        self._parts = parts

    @override
    def resolve(self, url: str, _public_id: str, context: Any) -> Any:
        if url in self._parts:
            return self.resolve_string(self._parts[url], context)
        raise ValueError(f"{url} is not in it")
