from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Seil
from tests.limits import HANGS, until

from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import FILE_NAME, OrgStore
from seil.sandbox.techone.server import TechOneServer

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def org(home: Path, generated: Path) -> Path:
    state = home / "org"
    state.mkdir()
    (state / FILE_NAME).write_bytes((generated / FILE_NAME).read_bytes())
    return state


@contextmanager
def _interrupted_after(visit: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C for the command run inside, once the visit is over."""

    def run() -> None:
        try:
            visit()
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=run)
    visitor.start()
    yield
    visitor.join()


def _answer(url: str) -> httpx.Response:
    def ask() -> httpx.Response | None:
        with suppress(httpx.ConnectError):
            return httpx.get(f"{url}/services/data", timeout=HANGS)
        return None

    return until(ask)


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_first_start_makes_an_org_and_a_signal_stops_it(
    home: Path, seil_process: Callable[..., subprocess.Popen[str]]
) -> None:
    arguments = ("sandbox", "salesforce", "--state", "org", "--orders", "1", "--port", "0")
    with seil_process(*arguments, "--json", "--as-of", "2026-01-31") as process:
        assert process.stdout
        answer = json.loads(process.stdout.readline())
        assert (answer["made"], answer["state"], answer["client_id"]) == (
            True,
            "org",
            "seil-sandbox",
        )
        assert (home / answer["jwt_key"]).exists()
        assert _answer(answer["url"]).status_code == 200
        process.terminate()
        rest, _ = process.communicate(timeout=HANGS)
    assert (process.returncode, rest) == (0, "")
    with OrgStore.open(home / "org") as store:
        assert store.setting("as_of") == "2026-01-31"


def test_later_starts_serve_what_is_there(seil: Seil, org: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with _interrupted_after(lambda: _answer(url)):
        ran = seil("sandbox", "salesforce", "--state", str(org), "--port", str(port))
    assert ran.code == 0
    first, point, client, last = ran.out.splitlines()
    assert first == f"The stand-in org in {org} listens at {url}; Ctrl-C stops it."
    assert point == f'Point SEIL at it in seil.toml: [salesforce] login_url = "{url}"'
    assert client == (
        f"Client seil-sandbox, user integration@sandbox.example; for JWT: {org / 'jwt.key'}."
    )
    assert "has stopped" in last


def test_options_reach_the_org(seil: Seil, org: Path) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    seen: dict[str, Any] = {}

    def visit() -> None:
        _answer(url)
        form = {
            "grant_type": "client_credentials",
            "client_id": "seil-sandbox",
            "client_secret": "sandbox-secret",
        }
        token = httpx.post(f"{url}/services/oauth2/token", data=form, timeout=HANGS).json()[
            "access_token"
        ]
        headers = {"Authorization": f"Bearer {token}"}
        limits = httpx.get(f"{url}/services/data/v62.0/limits", headers=headers, timeout=HANGS)
        seen["info"] = limits.headers["Sforce-Limit-Info"]
        seen["faults"] = httpx.get(f"{url}/sandbox/faults", timeout=HANGS).json()

    with _interrupted_after(visit):
        ran = seil(
            *("sandbox", "salesforce", "--state", str(org), "--port", str(port)),
            *("--daily-requests", "40", "--app-name", "app"),
            *("--fault", "path=/results,status=503", "--fault", '{"path": "/x", "cut": 3}'),
        )
    assert ran.code == 0
    assert seen["info"] == "api-usage=1/40; per-app-api-usage=1/2(appName=app)"
    assert [fault["path"] for fault in seen["faults"]] == ["/results", "/x"]


def test_an_org_cut_short_is_made_anew_with_objects_of_ones_own(seil: Seil, home: Path) -> None:
    OrgStore.create(home / "org", unfinished=True).close()
    described = home / "Tiny__c.json"
    fields = [{"name": "Id", "type": "id", "nillable": False, "length": 18}]
    described.write_text(json.dumps({"name": "Tiny__c", "label": "Tiny", "fields": fields}))
    port = _free_port()
    with _interrupted_after(lambda: _answer(f"http://127.0.0.1:{port}")):
        ran = seil(
            *("sandbox", "salesforce", "--state", "org", "--port", str(port), "--orders", "1"),
            *("--object", f"{described}:7", "--quiet"),
        )
    assert ran.code == 0
    with OrgStore.open(home / "org") as store:
        (count,) = store.cursor().execute('SELECT count(*) FROM main."Tiny__c"').fetchall()[0]
    assert count == 7


def test_wrong_faults_and_keys_are_named_all_at_once(seil: Seil, home: Path) -> None:
    arguments = ("sandbox", "salesforce", "--fault", "foo=1", "--fault", "nonsense")
    ran = seil(*arguments)
    assert ran.code == 2
    assert "--fault foo=1: foo: is unknown" in ran.err
    assert "--fault nonsense: no fault is called nonsense: `seil sandbox faults`" in ran.err
    (home / "key.pem").write_text("nonsense")
    ran = seil("sandbox", "salesforce", "--public-key", "key.pem")
    assert ran.code == 2
    assert "key.pem: is no PEM public key or certificate" in ran.err
    assert not (home / "seil-data").exists()


def test_a_port_in_use_is_one_clear_line(seil: Seil, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ran = seil("sandbox", "salesforce", "--port", str(port))
    assert ran.code == 2
    assert f"127.0.0.1:{port}: the port is already in use" in ran.err
    assert not (home / "seil-data").exists()


def test_tick_of_a_folder_and_of_a_server(seil: Seil, org: Path) -> None:
    ran = seil("sandbox", "tick", "--url", NOBODY, "--state", str(org), "--share", "0.5", "--json")
    assert ran.code == 0
    assert ran.json["changes"]["OrderItem"]["changed"] > 0
    with OrgServer(org) as server:
        ran = seil("sandbox", "tick", "--url", server.url, "--share", "0.5")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == [
        *("changed", "added", "deleted", "undeleted", "hard_deleted", "object")
    ]
    assert "OrderItem" in ran.out


def test_tick_of_nobody(seil: Seil, home: Path) -> None:
    ran = seil("sandbox", "tick", "--url", NOBODY)
    assert ran.code == 2
    assert "there is no stand-in org here" in ran.err


def test_tick_of_somebody_else(seil: Seil, org: Path) -> None:
    with OrgServer(org) as server:
        ran = seil("sandbox", "tick", "--url", f"{server.url}/services")
    assert ran.code == 2
    assert "no stand-in org answers here" in ran.err
    with socket.create_server(("127.0.0.1", 0)) as mute:
        hangs_up = threading.Thread(target=_hang_up, args=(mute,))
        hangs_up.start()
        ran = seil("sandbox", "tick", "--url", f"http://127.0.0.1:{mute.getsockname()[1]}")
        hangs_up.join()
    assert ran.code == 3
    assert "The stand-in org at http://127.0.0.1" in ran.err


def test_reset_removes_the_org_and_nothing_else(seil: Seil, org: Path) -> None:
    with OrgServer(org):
        refused = seil("sandbox", "reset", "--state", str(org), "--yes")
    assert refused.code == 3
    (org / "notes.txt").write_text("mine")
    assert seil("sandbox", "reset", "--state", str(org)).code == 1  # not confirmed
    assert (org / FILE_NAME).exists()
    ran = seil("sandbox", "reset", "--state", str(org), "--yes")
    assert (ran.code, ran.out) == (0, f"Removed the org in {org}.\n")
    assert [path.name for path in org.iterdir()] == ["notes.txt"]
    again = seil("sandbox", "reset", "--state", str(org), "--yes", "--json")
    assert again.code == 2


def test_reset_as_json(seil: Seil, org: Path) -> None:
    ran = seil("sandbox", "reset", "--state", str(org), "-y", "--json")
    assert ran.json == {"schema": "seil.sandbox-reset/1", "removed": str(org), "error": None}


@pytest.mark.parametrize("name", ["salesforce", "admanager", "techone"])
def test_faults_are_listed_as_a_running_stand_in_lists_them(
    seil: Seil, home: Path, org: Path, name: str
) -> None:
    command = json.loads(seil("sandbox", "faults", name, "--json").out)["faults"]
    makers = {"salesforce": OrgServer, "admanager": AdManagerServer, "techone": TechOneServer}
    with makers[name](org if name == "salesforce" else home / name) as running:
        kinds = httpx.get(f"{running.url}/sandbox/faults/kinds", timeout=HANGS).json()
    assert command == {name: kinds}
    printed = seil("sandbox", "faults").out
    assert all(fault in printed for fault in kinds)
