"""What is served on this machine: `seil serve`, `seil sandbox`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seil.app.documents.base import JsonDocument


@dataclass(frozen=True)
class ServeDocument(JsonDocument, schema="seil.serve/1", command="seil serve, one line"):
    url: str
    issuer: str


@dataclass(frozen=True)
class SalesforceSandboxDocument(
    JsonDocument, schema="seil.sandbox-salesforce/1", command="seil sandbox salesforce, one line"
):
    url: str
    state: str
    made: bool
    client_id: str
    username: str
    jwt_key: str
    pubsub: str
    pubsub_tls: str
    pubsub_ca: str


@dataclass(frozen=True)
class AdManagerSandboxDocument(
    JsonDocument, schema="seil.sandbox-admanager/1", command="seil sandbox admanager, one line"
):
    url: str
    state: str
    network_code: str
    service_account_key: str


@dataclass(frozen=True)
class TechOneSandboxDocument(
    JsonDocument, schema="seil.sandbox-techone/1", command="seil sandbox techone, one line"
):
    url: str
    token_url: str
    warehouse: str
    state: str
    client_id: str


@dataclass(frozen=True)
class SandboxTickDocument(JsonDocument, schema="seil.sandbox-tick/1", command="seil sandbox tick"):
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class SandboxFaultsDocument(
    JsonDocument, schema="seil.sandbox-faults/1", command="seil sandbox faults"
):
    faults: Mapping[str, Any]


@dataclass(frozen=True)
class SandboxResetDocument(
    JsonDocument, schema="seil.sandbox-reset/1", command="seil sandbox reset"
):
    removed: str
