"""HTTP events of API Gateways, load balancers and function URLs: what Mangum does not handle.

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

__all__ = ["drop_bad_host", "is_balanced", "is_http", "split_path"]

_DEFAULT_STAGE = "$default"
# Paths beside the routes that need no token.
_OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json")
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


def drop_bad_host(event: HttpEvent) -> dict[str, Any]:
    """Without a Host header that Mangum cannot parse, such as an IPv6 address.

    A load balancer forwards whatever callers send; no code here reads Host.
    """
    return {
        **event,
        **{
            name: {key: value for key, value in event[name].items() if not _is_bad_host(key, value)}
            for name in ("headers", "multiValueHeaders")
            if event.get(name)
        },
    }


def _is_bad_host(name: str, value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return name.lower() == "host" and not all(_HOST.fullmatch(str(host)) for host in values)


def split_path(event: HttpEvent, path: str, routes: str) -> tuple[str, str]:
    """(prefix, path); `routes` is the common start of the API's own routes.

    The prefix is the stage, a custom domain's base path, or empty. An event may name a stage that
    its path does not have, and a stage may have the name that the routes start with.
    """
    if not path.startswith(f"{routes}/"):
        for prefix in _prefixes(event, path, routes):
            if path.startswith(f"{prefix}/"):
                return prefix, path.removeprefix(prefix)
    return _prefix_of(str(event["requestContext"].get("path", "")), path), path


def _prefix_of(full_path: str, path: str) -> str:
    """What precedes `path` in `full_path`: payload 1.0 has it with and without the stage."""
    return full_path.removesuffix(path) if full_path.endswith(path) else ""


def _prefixes(event: HttpEvent, path: str, routes: str) -> Iterator[str]:
    resource = _resource(event)
    if resource and (mapped := _prefix_of(path, resource)):
        yield mapped
    stage = event["requestContext"].get("stage")
    if isinstance(stage, str) and stage and stage != _DEFAULT_STAGE:
        yield f"/{stage}"
    # A $default route does not name the path: the base path is what precedes a known route.
    if _has_custom_domain(event["requestContext"]):
        before, separator, _ = path.partition(f"{routes}/")
        if separator:
            yield before
        yield from (path.removesuffix(suffix) for suffix in _OPEN_PATHS if path.endswith(suffix))


def _has_custom_domain(context: Mapping[str, Any]) -> bool:
    """API Gateway's own domain names start with the API's id."""
    domain = context.get("domainName")
    return isinstance(domain, str) and not domain.startswith(f"{context.get('apiId')}.")


def _resource(event: HttpEvent) -> str:
    """The API's route with its path parameters substituted."""
    route = event.get("resource") or str(event.get("routeKey", "")).partition(" ")[2]
    if not isinstance(route, str) or not route.startswith("/"):
        return ""
    for name, value in (event.get("pathParameters") or {}).items():
        text = unquote(str(value))
        route = route.replace(f"{{{name}+}}", text).replace(f"{{{name}}}", text)
    return route
