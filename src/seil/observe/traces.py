"""OpenTelemetry spans, sent to a collector where one is set."""

from __future__ import annotations

from collections.abc import Callable

from seil.settings import TraceSettings

__all__ = ["configure"]


def configure(settings: TraceSettings) -> Callable[[], None]:
    """Sends spans over OTLP/HTTP from now on; what it returns sends the rest and stops.

    Without an endpoint nothing is recorded, and the SDK is not even imported. The collector may be
    AWS's own, which hands spans on to X-Ray.
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
