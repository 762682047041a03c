"""A server that is killed in the middle of a booking."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.api.contract.booking import faults, new_order
from tests.api.contract.issuers import Issuer
from tests.api.deployments import StandIns
from tests.limits import HANGS

CONFIG = """
[admanager]
endpoint = "{url}"
service_account_key = "file:{key_file}"
[api]
state = "{folder}/api"
issuer = "{issuer}"
"""


@contextmanager
def _serving(config: Path, token: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    command = [sys.executable, "-m", "seil", "--config", str(config)]
    command += ["serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            url = json.loads(server.stdout.readline())["url"]
            with httpx.Client(base_url=url, timeout=HANGS) as client:
                client.headers["Authorization"] = f"Bearer {token}"
                yield server, client
        finally:
            server.kill()


def test_an_order_in_the_making_of_a_server_that_was_killed_is_not_known(
    far_ends: StandIns, tmp_path: Path, issuer: Issuer
) -> None:
    config = tmp_path / "seil.toml"
    order, key = new_order(), {"Idempotency-Key": str(uuid.uuid4())}

    def post(client: httpx.Client) -> httpx.Response:
        return client.post("/v1/gam/order", json={"orders": [order]}, headers=key)

    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config.write_text(
            CONFIG.format(folder=tmp_path, url=url, key_file=far_ends.key_file, issuer=issuer.url)
        )
        with _serving(config, issuer.token()) as (server, client):
            broken = pool.submit(post, client)
            with silent.accept()[0] as connection:
                assert connection.recv(1)
                assert faults(post(client)) == (409, ["EC40902"])
                server.kill()
                assert isinstance(broken.exception(), httpx.TransportError)
        with _serving(config, issuer.token()) as (_, client):
            assert faults(post(client)) == (409, ["EC40903"])
