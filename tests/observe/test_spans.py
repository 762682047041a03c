"""Each in a process of its own: there is one tracer provider in each."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""
CODE = """
import json, sys
from opentelemetry import propagate
from seil.observe.spans import client_span, server_span
with server_span("GET /", json.loads(sys.argv[1])) as outer, client_span("call") as inner:
    carrier = {}
    propagate.inject(carrier)
    print(json.dumps({
        "recorded": [outer.is_recording(), inner.is_recording()],
        "handed on": carrier.get("traceparent", ""),
    }))
"""


def exported_span(headers: dict[str, str], *, before: str = "") -> dict[str, Any]:
    command = [sys.executable, "-c", before + CODE, json.dumps(headers)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    span: dict[str, Any] = json.loads(output)
    return span


@pytest.mark.parametrize(
    ("headers", "handed_on"), [({}, ""), ({"traceparent": PARENT}, PARENT)], ids=["none", "parent"]
)
def test_callers_trace_is_handed_on_where_nothing_is_recorded(
    headers: dict[str, str], handed_on: str
) -> None:
    assert exported_span(headers) == {"recorded": [False, False], "handed on": handed_on}


def test_spans_are_recorded_for_requests_without_a_trace_too() -> None:
    span = exported_span({}, before=PROVIDER)

    assert span["recorded"] == [True, True]
    assert span["handed on"]
