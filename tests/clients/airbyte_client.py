"""https://pypi.org/project/airbyte-source-salesforce/, run as its command is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import scenario

_CONFIG = {
    "client_id": scenario.CLIENT_ID,
    "client_secret": scenario.CLIENT_SECRET,
    "refresh_token": scenario.REFRESH_TOKEN,
    "is_sandbox": False,
    "auth_type": "Client",
    "start_date": "2020-01-01T00:00:00Z",
}


def _run(*arguments: str) -> list[dict[str, Any]]:
    command = Path(sys.executable).with_name("source-salesforce")
    ran = subprocess.run([command, *arguments], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    config, catalog = folder / "config.json", folder / "catalog.json"
    config.write_text(json.dumps(_CONFIG))
    streams = _run("discover", "--config", str(config))
    (discovered,) = (message["catalog"] for message in streams if message["type"] == "CATALOG")
    streams_ = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        for stream in discovered["streams"]
        if stream["name"] == "Account"
    ]
    catalog.write_text(json.dumps({"streams": streams_}))
    messages = _run("read", "--config", str(config), "--catalog", str(catalog))
    records = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    scenario.Observations(
        names=[record["Name"] for record in records],
        created="",
        changed="",
        left=len(records),
        more={"amounts": [record.get("Amount__c") for record in records]},
    ).tell()


main()
