"""The HTTP API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from seil.durations import Duration
from seil.ports import API_PORT
from seil.secret import Secret
from seil.settings.section import EndpointUrl, NameList, NonEmptyPath, Section, split_pairs

System = Annotated[str, Field(pattern="^(gam|techone)$")]


class ApiSettings(Section):
    """The HTTP API: `seil serve`."""

    host: str = Field("127.0.0.1", description="The address to listen at.")
    port: int = Field(API_PORT, ge=0, le=65535, description="The port; 0: any that is free.")
    issuer: EndpointUrl = Field(
        "",
        description="The tokens' issuer, such as a Cognito user pool; `seil serve --sandbox` has a "
        "stand-in.",
    )
    token_url: EndpointUrl = Field(
        "",
        description="Its token endpoint, for the OpenAPI document; set it for Cognito. Default: "
        "<issuer>/oauth2/token.",
    )
    contact: str = Field(
        "",
        description="The contact in the OpenAPI document: an e-mail address, or the URL of a page.",
    )
    jwks_url: EndpointUrl = Field(
        "", description="The issuer's key set; default: <issuer>/.well-known/jwks.json."
    )
    clients: NameList = Field(
        (), description="Client ids that may call; default: every client of the issuer."
    )
    audience: str = Field(
        "", description="aud that a token must have; default: none, as Cognito's have none."
    )
    keys_age: Duration = Field(
        timedelta(hours=1), description="Age at which the key set is fetched again."
    )
    client_id: str = Field("seil-demo", description="The stand-in issuer's client.")
    client_secret: Secret = Field(
        Secret("plain:demo-secret"), description="Its secret. Outside the local profile: your own."
    )
    token_lifetime: Duration = Field(
        timedelta(hours=1), description="Lifetime of the stand-in issuer's tokens."
    )
    token_rate: int = Field(
        120,
        ge=1,
        description="Token requests a minute at the stand-in issuer, per client and per address.",
    )
    token_failures: int = Field(
        10,
        ge=1,
        description="Wrong secrets a minute there, per client and address.",
    )
    state: NonEmptyPath = Field(
        Path("seil-data/api"),
        description="Folder of the Idempotency-Keys, and of what `seil serve --sandbox` keeps.",
    )
    body_limit: int = Field(1 << 20, ge=1024, description="Longest request body, in bytes.")
    timeout: Duration = Field(timedelta(seconds=29), description="Timeout of a request.")
    service_timeout: Duration = Field(
        timedelta(seconds=25), description="Timeout of a service; shorter than `timeout`."
    )
    rate: int = Field(600, ge=1, description="Requests a minute, per caller.")
    workers: int = Field(40, ge=1, description="Calls to a downstream system at once.")
    connections: int | None = Field(
        None,
        ge=1,
        description="Connections at once; default: what `ulimit -n` allows beside calls and files, "
        "10000 at most.",
    )
    breaker_failures: int = Field(
        5, ge=1, description="Failures in a row after which a downstream system is not called."
    )
    breaker_pause: Duration = Field(
        timedelta(seconds=30), description="How long it is not called then."
    )
    idempotency_age: Duration = Field(
        timedelta(hours=24),
        ge=timedelta(minutes=5),  # A key has to outlast its call.
        description="How long an Idempotency-Key is kept: five minutes at least.",
    )
    functions: Annotated[dict[System, str], BeforeValidator(split_pairs)] = Field(
        {},
        description="On AWS: each system's client function, its name or ARN; in the variable "
        "`gam=<name>,techone=<name>`.",
    )
    requests_table: str = Field(
        "", description="On AWS: the DynamoDB table of the Idempotency-Keys."
    )
