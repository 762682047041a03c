"""What a handler does around its own work."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from seil.aws.client import Client
from seil.aws.runtime import flush_traces


def test_spans_are_sent_before_the_function_freezes(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(sent, schedule_delay_millis=60_000))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with provider.get_tracer("t").start_as_current_span("work"):
        pass
    assert not sent.get_finished_spans()
    Client("gam", lambda _settings: pytest.fail("not reached"))({}, None)
    assert [span.name for span in sent.get_finished_spans()] == ["work"]
    provider.shutdown()


def test_without_traces_there_is_nothing_to_send() -> None:
    flush_traces(None)
