from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import ssl
import threading
from pathlib import Path

import httpx
import pytest
from tests.limits import HANGS, until
from tests.sandbox.salesforce.conftest import Org, login

from seil.errors import ConfigurationError, ConflictError
from seil.sandbox.base.listening import check_address, serve
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer


def test_a_generated_org_is_served_whole(generated: Path, tmp_path: Path) -> None:
    """Every described field of every object can be read in bulk, and every row comes."""
    folder = tmp_path / "org"
    shutil.copytree(generated, folder)
    with OrgServer(folder) as server:
        org = Org.of(server)
        counts = httpx.get(f"{server.url}/sandbox/summary", timeout=HANGS).json()["objects"]
        for name, count in counts.items():
            described = org.http.get(f"/sobjects/{name}/describe").json()["fields"]
            names = [f["name"] for f in described if f["type"] not in ("address", "base64")]
            text = org.csv(f"SELECT {', '.join(names)} FROM {name}", operation="queryAll")
            head, *rows = csv.reader(io.StringIO(text, ""))
            assert head == names
            assert len(rows) == count["live"] + count["deleted"], name
        org.http.close()


def test_time_passes_in_a_generated_org(generated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "org"
    shutil.copytree(generated, folder)
    with OrgServer(folder) as server:
        org = Org.of(server)
        wishes = {"share": 0.2, "seed": 3, "now": "2027-01-01T00:00:00Z"}
        changes = httpx.post(f"{server.url}/sandbox/tick", json=wishes, timeout=HANGS).json()
        assert changes["OrderItem"]["changed"] > 0
        assert "moved" not in changes["OrderItem"]
        since = "SystemModstamp >= 2027-01-01T00:00:00Z"
        items = org.query(f"SELECT Id FROM OrderItem WHERE {since}", deleted_too=True)
        counts = changes["OrderItem"]
        assert len(items) == sum(counts.values()) - counts["hard_deleted"]
        created = org.http.post("/sobjects/Targeting__c", json={}).json()
        (record,) = org.query(
            f"SELECT SystemModstamp FROM Targeting__c WHERE Id = '{created['id']}'"
        )
        assert record["SystemModstamp"] >= "2027-01-01T00:00:00.000+0000"
        org.http.close()


def test_one_folder_one_server(folder: Path) -> None:
    with OrgServer(folder), pytest.raises(ConflictError, match="already open"):
        OrgServer(folder).start()


def test_no_org_no_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no stand-in org here"):
        OrgServer(tmp_path).start()


def test_a_port_in_use_is_named(folder: Path, shared: Org, tmp_path: Path) -> None:
    port = shared.server.port
    with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}: .*already in use"):
        OrgServer(folder, port=port).start()
    with pytest.raises(ConfigurationError, match=r"already in use .*name another --port"):
        check_address("127.0.0.1", port)
    with pytest.raises(ConfigurationError, match="name an IPv4 address of this machine as --host"):
        check_address("192.0.2.1", 0)
    with OrgServer(folder) as server:  # the folder was let go of
        check_address("127.0.0.1", 0)
        assert login(server)["access_token"]


def test_start_and_stop_twice(folder: Path) -> None:
    server = OrgServer(folder)
    server.stop()
    server.start()
    with pytest.raises(RuntimeError, match="already running"):
        server.start()
    server.stop()
    server.stop()
    server.start()
    assert login(server)["access_token"]
    server.stop()


def test_a_state_file_that_is_no_database(folder: Path) -> None:
    (folder / "service.sqlite").write_text("nonsense " * 100)
    with pytest.raises(ConfigurationError, match=r"service\.sqlite"):
        OrgServer(folder).start()
    (folder / "service.sqlite").unlink()
    with OrgServer(folder) as server:
        assert login(server)["access_token"]


def test_tls_with_its_own_certificate(folder: Path) -> None:
    with OrgServer(folder, host="localhost", options=OrgOptions(tls=True)) as server:
        assert server.url.startswith("https://localhost:")
        trusted = ssl.create_default_context(cafile=str(folder / "tls.crt"))
        versions = httpx.get(f"{server.url}/services/data", verify=trusted, timeout=HANGS)
        assert versions.status_code == 200
        form = {
            "grant_type": "client_credentials",
            "client_id": "seil-sandbox",
            "client_secret": "sandbox-secret",
        }
        url = f"{server.url}/services/oauth2/token"
        answer = httpx.post(url, data=form, verify=trusted, timeout=HANGS)
        assert answer.json()["instance_url"] == server.url
    assert (folder / "tls.key").stat().st_mode & 0o777 == 0o600


def test_the_certificate_follows_the_host(folder: Path) -> None:
    with OrgServer(folder, host="localhost", options=OrgOptions(tls=True)):
        key = (folder / "tls.key").read_bytes()
        certificate = (folder / "tls.crt").read_bytes()
    with OrgServer(folder, host="localhost", options=OrgOptions(tls=True)):
        assert (folder / "tls.crt").read_bytes() == certificate
    with OrgServer(folder, host="127.0.0.1", options=OrgOptions(tls=True)) as server:
        trusted = ssl.create_default_context(cafile=str(folder / "tls.crt"))
        assert (
            httpx.get(f"{server.url}/services/data", verify=trusted, timeout=HANGS).status_code
            == 200
        )
    assert (folder / "tls.key").read_bytes() == key


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_a_signal(folder: Path, number: signal.Signals) -> None:
    server = OrgServer(folder)
    before = signal.getsignal(number)
    answers: list[int] = []

    def visit() -> None:
        until(lambda: server.port)
        until(lambda: _status(server))
        answers.append(_status(server))
        os.kill(os.getpid(), number)

    started = threading.Event()
    visitor = threading.Thread(target=visit)
    visitor.start()
    serve(server, started=started.set)
    visitor.join()
    assert started.is_set()
    assert answers == [200]
    assert signal.getsignal(number) is before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/services/data", timeout=HANGS)


def _status(server: OrgServer) -> int:
    try:
        return httpx.get(f"{server.url}/services/data", timeout=HANGS).status_code
    except httpx.ConnectError:
        return 0
