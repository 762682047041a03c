"""Other people's clients of the Pub/Sub API, unmodified."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.rest_writes import write

from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions
from seil.sandbox.salesforce.server import OrgServer

_ROOT = Path(__file__).parents[3]
_ACME = "0015g0000000001AAA"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param("aiosfpubsub", {}, marks=pytest.mark.matrix, id="aiosfpubsub"),
        pytest.param("pysfpubsub", {"published": 8}, id="pysfpubsub"),
        pytest.param("sfprotostash", {"replay": 8}, marks=pytest.mark.matrix, id="sfprotostash"),
    ],
)
def test_client_receives_a_change(name: str, more: dict[str, Any], folder: Path) -> None:
    with OrgServer(folder, options=OrgOptions(pubsub=PubSubOptions())) as server:
        write(server.url, "PATCH", f"Account/{_ACME}", {"Name": "Changed"})
        seen = _run(name, server)
    (changed,) = seen.pop("changed")
    # Fields 1 and 15 of the schema: Name and LastModifiedDate.
    assert changed == ["0x8002"]
    assert seen == {
        "schema": True,
        "ids": [[_ACME]],
        "types": ["UPDATE"],
        "names": ["Changed"],
        **more,
    }


def _run(name: str, server: OrgServer) -> dict[str, Any]:
    python = _ROOT / ".venv-clients" / "bin" / "python"
    assert python.exists(), "run `make install` first"
    ran = subprocess.run(
        [python, _ROOT / "tests" / "clients" / f"{name}_client.py"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(server.folder),
            "NO_PROXY": "127.0.0.1",
            "ORG_URL": server.url,
            "PUBSUB": server.pubsub_address,
            "PUBSUB_TLS": server.pubsub_tls_address,
            "PUBSUB_CA": str(server.pubsub_ca),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen
