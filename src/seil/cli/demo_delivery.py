"""The demo's way back: a stand-in Ad Manager delivers a line of the org, which hears of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from seil.cli.output import line
from seil.errors import UnavailableError

if TYPE_CHECKING:
    from seil.app.syncs import GamToSfResult

_NETWORK = """
[admanager]
endpoint = "{url}"
soap_endpoint = "{url}"
service_account_key = "file:network/service-account.json"

# The stand-in has no rate limit. The demo has no proposals, whose API takes seconds to load.
[gam_to_sf]
calls_per_second = 1000
proposal_id_field = ""
"""
_ORDER = 3_900_000_001
_CLIENT = {
    "grant_type": "client_credentials",
    "client_id": "seil-sandbox",
    "client_secret": "sandbox-secret",
}


@dataclass(frozen=True)
class DeliveredLine:
    """Of one ad server line on one day."""

    ad_server_line: str
    day: date


@contextmanager
def ad_manager(folder: Path, config: Path) -> Iterator[str]:
    """A stand-in Ad Manager in a process of its own, which `config` names; its URL."""
    command = [sys.executable, "-m", "seil", "sandbox", "admanager", "--json", "--port", "0"]
    with subprocess.Popen(
        [*command, "--report-polls", "0", "--state", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            announcement = process.stdout.readline() if process.stdout else ""
            if not announcement:
                raise UnavailableError("The stand-in network", f"ended with {process.wait()}")
            url: str = json.loads(announcement)["url"]
            config.write_text(config.read_text() + _NETWORK.format(url=url))
            yield url
        finally:
            process.terminate()


def deliver(network: str, org: str, ad_server_line: str) -> DeliveredLine:
    """Books the line in the network, and makes the org's usage record of yesterday."""
    import httpx

    from seil.sandbox.admanager.clock import ZONE

    day = datetime.now(UTC).astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)
    booked = {"id": _ORDER, "line_items": [int(ad_server_line)]}
    usage = {"GAM_LineItemID__c": ad_server_line, "Usage_Date__c": day.isoformat()}
    with httpx.Client(timeout=60, trust_env=False) as client:
        client.post(f"{network}/sandbox/bookings", json={"orders": [booked]}).raise_for_status()
        token = client.post(f"{org}/services/oauth2/token", data=_CLIENT).json()["access_token"]
        client.post(
            f"{org}/services/data/v66.0/sobjects/Usage__c",
            json=usage,
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()
    return DeliveredLine(ad_server_line, day)


def say(result: GamToSfResult, delivery: DeliveredLine, seconds: float) -> None:
    written = sum(step.states["written"] for step in result.steps if step.object)
    calls = sum(result.calls.values())
    line(f"\nAd Manager has delivered line {delivery.ad_server_line} on {delivery.day}:")
    line(f"{written:,} records of the org say so now, {calls:,} calls, {seconds:.1f} s.")
    for step in result.steps:
        if step.problem:
            line(f"{step.name}: {step.problem}", style="red")
