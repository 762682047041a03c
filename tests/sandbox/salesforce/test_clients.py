"""Other people's clients, unmodified, each in a process of the environment that they share.

They insist on HTTPS and on Salesforce's addresses: a proxy leads those to the stand-in, whose
certificate they are told to trust.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.sandbox.salesforce.proxy import proxy_to

from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer

_ROOT = Path(__file__).parents[3]
_SCRIPTS = _ROOT / "tests" / "clients"
MORE = pytest.mark.matrix
_NAMES = ["Acme", "ACME north", "Zoë & Co_", "O'Brien 100%"]


@dataclass
class Clients:
    server: OrgServer
    proxy: str

    def run(self, name: str, *, environment: str = ".venv-clients") -> dict[str, Any]:
        python = _ROOT / environment / "bin" / "python"
        assert python.exists(), "run `make install` first"
        certificate = str(self.server.folder / "tls.crt")
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.server.folder),
            "HTTPS_PROXY": self.proxy,
            "https_proxy": self.proxy,
            "SSL_CERT_FILE": certificate,
            "REQUESTS_CA_BUNDLE": certificate,
        }
        ran = subprocess.run(
            [python, _SCRIPTS / f"{name}_client.py"],
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        seen: dict[str, Any] = json.loads(ran.stdout)
        return seen


@pytest.fixture
def clients(folder: Path) -> Iterator[Clients]:
    hosts = ("127.0.0.1", "acme.my.salesforce.com", "login.salesforce.com", "test.salesforce.com")
    for name, pem in zip(("tls.crt", "tls.key"), self_signed(*hosts), strict=True):
        (folder / name).write_bytes(pem)
    with ExitStack() as stack:
        options = OrgOptions(tls=True, query_page_rows=2)
        server = stack.enter_context(OrgServer(folder, options=options))
        yield Clients(server, stack.enter_context(proxy_to(server.host, server.port)))


@pytest.mark.parametrize(
    ("name", "remaining", "more"),
    [
        pytest.param(
            "aio_sf",
            4,
            {"created by upsert": False, "token's end is known": True},
            marks=MORE,
            id="aio-sf",
        ),
        pytest.param(
            "aiosalesforce", 6, {"created by upsert": False, "bulk": 2}, id="aiosalesforce"
        ),
        pytest.param("forcepy", 4, {"limits": True}, marks=MORE, id="forcepy"),
        pytest.param(
            "kinetic_core",
            4,
            {"bulk": 4, "fields": True},
            marks=MORE,
            id="kinetic-core",
        ),
        pytest.param("salesforce_api", 4, {"bulk": 2}, marks=MORE, id="salesforce-api"),
        pytest.param("salesforcepy", 4, {"fields": True}, id="salesforcepy"),
        pytest.param("salesforcerestapi", 6, {"bulk": 2}, marks=MORE, id="salesforcerestapi"),
        pytest.param(
            "sf_toolkit",
            4,
            {"user": "uma@sandbox.example"},
            marks=MORE,
            id="sf-toolkit",
        ),
    ],
)
def test_a_client_reads_and_writes(
    clients: Clients, name: str, remaining: int, more: dict[str, Any]
) -> None:
    seen = clients.run(name)
    assert seen["names"] == _NAMES
    assert len(seen["created"]) == 18
    assert seen["changed"] == "Changed"
    assert (seen["left"], seen["more"]) == (remaining, more)


def test_singers_tap_reads_a_whole_object(clients: Clients) -> None:
    seen = clients.run("tap_salesforce")
    assert seen["names"] == [*_NAMES, "Gone"]
    assert seen["more"] == {"deleted": 1}


@pytest.mark.matrix
def test_sfq_batches_queries(clients: Clients) -> None:
    seen = clients.run("sfq")
    assert seen["names"] == _NAMES
    assert seen["left"] == 3
    assert seen["more"] == {"contacts": 3, "deleted": 1, "prefix": "Account"}


@pytest.mark.matrix
def test_airbyte_reads_a_whole_object_in_bulk(clients: Clients) -> None:
    seen = clients.run("airbyte", environment=".venv-airbyte")
    assert seen["names"] == [*_NAMES, "Gone"]
    assert seen["more"] == {"amounts": [100.5, 0.01, None, -5.0, 7.0]}
