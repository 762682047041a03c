"""The events of HTTP: what Mangum leaves to us of API Gateways, load balancers, function URLs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["is_balanced", "is_http", "readable", "split_path"]

_DEFAULT_STAGE = "$default"
# Paths that answer without a token, beside the routes.
_OPEN = ("/healthz", "/readyz", "/openapi.json")
_HOST = re.compile(r"[^:]*(:\d{1,5})?")

HttpEvent = Mapping[str, Any]


def is_http(event: Any) -> bool:
    """Payloads 2.0 and 1.0 of an HTTP API, a REST API, a load balancer, a function URL."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    if not isinstance(context, Mapping):
        return False
    return "http" in context or "elb" in context or isinstance(event.get("httpMethod"), str)


def is_balanced(event: HttpEvent) -> bool:
    return "elb" in event["requestContext"]


def readable(event: HttpEvent) -> dict[str, Any]:
    """Without a Host that Mangum cannot take apart, an IPv6 address for instance.

    A load balancer hands on what callers send; nothing of ours asks for it.
    """
    return {
        **event,
        **{
            name: {key: value for key, value in event[name].items() if not _strange(key, value)}
            for name in ("headers", "multiValueHeaders")
            if event.get(name)
        },
    }


def _strange(name: str, value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return name.lower() == "host" and not all(_HOST.fullmatch(str(one)) for one in values)


def split_path(event: HttpEvent, path: str, routes: str) -> tuple[str, str]:
    """What callers put before the path, and the path; `routes` begins every route of ours.

    A path has the stage before it, or the base path of a custom domain, or neither. The same event
    may say a stage that its path does not have, and a stage may be called as our routes begin.
    """
    if not path.startswith(f"{routes}/"):
        for prefix in _prefixes(event, path, routes):
            if path.startswith(f"{prefix}/"):
                return prefix, path.removeprefix(prefix)
    return _before(str(event["requestContext"].get("path", "")), path), path


def _before(whole: str, path: str) -> str:
    """Payload 1.0 has the path as it was called beside the one without the stage."""
    return whole.removesuffix(path) if whole.endswith(path) else ""


def _prefixes(event: HttpEvent, path: str, routes: str) -> Iterator[str]:
    resource = _resource(event)
    if resource and (mapped := _before(path, resource)):
        yield mapped
    stage = event["requestContext"].get("stage")
    if isinstance(stage, str) and stage and stage != _DEFAULT_STAGE:
        yield f"/{stage}"
    # A $default route says nothing of the path: the base path is what stands before one of ours.
    if _has_custom_domain(event["requestContext"]):
        before, separator, _ = path.partition(f"{routes}/")
        if separator:
            yield before
        yield from (path.removesuffix(one) for one in _OPEN if path.endswith(one))


def _has_custom_domain(context: Mapping[str, Any]) -> bool:
    """The name of an API's own domain begins with its id."""
    domain = context.get("domainName")
    return isinstance(domain, str) and not domain.startswith(f"{context.get('apiId')}.")


def _resource(event: HttpEvent) -> str:
    """The path as the API's own route has it, with its parameters filled in."""
    route = event.get("resource") or str(event.get("routeKey", "")).partition(" ")[2]
    if not isinstance(route, str) or not route.startswith("/"):
        return ""
    for name, value in (event.get("pathParameters") or {}).items():
        text = unquote(str(value))
        route = route.replace(f"{{{name}+}}", text).replace(f"{{{name}}}", text)
    return route
