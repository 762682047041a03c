"""The CPU that a request costs `seil serve`, its far ends and its callers in other processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.measure import process, say, with_bytecode
from benchmarks.report import aligned
from seil.api.edge.gate import scopes_of
from seil.sandbox.issuer.issuer import Issuer

_TICK = os.sysconf("SC_CLK_TCK")
_MANY = 10_000_000
_CALLERS = 16
_WARM_UP = 50
_PATHS = {
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
issuer = "{issuer}"
rate = {rate}
"""


@dataclass(frozen=True)
class _Server:
    url: str
    token: str
    process_id: int

    def milliseconds(self, path: str, requests: int) -> float:
        """Of its CPU, for each of so many requests."""
        before = self._used()
        asyncio.run(self._called(path, requests))
        return (self._used() - before) * 1000 / requests

    async def _called(self, path: str, requests: int) -> None:
        left = iter(range(requests))
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(self.url, headers=headers) as session:

            async def caller() -> None:
                for _ in left:
                    async with session.get(path) as answer:
                        if answer.status != 200:
                            raise SystemExit(f"{path}: {await answer.text()}")
                        await answer.read()

            await asyncio.gather(*(caller() for _ in range(_CALLERS)))

    def _used(self) -> float:
        """User and system time so far, in seconds: proc(5), fields 14 and 15 of stat."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def cpu_table(folder: Path, *, requests: int, rounds: int) -> str:
    found: dict[str, list[float]] = {name: [] for name in _PATHS}
    with process("benchmarks.api_stand_ins", str(folder)) as line:
        far_ends = json.loads(line)
        with _issuer(folder) as issuer, _served(folder, far_ends, issuer) as server:
            paths = {name: path.format(**far_ends) for name, path in _PATHS.items()}
            for path in paths.values():
                server.milliseconds(path, _WARM_UP)
            for _ in range(rounds):
                for name, path in paths.items():
                    found[name].append(server.milliseconds(path, requests))
    # The machine is not as quick in one minute as in the next: each round has its own reference.
    least = found["/healthz"]
    lines = [
        (
            name,
            f"{median(costs):.2f}",
            f"{median(cost / one for cost, one in zip(costs, least, strict=True)):.1f} x",
        )
        for name, costs in found.items()
    ]
    for name, cost, ratio in lines:
        say(f"  {name}: {cost} ms of CPU, {ratio}")
    told = f"CPU of `seil serve` for a request of {_CALLERS} callers, the median of {rounds} rounds"
    return f"{told}:\n\n{aligned([('request', 'ms of CPU', 'against /healthz'), *lines])}"


@contextmanager
def _served(folder: Path, far_ends: Mapping[str, Any], issuer: Issuer) -> Iterator[_Server]:
    config = folder / "seil.toml"
    config.write_text(_CONFIG.format(folder=folder, rate=_MANY, issuer=issuer.url, **far_ends))
    seil = [sys.executable, "-m", "seil", "--config", str(config)]
    with (
        (folder / "serve.log").open("w") as log,
        subprocess.Popen(
            [*seil, "serve", "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=with_bytecode(),
        ) as running,
    ):
        try:
            line = running.stdout.readline() if running.stdout else ""
            url = str(json.loads(line)["url"])
            token = issuer.token("bench", frozenset(scopes_of("seil", "dev")))
            yield _Server(url, token, running.pid)
        finally:
            running.terminate()


@contextmanager
def _issuer(folder: Path) -> Iterator[Issuer]:
    """Its JWKS is served until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(folder / "issuer", f"http://127.0.0.1:{server.server_port}", {})
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
