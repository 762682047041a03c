"""The events of HTTP that a function can be given, as AWS's documentation shows them.

HTTP API: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
REST API: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
Load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
Function URL: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

Event = dict[str, Any]
Query = Iterable[tuple[str, str]]

_HOST = {"host": "api.example.com", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
_TARGET = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/t/6d0ecf831eec9f09"


def http_api(
    method: str,
    path: str,
    *,
    query: Query = (),
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    stage: str = "$default",
    route: str = "$default",
) -> Event:
    """Payload 2.0: the path decoded, the query as it came; headers given again in one, joined."""
    domain = "id.execute-api.ap-southeast-2.amazonaws.com"
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": urlencode(list(query), quote_via=quote),
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {**_HOST, **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": domain,
            "domainPrefix": "id",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": route,
            "stage": stage,
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        **_encoded(body),
    }


def on_domain(make: Callable[..., Event], base: str, method: str, path: str, **more: Any) -> Event:
    """As a custom domain hands it on that maps the base path to a stage: the path has the base."""
    event = make(method, f"{base}{path}", **more)
    event["requestContext"] |= {"domainName": "api.example.com", "domainPrefix": "api"}
    return event


def function_url(method: str, path: str, **options: Any) -> Event:
    """Payload 2.0 with the path as it came."""
    event = http_api(method, quote(path), **options)
    event["requestContext"]["domainName"] = "id.lambda-url.ap-southeast-2.on.aws"
    return event


def http_api_1(
    method: str,
    path: str,
    *,
    query: Query = (),
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    stage: str = "$default",
    resource: str = "$default",
    parameters: Mapping[str, str] | None = None,
) -> Event:
    """Payload 1.0: everything decoded, once as single values and once as lists."""
    every = {**_HOST, **(headers or {})}
    lists: dict[str, list[str]] = {}
    for name, value in query:
        lists.setdefault(name, []).append(value)
    return {
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": every,
        "multiValueHeaders": {name: [value] for name, value in every.items()},
        "queryStringParameters": {name: values[-1] for name, values in lists.items()} or None,
        "multiValueQueryStringParameters": lists or None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "authorizer": {"claims": None, "scopes": None},
            "domainName": "id.execute-api.ap-southeast-2.amazonaws.com",
            "domainPrefix": "id",
            "extendedRequestId": "request-id",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "agent"},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "id=",
            "resourceId": None,
            "resourcePath": resource,
            "stage": stage,
        },
        "pathParameters": parameters,
        "stageVariables": None,
        **_encoded(body),
    }


def rest_api(method: str, path: str, *, stage: str = "dev", **options: Any) -> Event:
    """No version; `path` without the stage, which `requestContext.path` has."""
    names = {"resource": "/{proxy+}", "parameters": {"proxy": path.lstrip("/")}}
    event = http_api_1(method, path, stage=stage, **{**names, **options})
    del event["version"]
    event["requestContext"]["path"] = f"/{stage}{path}"
    return event


def alb(
    method: str,
    path: str,
    *,
    query: Query = (),
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Event:
    """A load balancer decodes nothing; a body that is text comes as it is."""
    return {
        "requestContext": {"elb": {"targetGroupArn": _TARGET}},
        "httpMethod": method,
        "path": quote(path),
        "queryStringParameters": {name: quote(value, safe="") for name, value in query},
        "headers": {**_HOST, "x-forwarded-for": "192.0.2.1", **(headers or {})},
        "body": (body or b"").decode(),
        "isBase64Encoded": False,
    }


def alb_lists(method: str, path: str, *, query: Query = (), **options: Any) -> Event:
    """With multi-value headers on: lists, and none of the single values."""
    event = alb(method, path, **options)
    del event["queryStringParameters"]
    event["multiValueHeaders"] = {name: [value] for name, value in event.pop("headers").items()}
    lists: dict[str, list[str]] = {}
    for name, value in query:
        lists.setdefault(name, []).append(quote(value, safe=""))
    event["multiValueQueryStringParameters"] = lists
    return event


def _encoded(body: bytes | None) -> Event:
    if body is None:
        return {"isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
