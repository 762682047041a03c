"""A stand-in org's options: credentials, quotas, delays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from seil.sandbox.base.clock import utc_now
from seil.sandbox.salesforce.record_ids import ORG_ID

Audience = Literal["any", "my_domain", "login"]


@dataclass(frozen=True)
class Credentials:
    """One connected app, one integration user: published, and valid for stand-ins only."""

    client_id: str = "seil-sandbox"
    client_secret: str = "sandbox-secret"  # noqa: S105  (documented, good for the stand-in only)
    username: str = "integration@sandbox.example"
    password: str = "sandbox-password"  # noqa: S105  (likewise)
    security_token: str = "sandbox-token"  # noqa: S105  (likewise)
    refresh_token: str = "sandbox-refresh-token"  # noqa: S105  (likewise)


@dataclass(frozen=True)
class Quotas:
    """What an org may use in 24 hours, counted from midnight UTC."""

    api_requests: int = 100_000
    bulk_requests: int = 15_000
    query_jobs: int = 10_000
    query_result_mb: int = 976_562
    ingest_records: int = 150_000_000
    delivered_events: int = 50_000


@dataclass(frozen=True)
class PubSubOptions:
    """Of the Pub/Sub API; port 0 takes a free one. `keepalive` is in seconds, as `idle_close`: how
    long a stream stays open that wants no event. `objects` have change events; none: all.
    """

    port: int = 0
    tls_port: int = 0
    keepalive: float = 270.0
    idle_close: float = 60.0
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrgOptions:
    """`token_lifetime`, `job_delay` (between two states of a job) and `cursor_lifetime` in seconds.

    `public_key` verifies JWT logins (PEM public key or certificate); default: the pair that the
    state folder holds. `org_id` is that of the login; a refreshed sandbox has a new one.
    `audience` is the form of a JWT's aud that is taken: the address it is served at, or that of
    login and test. `app_name` adds the per-app part to Sforce-Limit-Info. `result_page_rows` is
    the size of a bulk result page when the client names none. `clock` gives the Date of answers;
    records are stamped with the time of day.
    """

    credentials: Credentials = Credentials()
    quotas: Quotas = Quotas()
    token_lifetime: float = 7200.0
    rotate_refresh_tokens: bool = False
    user_approved: bool = True
    audience: Audience = "any"
    org_id: str = ORG_ID
    public_key: Path | None = None
    app_name: str = ""
    job_delay: float = 0.0
    query_page_rows: int = 2_000
    result_page_rows: int = 100_000
    cursor_lifetime: float = 2 * 24 * 3600.0
    job_lifetime: float = 7 * 24 * 3600.0
    tls: bool = False
    pubsub: PubSubOptions | None = None
    clock: Callable[[], datetime] = utc_now
