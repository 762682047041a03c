"""https://pypi.org/project/tap-salesforce/, Singer's tap, run as its command is."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import scenario
import tap_salesforce


def _run(*arguments: str) -> list[dict[str, Any]]:
    sys.argv = ["tap-salesforce", *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tap_salesforce.main()
    return [json.loads(line) for line in printed.getvalue().splitlines() if line.strip()]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "client_id": scenario.CLIENT_ID,
                "client_secret": scenario.CLIENT_SECRET,
                "refresh_token": scenario.REFRESH_TOKEN,
                "start_date": "2020-01-01T00:00:00Z",
                "api_type": "REST",
                "select_fields_by_default": True,
            }
        )
    )
    printed = io.StringIO()
    sys.argv = ["tap-salesforce", "--config", str(config), "--discover"]
    with contextlib.redirect_stdout(printed):
        tap_salesforce.main()
    catalog = json.loads(printed.getvalue())
    catalog["streams"] = [s for s in catalog["streams"] if s["stream"] == "Account"]
    for entry in catalog["streams"][0]["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"]["selected"] = True
    (folder / "catalog.json").write_text(json.dumps(catalog))
    messages = _run("--config", str(config), "--properties", str(folder / "catalog.json"))
    records = [m["record"] for m in messages if m["type"] == "RECORD"]
    scenario.Observations(
        names=[record["Name"] for record in records],
        created="",
        changed="",
        left=len(records),
        more={"deleted": sum(bool(record["IsDeleted"]) for record in records)},
    ).tell()


main()
