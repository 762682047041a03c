"""OpenTelemetry spans of the API; nearly free without a configured collector."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

__all__ = ["client_span", "name_by_route", "server_span"]

_tracer = trace.get_tracer("seil.api")
_NO_SPAN = nullcontext(trace.INVALID_SPAN)
_FIELDS = tuple(propagate.get_global_textmap().fields)
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)


def server_span(method: str, headers: Mapping[str, str]) -> AbstractContextManager[trace.Span]:
    """The span of a request, in the trace that its headers name; see `name_by_route`."""
    in_trace = any(field in headers for field in _FIELDS)
    return _span(_name(method), SpanKind.SERVER, propagate.extract(headers) if in_trace else None)


def name_by_route(span: trace.Span, method: str, route: str, *, path: str, status: int) -> None:
    """Names a server span by its route, which is known after routing; `route` may be "".

    Span names need low cardinality: a path has an id, and methods and paths may be made up:
    https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
    """
    if not span.is_recording():
        return
    is_standard = method in _METHODS
    attributes: dict[str, str | int] = {
        "http.request.method": method if is_standard else "_OTHER",
        "http.response.status_code": status,
        "url.path": path,
    }
    if not is_standard:
        attributes["http.request.method_original"] = method
    if route:
        attributes["http.route"] = route
        span.update_name(f"{_name(method)} {route}")
    span.set_attributes(attributes)


def _name(method: str) -> str:
    return method if method in _METHODS else "HTTP"


def client_span(name: str) -> AbstractContextManager[trace.Span]:
    """The span of an outgoing call. It propagates the caller's trace even if none is recorded."""
    return _span(name, SpanKind.CLIENT, None)


def _span(name: str, kind: SpanKind, context: Context | None) -> AbstractContextManager[trace.Span]:
    span = _tracer.start_span(name, context, kind)
    # Invalid: neither recorded nor part of a caller's trace.
    return trace.use_span(span, end_on_exit=True) if span.get_span_context().is_valid else _NO_SPAN
