"""The API's spans: free of charge while nobody records any."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from opentelemetry import propagate, trace

__all__ = ["client_span", "server_span"]

_tracer = trace.get_tracer("seil.api")
_NONE = nullcontext(trace.INVALID_SPAN)
_PARENT = "traceparent"


def server_span(name: str, headers: Mapping[str, str]) -> AbstractContextManager[trace.Span]:
    """Of a request with these headers, in its caller's trace."""
    if _PARENT not in headers and not _recorded():
        return _NONE
    context = propagate.extract(headers)
    return _tracer.start_as_current_span(name, context=context, kind=trace.SpanKind.SERVER)


def client_span(name: str) -> AbstractContextManager[trace.Span]:
    """Of a call out. It carries the caller's trace on where nothing is recorded here."""
    if not trace.get_current_span().get_span_context().is_valid and not _recorded():
        return _NONE
    return _tracer.start_as_current_span(name, kind=trace.SpanKind.CLIENT)


def _recorded() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
