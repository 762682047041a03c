"""Exports OpenTelemetry spans to a collector, if one is configured."""

from __future__ import annotations

from collections.abc import Callable

from seil.settings import TraceSettings

__all__ = ["configure"]


def configure(settings: TraceSettings) -> Callable[[], None]:
    """Exports spans over OTLP/HTTP; the returned function flushes and stops.

    Without an endpoint nothing is recorded, and the SDK is not imported. The collector may be
    AWS's, which forwards spans to X-Ray.
    """
    if not settings.endpoint:
        return lambda: None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: settings.service}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
    )
    exporter = OTLPSpanExporter(f"{settings.endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown
