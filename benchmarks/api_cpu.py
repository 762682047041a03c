"""The CPU that a request costs `seil serve`, its far ends in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks.measure import process, say, with_bytecode
from benchmarks.report import aligned

_TICK = os.sysconf("SC_CLK_TCK")
_MANY = 10_000_000
_CALLS = {
    "/healthz": "/healthz",
    "TechOne's rate": "/v1/techone/foreign-exchange-rate/aud-usd",
    "TechOne's credit": "/v1/techone/debtor/D10042/remaining-credit-limit",
    "an Ad Manager order": "/v1/gam/order/{order}",
}
_CONFIG = """
[admanager]
endpoint = "{admanager}"
soap_endpoint = "{admanager}"
network_code = "{network_code}"
service_account_key = "file:{key_file}"
wsdl_cache = "{folder}/wsdl"
[techone]
base_url = "{techone}"
token_url = "{techone}/oauth2/token"
[api]
state = "{folder}/api"
rate = {rate}
"""


@dataclass(frozen=True)
class _Server:
    client: httpx.Client
    process_id: int

    def milliseconds(self, path: str, requests: int) -> float:
        """Of its CPU, for each of so many requests, one after the other."""
        before = self._used()
        for _ in range(requests):
            answer = self.client.get(path)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answered {answer.status_code}: {answer.text}")
        return (self._used() - before) * 1000 / requests

    def _used(self) -> float:
        """User and system time so far, in seconds: proc(5), fields 14 and 15 of stat."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def cpu_table(folder: Path, *, requests: int, rounds: int) -> str:
    with (
        process("benchmarks.api_stand_ins", str(folder)) as far_ends,
        _served(folder, json.loads(far_ends)) as server,
    ):
        known = json.loads(far_ends)
        paths = {name: path.format(**known) for name, path in _CALLS.items()}
        for path in paths.values():
            server.milliseconds(path, 20)
        found: dict[str, list[float]] = {name: [] for name in paths}
        for _ in range(rounds):
            for name, path in paths.items():
                found[name].append(server.milliseconds(path, requests))
    least = median(found["/healthz"])
    lines = [
        (name, f"{median(all_):.2f}", f"{median(all_) / least:.1f} x")
        for name, all_ in found.items()
    ]
    for line in lines:
        say(f"  {line[0]}: {line[1]} ms of CPU, {line[2]} /healthz")
    told = (
        f"CPU of `seil serve` for a request; the median of {rounds} rounds of {requests} requests"
    )
    return f"{told}:\n\n{aligned([('request', 'ms of CPU', '/healthz'), *lines])}"


@contextmanager
def _served(folder: Path, far_ends: dict[str, str]) -> Iterator[_Server]:
    config = folder / "seil.toml"
    config.write_text(_CONFIG.format(folder=folder, rate=_MANY, **far_ends))
    command = [
        sys.executable,
        "-m",
        "seil",
        "--config",
        str(config),
        "serve",
        "--port",
        "0",
        "--json",
    ]
    with (
        (folder / "serve.log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=with_bytecode()
        ) as running,
    ):
        try:
            assert running.stdout
            url = json.loads(running.stdout.readline())["url"]
            with httpx.Client(base_url=url, timeout=60) as client:
                grant = {"grant_type": "client_credentials"}
                own = ("seil-demo", "demo-secret")
                token = client.post("/oauth2/token", data=grant, auth=own).json()["access_token"]
                client.headers["Authorization"] = f"Bearer {token}"
                yield _Server(client, running.pid)
        finally:
            running.terminate()
