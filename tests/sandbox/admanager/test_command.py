"""`seil sandbox admanager` as a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.limits import HANGS
from typer.testing import CliRunner

from seil.cli.app import app


def _command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "seil", "sandbox", "admanager", "--state", str(folder), *options]


def test_command_serves_until_it_is_stopped(folder: Path) -> None:
    command = _command(folder, "--json", "--port", "0", "--network-code", "42", "--fault", "quota")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        summary = httpx.get(f"{answer['url']}/sandbox/summary", timeout=HANGS).json()
        refused = httpx.get(f"{answer['url']}/v1/networks/42/orders", timeout=HANGS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANGS) == 0
    assert (answer["network_code"], summary["network"]) == ("42", "42")
    assert Path(answer["service_account_key"]).exists()
    assert refused.status_code == 429


@pytest.mark.parametrize("options", [("--network-code", "12a"), ("--fault", "no-such-thing")])
def test_wrong_option_is_refused_before_anything_is_created(
    tmp_path: Path, options: tuple[str, str]
) -> None:
    command = ["sandbox", "admanager", "--state", str(tmp_path / "new"), *options]
    refused = CliRunner().invoke(app, command, prog_name="seil")
    assert refused.exit_code == 2
    assert options[1] in refused.stderr
    assert not (tmp_path / "new").exists()
