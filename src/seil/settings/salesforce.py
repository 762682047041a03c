"""The org, and its events."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from seil.durations import Duration
from seil.ports import SANDBOX_PORT
from seil.secret import Secret
from seil.settings.section import EndpointUrl, NameList, NonEmptyPath, OptionalPath, Section


class SalesforceSettings(Section):
    """The org. The defaults are those of the stand-in: `seil sandbox salesforce`."""

    login_url: EndpointUrl = Field(
        f"http://127.0.0.1:{SANDBOX_PORT}",
        description="Your My Domain, a sandbox's too: https://YOUR-DOMAIN.my.salesforce.com.",
    )
    auth: Literal["jwt", "client_credentials", "refresh_token"] = Field(
        "client_credentials", description="How SEIL logs in: the OAuth 2.0 flow."
    )
    client_id: str = Field(
        "seil-sandbox", description="The consumer key of the External Client App, or connected app."
    )
    client_secret: Secret | None = Field(
        Secret("plain:sandbox-secret"),
        description="The consumer secret, for client_credentials and refresh_token.",
    )
    username: str = Field("", description="The integration user, for jwt.")
    private_key: Secret | None = Field(None, description="The PEM private key, for jwt.")
    refresh_token: Secret | None = Field(
        None, description="The refresh token, for refresh_token: `seil login` gets one."
    )
    token_file: NonEmptyPath = Field(
        Path("seil-data/salesforce-token.json"),
        description="File of a refresh token that the org rotated, readable by you alone.",
    )
    audience: EndpointUrl = Field(
        "", description="aud of the jwt assertion; default: login_url, else login or test."
    )
    api_version: str = Field("66.0", pattern=r"^\d{2}\.\d$", description="REST API version.")
    timeout: Duration = Field(
        timedelta(minutes=2), description="Timeout while a connection is silent."
    )
    attempts: int = Field(5, ge=1, description="Attempts per call, the first included.")
    max_wait: Duration = Field(
        timedelta(minutes=5), description="Longest wait between two attempts, Retry-After included."
    )
    reserve: int = Field(
        10,
        ge=0,
        le=100,
        description="Percent of the org's daily API calls to leave for other clients.",
    )
    gzip: bool | None = Field(
        None, description="Request compressed responses; default: yes, but not on loopback."
    )


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
    platform_events: NameList = Field(
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
