"""`seil start` with the subscriber and billing, between an org and TechOne."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Seil
from tests.limits import HANGS, until
from tests.rest_writes import write
from tests.sandbox.salesforce.conftest import fill
from tests.sf_to_dw.events.conftest import ACME, CATALOG, is_settled, streaming_objects

from seil.app.site import open_site
from seil.sandbox.salesforce.blueprint import traits
from seil.sandbox.salesforce.generator import packaged_object
from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.techone.server import TechOneServer

SETTINGS = """
[start]
always = ["subscribe"]
every = {{sf-to-t1 = "1h"}}
[salesforce]
login_url = "{org}"
[extract]
poll = 0.05
[subscribe]
endpoint = "http://{pubsub}"
platform_events = ["BillingExtractReady__e"]
collect = 0.05
[techone]
warehouse_url = "{techone}"
[sf_to_t1]
table = "Invoices"
quiet = "0s"
pause = "0s"
"""
NAME = f"SELECT name FROM salesforce.account WHERE id = '{ACME}'"
LINES = "InvoiceNumber,Amount\nINV-1,10.50\nINV-1,10.50\nINV-2,7\n"


@pytest.fixture
def org(home: Path) -> Iterator[OrgServer]:
    objects = {entry.name: entry for entry in streaming_objects()}
    for name in ("Integration_Job__c", "ContentVersion"):
        objects[name] = packaged_object(traits()[name])
    with OrgStore.create(home / "org", list(objects.values())) as store:
        fill(store)
    options = OrgOptions(pubsub=PubSubOptions(keepalive=0.2))
    with OrgServer(home / "org", options=options) as server:
        yield server


@pytest.fixture
def techone(home: Path) -> Iterator[TechOneServer]:
    with TechOneServer(home / "techone") as server:
        yield server


@contextmanager
def reading(process: subprocess.Popen[str]) -> Iterator[list[dict[str, Any]]]:
    """Its lines so far, which are read all the time; at its end it has stopped as it should."""
    lines: list[dict[str, Any]] = []
    with process:
        assert process.stdout
        stdout = process.stdout
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, stdout)))
        reader.start()
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            reader.join()
            assert process.stderr
            error = process.stderr.read()
    assert (process.returncode, "Traceback" in error) == (143, False), error


def test_events_start_billing_and_bring_changed_records(
    org: OrgServer,
    techone: TechOneServer,
    home: Path,
    seil: Seil,
    seil_process: Callable[..., subprocess.Popen[str]],
) -> None:
    addresses = {"org": org.url, "pubsub": org.pubsub_address, "techone": techone.warehouse_url}
    (home / "seil.toml").write_text(SETTINGS.format(**addresses))
    (home / "objects.toml").write_text(CATALOG)
    started = seil_process("start", "--json", "--quiet")
    with reading(started) as lines, open_site(Path("seil.toml")) as site:
        until(lambda: has(lines, "sf-to-t1", "success", "0 files"))
        until(lambda: is_settled(site.state, topics=2))
        extract = httpx.post(
            f"{org.url}/sandbox/billing-extract", json={"contents": [LINES]}, timeout=HANGS
        )
        write(org.url, "PATCH", f"Account/{ACME}", {"Name": "On the event"})
        job = f"Integration_Job__c/{extract.json()['job_id']}"
        until(lambda: write(org.url, "GET", job)["Status__c"] == "Received by TechOne")
        until(lambda: has(lines, "subscribe", "working", "1 events, 1 rows"))
    table = {"warehouse": "SALESFORCE", "table": "Invoices"}
    rows = httpx.get(f"{techone.url}/control/rows", params=table, timeout=HANGS).json()
    assert Counter(tuple(row.values()) for row in rows) == {
        ("INV-1", "10.50"): 2,
        ("INV-2", "7"): 1,
    }
    assert "On the event" in seil("query", NAME).out
    assert {line.get("state") for line in lines}.isdisjoint({"failed", "incomplete"})


def has(lines: list[dict[str, Any]], *values: str) -> bool:
    """Whether one is of this job, state and message."""
    return any((e.get("job"), e.get("state"), e.get("message")) == values for e in lines)
