"""Google Ad Manager."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from seil.durations import Duration
from seil.ports import ADMANAGER_PORT
from seil.secret import Secret
from seil.settings.section import EndpointUrl, NonEmptyPath, Section, TimeZone


class AdManagerSettings(Section):
    """Google Ad Manager. The defaults are those of the stand-in: `seil sandbox admanager`."""

    network_code: str = Field("1234567", pattern=r"^\d+$", description="The network's code.")
    endpoint: EndpointUrl = Field(
        f"http://127.0.0.1:{ADMANAGER_PORT}",
        description="The REST API; Google's is https://admanager.googleapis.com.",
    )
    soap_endpoint: EndpointUrl = Field(
        f"http://127.0.0.1:{ADMANAGER_PORT}",
        description="The SOAP API, for proposals; Google's is https://ads.google.com.",
    )
    soap_version: str = Field("v202608", pattern=r"^v\d{6}$", description="The SOAP version.")
    application_name: str = Field("SEIL", description="This client's name in Ad Manager's logs.")
    service_account_key: Secret = Field(
        Secret("file:seil-data/sandbox/admanager/service-account.json"),
        description="The service account's JSON key; the stand-in writes one to the default.",
    )
    time_zone: TimeZone = Field(
        "Australia/Sydney", description="The network's time zone: date-times are returned in it."
    )
    timeout: Duration = Field(timedelta(seconds=20), description="Timeout of a call.")
    attempts: int = Field(
        3,
        ge=1,
        description="Attempts per idempotent call, and per change that meets a concurrent one.",
    )
    wsdl_cache: NonEmptyPath = Field(
        Path("seil-data/cache/wsdl"), description="The cache of SOAP's interface descriptions."
    )
    wsdl_age: Duration = Field(
        timedelta(days=7), description="Age at which they are refreshed, in the background."
    )
