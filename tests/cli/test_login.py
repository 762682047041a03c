"""`seil login` as a person without a browser on this machine uses it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS

from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def org(home: Path) -> Iterator[OrgServer]:
    OrgStore.create(home / "org", [SObject.of("Thing__c", [SField.of("Id", "id")])]).close()
    with OrgServer(home / "org", options=OrgOptions(rotate_refresh_tokens=True)) as server:
        (home / "seil.toml").write_text(f'[salesforce]\nlogin_url = "{server.url}"\n')
        yield server


def address(process: subprocess.Popen[str]) -> str:
    """What it prints to be opened."""
    assert process.stderr
    return next(line.strip() for line in process.stderr if line.startswith("http"))


def test_token_is_kept_and_the_settings_to_make_are_printed(
    org: OrgServer, home: Path, seil_process: Start, seil: Callable[..., Any], unused_port: int
) -> None:
    process = seil_process("login", "--no-browser", "--port", str(unused_port))
    assert httpx.get(address(process), follow_redirects=True, timeout=HANGS).status_code == 200
    out, err = process.communicate(timeout=HANGS)
    assert process.returncode == 0, err
    token = home / "seil-data" / "refresh-token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() not in out + err
    settings = out.partition("Set in seil.toml:")[2].partition("Next:")[0]
    (home / "seil.toml").write_text(settings)
    for _ in range(2):  # Each call is a process of its own to the token, which rotates.
        assert seil("org").code == 0


def test_settings_as_json(org: OrgServer, seil_process: Start, unused_port: int) -> None:
    process = seil_process("login", "--no-browser", "--json", "--port", str(unused_port))
    httpx.get(address(process), follow_redirects=True, timeout=HANGS)
    out, _ = process.communicate(timeout=HANGS)
    assert json.loads(out)["settings"]["auth"] == "refresh_token"


def test_interrupted(org: OrgServer, home: Path, seil_process: Start, unused_port: int) -> None:
    process = seil_process("login", "--no-browser", "--port", str(unused_port))
    address(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (home / "seil-data" / "refresh-token").exists()
