"""From a change in the org to the tables, by Salesforce's events: no other run is under way."""

from __future__ import annotations

import argparse
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from statistics import quantiles
from typing import TYPE_CHECKING

import httpx

from benchmarks.command import run_alone
from benchmarks.measure import process, say
from benchmarks.report import aligned, publish

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.sf_to_dw.subscriber import BatchOutcome

_AIM = 5.0
_LONGEST = 300.0
_LOGIN = {
    "grant_type": "client_credentials",
    "client_id": "seil-sandbox",
    "client_secret": "sandbox-secret",
}
_CONFIG = """
[salesforce]
login_url = "{url}"
[subscribe]
endpoint = "http://{pubsub}"
"""
_CATALOG = """
[defaults.flow]
lag = "0s"
[objects.Account.flow]
streams = true
[objects.Order.flow]
streams = true
"""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=2000, help="the size of the demo's org")
    parser.add_argument("--events", type=int, default=30)


def run(args: argparse.Namespace) -> None:
    from seil.app.site import open_site
    from seil.app.steps import run as run_once

    say("events")
    folder = args.work / "events"
    folder.mkdir()
    arguments = ["sandbox", "salesforce", "--pubsub", "--json", "--port", "0"]
    arguments += ["--pubsub-port", "0", "--pubsub-tls-port", "0"]
    arguments += ["--state", str(folder / "org"), "--orders", str(args.orders)]
    with process("seil", *arguments) as line:
        org = json.loads(line)
        (folder / "seil.toml").write_text(_CONFIG.format(**org))
        (folder / "objects.toml").write_text(_CATALOG)
        with open_site(folder / "seil.toml") as site:
            run_once(site)
            lines: list[tuple[str, ...]] = [("a changed", "events", "p50", "p95", "most", "aim")]
            with _subscribing(site) as outcomes:
                for name, field in (("Account", "Name"), ("Order", "Description")):
                    seconds = _latencies(org["url"], (name, field), args.events, outcomes)
                    lines.append(_line(name, seconds))
    shutil.rmtree(folder)
    body = (
        "Seconds from the answer to the change until the tables are built and the readers' copy is"
        " published; `collect` is a second of it. One change after the other, full org loaded.\n\n"
    )
    publish("events", body + aligned(lines), write=args.write)


def _line(name: str, seconds: list[float]) -> tuple[str, ...]:
    cuts = quantiles(seconds, n=20)
    half, most = cuts[9], cuts[18]
    aim = "met" if most < _AIM else "MISSED"
    return (
        name,
        str(len(seconds)),
        f"{half:.2f} s",
        f"{most:.2f} s",
        f"{max(seconds):.2f} s",
        f"{_AIM:g} s: {aim}",
    )


@contextmanager
def _subscribing(site: Site) -> Iterator[Queue[BatchOutcome]]:
    """Each batch's outcome, once every stream is open and no object has a gap."""
    from seil.app.subscribe import subscriber

    outcomes: Queue[BatchOutcome] = Queue()
    running = subscriber(site, outcomes.put)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        until = time.monotonic() + _LONGEST
        while time.monotonic() < until and not _is_settled(site):
            time.sleep(0.1)
        while not outcomes.empty():
            outcomes.get()
        yield outcomes
    finally:
        running.stop.set()
        thread.join()


def _is_settled(site: Site) -> bool:
    positions = site.state.streams.all().values()
    return len(positions) == 2 and not any(position.gap for position in positions)


def _latencies(
    url: str, place: tuple[str, str], events: int, outcomes: Queue[BatchOutcome]
) -> list[float]:
    """One after the other. `place` is the object and the field that is changed."""
    name, field = place
    seconds = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        token = client.post("/services/oauth2/token", data=_LOGIN).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        data = "/services/data/v66.0"
        soql = f"SELECT Id FROM {name} LIMIT {events}"
        records = client.get(f"{data}/query", params={"q": soql}).json()["records"]
        for number, record in enumerate(records):
            path = f"{data}/sobjects/{name}/{record['Id']}"
            client.patch(path, json={field: f"Changed {number}"}).raise_for_status()
            begun = time.monotonic()
            outcomes.get(timeout=_LONGEST)
            seconds.append(time.monotonic() - begun)
    return seconds


if __name__ == "__main__":
    run_alone(options, run)
