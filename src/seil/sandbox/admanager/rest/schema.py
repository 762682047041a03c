"""The REST API's routes, types and field behaviour, from the official client.

All of it is read from the installed google-ads-admanager, so that it cannot drift from it. The
descriptors carry no field behaviour (https://google.aip.dev/203); the docstrings do.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.ads import admanager_v1

from seil.sandbox.admanager.rest.protobuf import (
    Message,
    ProtoField,
    descriptor_pool,
    operations_pb2,
)

_SERVICES = (
    "order",
    "line_item",
    "forecast",
    "programmatic_buyer",
    "report",
    "network",
    "company",
    "user",
    "ad_unit",
    "placement",
    "geo_target",
    "custom_targeting_key",
    "custom_targeting_value",
    "audience_segment",
    "custom_field",
    "label",
    "team",
    "contact",
    "device_category",
    "browser",
    "browser_language",
    "operating_system",
    "bandwidth_group",
)
_PACKAGE = "google.ads.admanager.v1."
_FIELD = re.compile(r"^ {8}(\w+) \(.+?\):\n((?: {12}.*\n|\n)+)", re.MULTILINE)
_FILTERABLE = re.compile(r"\*\*Filterable fields:\*\*(.*?)(?=^ {8}\w|\Z)", re.MULTILINE | re.DOTALL)
_BEHAVIOURS = ("Required.", "Output only.", "Immutable.", "Identifier.", "Input only.")
_OPERATIONS = {
    "GetOperation": (operations_pb2.GetOperationRequest, operations_pb2.Operation),
    "CancelOperation": (operations_pb2.CancelOperationRequest, None),
}


@dataclass(frozen=True)
class Method:
    """`body` is the member of the request that the HTTP body is, `*` for the request itself."""

    name: str
    verb: str
    pattern: re.Pattern[str]
    body: str
    request: type[Any]
    response: type[Any] | None


@functools.cache
def methods() -> tuple[Method, ...]:
    """All methods of the services, implemented by the stand-in or not."""
    return tuple(_methods())


def _methods() -> Iterator[Method]:
    seen = set()
    for service in _SERVICES:
        path = f"google.ads.admanager_v1.services.{service}_service.transports"
        calls = _calls(importlib.import_module(f"{path}.rest"))
        for name, options in _options(importlib.import_module(f"{path}.rest_base")):
            if name in seen:
                continue
            seen.add(name)
            request, response = _OPERATIONS.get(name) or calls[name]
            for option in options:
                pattern = _pattern(option["uri"])
                body = option.get("body", "")
                yield Method(name, option["method"].upper(), pattern, body, request, response)


def _options(module: Any) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for name, transport in inspect.getmembers(module, inspect.isclass):
        if name.startswith("_Base"):
            for member, stub in vars(transport).items():
                if member.startswith("_Base"):
                    yield member.removeprefix("_Base"), stub._get_http_options()  # noqa: SLF001  (nothing public tells)


def _calls(module: Any) -> dict[str, tuple[type[Any], type[Any] | None]]:
    """The types of each call, from its annotations."""
    transport = next(
        kind
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if name.endswith("ServiceRestTransport") and not name.startswith("_")
    )
    types = {}
    for member, stub in vars(transport).items():
        if inspect.isclass(stub) and member.startswith("_") and "__call__" in vars(stub):
            hints = inspect.get_annotations(stub.__call__)
            types[member.removeprefix("_")] = (hints.get("request"), hints.get("return"))
    return types  # type: ignore[return-value]  # the generated code is not typed


def _pattern(template: str) -> re.Pattern[str]:
    """`/v1/{parent=networks/*}/orders` (google/api/http.proto) as a regular expression."""
    parts = re.split(r"\{([\w.]+)=([^}]+)\}", template)
    pieces = [re.escape(text) for text in parts[::3]]
    for at, (variable, value) in enumerate(zip(parts[1::3], parts[2::3], strict=True)):
        inner = "[^/:]+".join(re.escape(piece) for piece in value.split("*"))
        group = f"(?P<{variable.replace('.', '__')}>{inner})"
        pieces[at] += group
    return re.compile("".join(pieces))


def message_class(descriptor: Message) -> type[Any] | None:
    """The client's class of a message; None for protobuf's own."""
    if not descriptor.full_name.startswith(_PACKAGE):
        return None
    module: Any = admanager_v1
    for part in descriptor.full_name.removeprefix(_PACKAGE).split("."):
        module = getattr(module, part, None)
    return module if inspect.isclass(module) else None


@functools.cache
def behaviours(full_name: str) -> Mapping[str, frozenset[str]]:
    """By JSON name: which of Required, Output only, Immutable, Identifier, Input only it is."""
    message = message_class(descriptor(full_name))
    documented = {
        name.removesuffix("_"): " ".join(text.split())
        for name, text in _FIELD.findall(message.__doc__ or "" if message else "")
    }
    return {
        field.json_name: frozenset(
            behaviour.removesuffix(".")
            for behaviour in _BEHAVIOURS
            if behaviour in _head(documented.get(field.name.removesuffix("_"), ""))
        )
        for field in descriptor(full_name).fields
    }


def _head(text: str) -> str:
    """The leading behaviours."""
    words = re.match(r"(?:(?:[A-Z][a-z]+(?: [a-z]+){0,2})\. ?){0,3}", text)
    return words.group() if words else ""


@functools.cache
def filterable(request: type[Any]) -> frozenset[str]:
    """The fields that a list request documents as filterable and sortable."""
    section = _FILTERABLE.search(request.__doc__ or "")
    return frozenset(re.findall(r"``([\w.]+)``", section.group(1) if section else ""))


def descriptor(full_name: str) -> Message:
    return descriptor_pool.Default().FindMessageTypeByName(full_name)


def descriptor_of(kind: type[Any]) -> Message:
    """Of a class of the client, or of protobuf itself."""
    return new(kind).DESCRIPTOR


def new(kind: type[Any]) -> Any:
    """An empty message, as protobuf's own functions take it."""
    created: Any = kind()
    return created if hasattr(created, "DESCRIPTOR") else type(created).pb(created)


def field_at(descriptor: Message, path: str) -> ProtoField | None:
    """The field at a dotted path of JSON names."""
    name, _, rest = path.partition(".")
    field = next((f for f in descriptor.fields if f.json_name == name), None)
    if field is None or not rest:
        return field
    return field_at(field.message_type, rest) if field.message_type else None
