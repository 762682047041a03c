"""From an HTTP request to a handler and back: strict both ways by the client's own types.

Handlers take and give dictionaries as protobuf's JSON writes them, enums by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from seil.sandbox.admanager.account import Tokens
from seil.sandbox.admanager.errors import ApiError, invalid, not_found
from seil.sandbox.admanager.messages import Call, Reply
from seil.sandbox.admanager.network import Network
from seil.sandbox.admanager.options import READ_ONLY, READ_WRITE
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.checks import check_message
from seil.sandbox.admanager.rest.masks import masked
from seil.sandbox.admanager.rest.protobuf import Field, FieldDescriptor, json_format

Request: TypeAlias = dict[str, Any]
Operation: TypeAlias = Callable[[Request], dict[str, Any]]

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


class Rest:
    """`operations` by the client's method name; what it knows and they do not is UNIMPLEMENTED."""

    def __init__(
        self, network: Network, tokens: Tokens, operations: Mapping[str, Operation]
    ) -> None:
        self._network = network
        self._tokens = tokens
        self._operations = operations
        self._methods = schema.methods()

    def answer(self, call: Call) -> Reply:
        reading = call.method == "GET"
        with self._network.store.transaction():
            self._tokens.require(call, {READ_WRITE, READ_ONLY} if reading else {READ_WRITE})
            method, variables = self._found(call)
            operation = self._operations.get(method.name)
            if operation is None:
                message = f"The stand-in does not carry out {method.name}"
                raise ApiError("UNIMPLEMENTED", "CommonError", "UNSUPPORTED_OPERATION", message)
            request = _parsed(method, call, variables)
            self._check_network(variables)
            wanted = call.param("$fields", "fields") or call.headers.get("X-Goog-FieldMask", "")
            answer = operation({**request, "_mask": wanted} if wanted else request)
        return _rendered(method, call, masked(answer, wanted))

    def _found(self, call: Call) -> tuple[schema.Method, dict[str, str]]:
        for method in self._methods:
            if method.verb == call.method and (match := method.pattern.fullmatch(call.path)):
                return method, match.groupdict()
        raise not_found(f"{call.method} {call.path}")

    def _check_network(self, variables: Mapping[str, str]) -> None:
        for name in variables.values():
            parts = name.split("/")
            if parts[0] == "networks" and parts[1] != self._network.code:
                raise ApiError(
                    "PERMISSION_DENIED",
                    "AuthenticationError",
                    "NETWORK_NOT_FOUND",
                    f"The service account has no access to network {parts[1]}",
                )


def _parsed(method: schema.Method, call: Call, variables: Mapping[str, str]) -> Request:
    raw: dict[str, Any] = {}
    descriptor = schema.descriptor_of(method.request)
    for name, value in call.params:
        if name not in _SYSTEM:
            _bind(raw, _query_field(descriptor, name), name, value)
    if method.body == "*":
        raw |= call.json_object()
    elif method.body:
        field = descriptor.fields_by_name[method.body]
        raw[field.json_name] = call.json_object()
    elif call.body.strip():
        raise invalid("A body is not expected here")
    for variable, value in variables.items():
        _place(raw, [_camel(part) for part in variable.split("__")], value)
    request = _strict(method.request, raw)
    check_message(descriptor, request)
    return request


def _strict(kind: type[Any], raw: Mapping[str, Any]) -> Request:
    """Refuses unknown fields, unknown names of enums and wrong types."""
    message = schema.new(kind)
    try:
        json_format.ParseDict(raw, message, ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    found: Request = json_format.MessageToDict(message)
    return found


def _query_field(descriptor: Any, name: str) -> Field:
    found = schema.field_at(descriptor, ".".join(_camel(part) for part in name.split(".")))
    if found is None or (found.message_type and not _is_text(found)):
        raise invalid(
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.',
            field=name,
        )
    return found


def _is_text(field: Field) -> bool:
    """Messages that protobuf's JSON writes as a string."""
    kind = field.message_type
    return kind is not None and kind.full_name in (
        "google.protobuf.FieldMask",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
    )


def _bind(raw: dict[str, Any], field: Field, name: str, text: str) -> None:
    value: Any = text
    if field.type == FieldDescriptor.TYPE_BOOL:
        value = {"true": True, "false": False}.get(text, text)
    elif field.type == FieldDescriptor.TYPE_ENUM and text.isdecimal():
        value = int(text)
    path = [_camel(part) for part in name.split(".")]
    if field.is_repeated:
        _place(raw, path, [*(_at(raw, path) or []), value])
    else:
        _place(raw, path, value)


def _place(raw: dict[str, Any], path: list[str], value: Any) -> None:
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


def _rendered(method: schema.Method, call: Call, answer: Mapping[str, Any]) -> Reply:
    """Parsed once more on the way out: the stand-in cannot say what the client has no type for."""
    if method.response is None:
        return Reply(200, b"{}")
    kind = method.response
    message = schema.new(kind)
    json_format.ParseDict(answer, message)
    numbers = "enum-encoding=int" in call.param("$alt", "alt")
    content = json_format.MessageToDict(message, use_integers_for_enums=numbers)
    return Reply(200, json.dumps(content, ensure_ascii=False).encode())
