"""The API's spans: next to free of charge while nobody records any."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

__all__ = ["client_span", "server_span"]

_tracer = trace.get_tracer("seil.api")
_NONE = nullcontext(trace.INVALID_SPAN)
_FIELDS = tuple(propagate.get_global_textmap().fields)


def server_span(name: str, headers: Mapping[str, str]) -> AbstractContextManager[trace.Span]:
    """Of a request with these headers, in its caller's trace."""
    told = any(field in headers for field in _FIELDS)
    return _span(name, SpanKind.SERVER, propagate.extract(headers) if told else None)


def client_span(name: str) -> AbstractContextManager[trace.Span]:
    """Of a call out. It carries the caller's trace on where nothing is recorded here."""
    return _span(name, SpanKind.CLIENT, None)


def _span(name: str, kind: SpanKind, context: Context | None) -> AbstractContextManager[trace.Span]:
    span = _tracer.start_span(name, context, kind)
    # Without a recorder and without a trace to carry on there is nothing to make the current one.
    return trace.use_span(span, end_on_exit=True) if span.get_span_context().is_valid else _NONE
