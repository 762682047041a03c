"""Salesforce's events."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from seil.durations import Duration
from seil.settings.section import EndpointUrl, Names, OptionalPath, Section


class SubscribeSettings(Section):
    """Salesforce's events: `seil subscribe`."""

    endpoint: EndpointUrl = Field(
        "",
        description="https://host:port of the Pub/Sub API, http:// without TLS; default: "
        "Salesforce's own, or the stand-in's where login_url is on this machine.",
    )
    ca: OptionalPath = Field(
        None, description="A PEM certificate to trust; default: those that gRPC brings."
    )
    platform_events: Names = Field(
        (), description="Platform events to receive, such as BillingExtractReady__e."
    )
    collect: Duration = Field(
        timedelta(seconds=1), description="How long changes are collected before they are read."
    )
    silence: Duration = Field(
        timedelta(minutes=5),
        description="A stream without a sign of life is opened again; Salesforce sends one every "
        "270 seconds.",
    )
    max_wait: Duration = Field(
        timedelta(minutes=2), description="Longest wait before the next attempt."
    )
