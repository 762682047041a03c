"""Traces and logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seil.settings.section import EndpointUrl, Section


class TraceSettings(Section):
    """OpenTelemetry."""

    endpoint: EndpointUrl = Field(
        "", description="An OTLP/HTTP collector, http://127.0.0.1:4318; default: no traces."
    )
    service: str = Field("seil", description="service.name of the spans.")
    sample: float = Field(1.0, ge=0, le=1, description="Share of traces that are kept.")


class LogSettings(Section):
    """What is logged, to stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity. Commands that only read log warnings and errors alone."
    )
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto: text on a terminal, json elsewhere."
    )
