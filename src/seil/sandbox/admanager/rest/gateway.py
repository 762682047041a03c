"""Maps HTTP requests to handlers and back, validating both ways with the client's types.

Handlers take and give dictionaries as protobuf's JSON writes them, enums by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from seil.sandbox.admanager.account import AdManagerTokens
from seil.sandbox.admanager.errors import AdManagerApiError, invalid, not_found
from seil.sandbox.admanager.messages import JSON, AdManagerRequest
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.options import READ_ONLY, READ_WRITE
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.checks import check_message
from seil.sandbox.admanager.rest.masks import apply_mask
from seil.sandbox.admanager.rest.protobuf import FieldDescriptor, ProtoField, json_format
from seil.sandbox.base.messages import Reply

Request: TypeAlias = dict[str, Any]
RestOperation: TypeAlias = Callable[[Request], dict[str, Any]]

# https://cloud.google.com/apis/docs/system-parameters
_SYSTEM = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "$")
    for name in (
        "alt",
        "fields",
        "key",
        "prettyPrint",
        "quotaUser",
        "userProject",
        "callback",
        "access_token",
        "oauth_token",
        "upload_protocol",
        "uploadType",
        "xgafv",
        ".xgafv",
    )
)


class RestGateway:
    """`operations` by the client's method name; its other methods answer UNIMPLEMENTED."""

    def __init__(
        self,
        network: SandboxNetwork,
        tokens: AdManagerTokens,
        operations: Mapping[str, RestOperation],
    ) -> None:
        self._network = network
        self._tokens = tokens
        self._operations = operations
        self._methods = schema.methods()

    def answer(self, request: AdManagerRequest) -> Reply:
        reading = request.method == "GET"
        with self._network.store.transaction():
            self._tokens.require(request, {READ_WRITE, READ_ONLY} if reading else {READ_WRITE})
            method, variables = self._find(request)
            operation = self._operations.get(method.name)
            if operation is None:
                text = f"The stand-in does not carry out {method.name}"
                raise AdManagerApiError(
                    "UNIMPLEMENTED", "CommonError", "UNSUPPORTED_OPERATION", text
                )
            message = _message(method, request, variables)
            self._check_network(variables)
            requested = request.param("$fields", "fields") or request.headers.get(
                "X-Goog-FieldMask", ""
            )
            answer = operation({**message, "_mask": requested} if requested else message)
        return _render(method, request, apply_mask(answer, requested))

    def _find(self, request: AdManagerRequest) -> tuple[schema.Method, dict[str, str]]:
        for method in self._methods:
            if method.verb == request.method and (match := method.pattern.fullmatch(request.path)):
                return method, match.groupdict()
        raise not_found(f"{request.method} {request.path}")

    def _check_network(self, variables: Mapping[str, str]) -> None:
        for name in variables.values():
            parts = name.split("/")
            if parts[0] == "networks" and parts[1] != self._network.code:
                raise AdManagerApiError(
                    "PERMISSION_DENIED",
                    "AuthenticationError",
                    "NETWORK_NOT_FOUND",
                    f"The service account has no access to network {parts[1]}",
                )


def _message(
    method: schema.Method, request: AdManagerRequest, variables: Mapping[str, str]
) -> Request:
    raw: dict[str, Any] = {}
    descriptor = schema.descriptor_of(method.request)
    for name, value in request.params.items():
        if name not in _SYSTEM:
            _bind(raw, _query_field(descriptor, name), name, value)
    if method.body == "*":
        raw |= request.json_object()
    elif method.body:
        field = descriptor.fields_by_name[method.body]
        raw[field.json_name] = request.json_object()
    elif request.body.strip():
        raise invalid("A body is not expected here")
    for variable, value in variables.items():
        _set_path(raw, [_camel(part) for part in variable.split("__")], value)
    message = _strict(method.request, raw)
    check_message(descriptor, message)
    return message


def _strict(kind: type[Any], raw: Mapping[str, Any]) -> Request:
    """Refuses unknown fields, unknown enum values and wrong types."""
    message = schema.new(kind)
    try:
        json_format.ParseDict(raw, message, ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    request: Request = json_format.MessageToDict(message)
    return request


def _query_field(descriptor: Any, name: str) -> ProtoField:
    field = schema.field_at(descriptor, ".".join(_camel(part) for part in name.split(".")))
    if field is None or (field.message_type and not _is_text(field)):
        raise invalid(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.',
            field=name,
        )
    return field


def _is_text(field: ProtoField) -> bool:
    """Messages that protobuf's JSON writes as a string."""
    kind = field.message_type
    return kind is not None and kind.full_name in (
        "google.protobuf.FieldMask",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
    )


def _bind(raw: dict[str, Any], field: ProtoField, name: str, text: str) -> None:
    value: Any = text
    if field.type == FieldDescriptor.TYPE_BOOL:
        value = {"true": True, "false": False}.get(text, text)
    elif field.type == FieldDescriptor.TYPE_ENUM and text.isdecimal():
        value = int(text)
    path = [_camel(part) for part in name.split(".")]
    if field.is_repeated:
        _set_path(raw, path, [*(_at(raw, path) or []), value])
    else:
        _set_path(raw, path, value)


def _set_path(raw: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = raw.setdefault(part, {})
        if not isinstance(inner, dict):
            raise invalid(f"{part} is not an object", field=part)
        raw = inner
    raw[path[-1]] = value


def _at(raw: Any, path: Iterable[str]) -> Any:
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _render(method: schema.Method, request: AdManagerRequest, answer: Mapping[str, Any]) -> Reply:
    """Parses the answer with the client's types, so that it cannot hold what they lack."""
    if method.response is None:
        return Reply(200, b"{}", JSON)
    kind = method.response
    message = schema.new(kind)
    json_format.ParseDict(answer, message)
    numbers = "enum-encoding=int" in request.param("$alt", "alt")
    content = json_format.MessageToDict(message, use_integers_for_enums=numbers)
    return Reply(200, json.dumps(content, ensure_ascii=False).encode(), JSON)
