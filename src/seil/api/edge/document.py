"""Completes FastAPI's OpenAPI document: security, headers and whole examples."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Any

from fastapi import FastAPI
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from seil.api.contract.envelope import CORRELATION
from seil.api.edge.schema_names import name_schemas

__all__ = ["OpenApiDocument"]

_HIGHEST = 2**63 - 1
_TAGS = {
    "gam": "Google Ad Manager: orders, line items, forecasts, programmatic proposals.",
    "health": "Liveness and readiness. Without a token.",
    "techone": "TechOne, the ERP: exchange rates and credit.",
    "tokens": "The stand-in issuer of access tokens. Without a token.",
}
# Relative, as behind a proxy or a stage the process does not know its own address.
_SERVERS = ({"url": "/", "description": "Where this document was read from."},)
_REQUEST_HEADERS = (
    {
        "name": "X-Correlation-Id",
        "in": "header",
        "required": False,
        "description": "A GUID for every call and log line of the request; default: a new one.",
        "schema": {"type": "string"},
        "example": CORRELATION,
    },
    {
        "name": "X-Application-Label",
        "in": "header",
        "required": False,
        "description": "The calling system: 1 to 100 printable ASCII characters.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,100}$"},
        "example": "salesforce",
    },
)
_RESPONSE_HEADER = {
    "description": "The request's correlation id.",
    "schema": {"type": "string", "format": "uuid"},
    "example": CORRELATION,
}
_ID = 3100000000


class OpenApiDocument:
    """The completed OpenAPI document as JSON.

    Generated in a thread, since that takes a second.
    """

    def __init__(self, app: FastAPI, token_url: str, scopes: Mapping[str, str]) -> None:
        self._make = app.openapi
        self._complete = partial(_complete, token_url=token_url, scopes=scopes)
        self._lock = threading.Lock()
        # By the path prefix that a proxy strips. It comes from settings, never from a caller.
        self._contents: dict[str, bytes] = {}

    async def response(self, request: Request) -> Response:
        prefix = request.scope.get("root_path", "").rstrip("/")
        content = self._contents.get(prefix) or await asyncio.to_thread(self._content, prefix)
        return Response(content, media_type="application/json")

    def _content(self, prefix: str) -> bytes:
        with self._lock:
            document = self._document
            servers = [{**entry, "url": prefix or entry["url"]} for entry in document["servers"]]
            document = {**document, "servers": servers}
            return self._contents.setdefault(prefix, to_json(document))

    @cached_property
    def _document(self) -> dict[str, Any]:
        document = self._make()
        self._complete(document)
        return document


def _complete(document: dict[str, Any], token_url: str, scopes: Mapping[str, str]) -> None:
    """`scopes` maps names to descriptions, the read scope first."""
    components = document.setdefault("components", {})
    flow = {"tokenUrl": token_url, "scopes": dict(scopes)}
    components["securitySchemes"] = {
        "oauth2": {"type": "oauth2", "flows": {"clientCredentials": flow}}
    }
    _drop_validation_errors(document)
    name_schemas(document)
    document["servers"] = list(_SERVERS)
    document["tags"] = _tags(document)
    _restore_limits(document)
    examples = _Examples(components["schemas"])
    read, write = scopes
    for path, method, operation in _operations(document):
        if path.startswith("/v1/"):
            operation["security"] = [{"oauth2": [read if method == "get" else write]}]
            operation.setdefault("parameters", []).extend(_REQUEST_HEADERS)
            if method == "get":  # A read cannot meet a concurrent change.
                operation["responses"].pop("409", None)
        for response in operation["responses"].values():
            response.setdefault("headers", {})["X-Correlation-Id"] = _RESPONSE_HEADER
        _drop_null(operation)
        _describe_body(operation, components["schemas"])
        examples.add(path, method, operation)


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """Invalid values are answered with 400, in the envelope."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for _, _, operation in _operations(document):
        operation["responses"].pop("422", None)


def _tags(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """Those in use: on AWS each system has a document of its own."""
    in_use = {tag for _, _, operation in _operations(document) for tag in operation["tags"]}
    return [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in in_use]


def _drop_null(operation: Mapping[str, Any]) -> None:
    """Optional parameters and bodies may be omitted, not null: generators would make null a type
    of its own.
    """
    media = operation.get("requestBody", {}).get("content", {}).values()
    for holder in (*operation.get("parameters", ()), *media):
        schema = holder["schema"]
        if "anyOf" not in schema:
            continue
        kinds = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
        schema.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def _describe_body(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    body = operation.get("requestBody", {})
    for media in body.get("content", {}).values():
        schema = _kinds(media["schema"])[0]
        model = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
        if text := model.get("description"):
            body["description"] = text


def _restore_limits(value: Any) -> None:
    """Turns limits back into integers: as the framework's floats, 64-bit ones are rounded up."""
    if isinstance(value, dict):
        for name in ("minimum", "maximum"):
            if isinstance(limit := value.get(name), float) and limit.is_integer():
                value[name] = max(-_HIGHEST - 1, min(_HIGHEST, int(limit)))
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            _restore_limits(child)


class _Examples:
    """Builds whole examples from those of the fields."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def add(self, path: str, method: str, operation: dict[str, Any]) -> None:
        for parameter in operation.get("parameters", []):
            if "example" not in parameter:
                parameter["example"] = self._parameter_example(parameter)
                path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        for media in operation.get("requestBody", {}).get("content", {}).values():
            self._add_example(media, {})
        request_line = {"path": path, "method": method.upper()}
        for response in operation["responses"].values():
            if response["description"] == "Successful Response":
                response["description"] = "Success"
            for media in response.get("content", {}).values():
                self._add_example(media, request_line if path.startswith("/v1/") else {})

    def _parameter_example(self, parameter: dict[str, Any]) -> Any:
        examples: dict[str, Any] = parameter.pop("examples", {})
        first = next((example["value"] for example in examples.values()), None)
        return first or self._of(parameter["schema"])

    def _add_example(self, media: dict[str, Any], request_line: dict[str, str]) -> None:
        if "example" in media:
            media["example"] = _with_request(media["example"], request_line)
            return
        kinds = [kind for kind in _kinds(media.get("schema", {})) if kind.get("type") != "null"]
        values = [self._of(kind) for kind in kinds]
        if len(values) == 1:
            media["example"] = _with_request(values[0], request_line)
            return
        names = (kind.get("$ref", "").rpartition("/")[2].strip("_") for kind in kinds)
        media["examples"] = {
            name: {"value": _with_request(value, request_line)}
            for name, value in zip(names, values, strict=True)
        }

    def _of(self, schema: Mapping[str, Any]) -> Any:
        if examples := schema.get("examples", schema.get("enum")):
            return examples[0]
        if "$ref" in schema:
            return self._of(self._schemas[schema["$ref"].rpartition("/")[2]])
        if kinds := schema.get("anyOf"):
            return self._of(kinds[0])
        if schema["type"] == "object":
            return self._object(schema)
        if schema["type"] == "array":
            return [self._of(schema["items"])]
        return _ID if schema["type"] == "integer" else "text"

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Required fields, and those with an example."""
        required = schema.get("required", ())
        return {
            name: self._of(field)
            for name, field in schema.get("properties", {}).items()
            if name in required or "examples" in field
        }


def _kinds(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    variants: list[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return variants


def _with_request(example: Any, request_line: dict[str, str]) -> Any:
    """Fills path and method of an envelope's example."""
    return (
        {**example, **request_line} if isinstance(example, dict) and "path" in example else example
    )
