from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS
from tests.sandbox.techone.conftest import Http, logged_in, rows_request, soap_client
from typer.testing import CliRunner

from seil.cli.app import app
from seil.errors import ConfigurationError, ConflictError
from seil.sandbox.techone.faults import KINDS, TechOneFault
from seil.sandbox.techone.server import TechOneServer


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    with TechOneServer(tmp_path) as first:
        http = logged_in(first)
        http.control("POST", "debtors", json={"D10042": "0.01"})
        client = soap_client(f"{first.warehouse_url}?wsdl")
        client.service.Warehouse_DoImport(request=rows_request(["1,a"]))
    with TechOneServer(tmp_path, port=first.port) as second:
        again = Http(second, http.token)
        assert again.rate().status_code == 200
        assert again.rows() == [{"ID": "1", "NAME": "a"}]
        assert again.control("GET", "debtors").json()["D10042"] == "0.01"


def test_a_server_is_started_once(running: TechOneServer) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        running.start()


def test_a_port_that_is_taken(running: TechOneServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the port is already in use"):
        TechOneServer(tmp_path, port=running.port).start()


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        TechOneServer(tmp_path, host="192.0.2.1").start()


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "techone.sqlite").write_text("no database" * 100)
    server = TechOneServer(tmp_path)
    with pytest.raises(ConfigurationError, match="not a database"):
        server.start()
    server.stop()
    (tmp_path / "techone.sqlite").unlink()
    with server:
        for start in ("control", "sandbox"):
            assert (
                httpx.get(f"{server.url}/{start}/summary", timeout=HANGS).json()["requests"] == {}
            )


def test_a_folder_is_one_servers_at_a_time(tmp_path: Path) -> None:
    with TechOneServer(tmp_path) as first:
        second = TechOneServer(tmp_path)
        with pytest.raises(ConflictError, match=f"Another stand-in runs in {tmp_path}"):
            second.start()
        assert logged_in(first).rate().status_code == 200
    with second:
        assert logged_in(second).rate().status_code == 200


@pytest.mark.parametrize("place", ["file", "file/below", "database"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "database" / "techone.sqlite").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path / place))):
        TechOneServer(tmp_path / place).start()


def test_requests_are_counted(tmp_path: Path) -> None:
    with TechOneServer(tmp_path) as server:
        http = logged_in(server)
        http.rate()
        http.rate()
        summary = http.control("GET", "summary").json()
    assert summary["requests"] == {
        "GET /Api/RaaS/v1/Reports/AUDUSD": 2,
        "POST /oauth2/token": 1,
    }
    assert summary["rows"] == {}
    assert summary["debtors"]["N2000"] == "-3.50"


def test_faults_are_ordered_listed_and_cleared(http: Http) -> None:
    first = http.control("POST", "faults", json={"kind": "down"}).json()["id"]
    created = http.control("POST", "faults", json={"path": "x", "retry_after": 3, "status": 429})
    assert created.status_code == 201
    faults = http.control("GET", "faults").json()
    assert faults[0] == {
        "id": first,
        "seen": 0,
        "struck": 0,
        "path": "^/(?!oauth2/)",
        "status": 503,
    }
    assert faults[1]["retry_after"] == "3"
    assert http.rate().status_code == 503
    assert http.control("DELETE", f"faults/{first}").status_code == 204
    assert http.rate().status_code == 200
    http.control("DELETE", "faults")
    assert http.control("GET", "faults").json() == []
    assert http.control("GET", "faults/kinds").json().keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"kind": "nonsense"}, "no fault is called nonsense"),
        ({"status": "x", "foo": 1}, "foo: is unknown"),
        ({"path": "("}, "is not a regular expression"),
        ({"times": 0}, "times: "),
        ({"retry_after": "1\r\nX-Other: y"}, "retry_after: "),
    ],
)
def test_faults_that_are_none(http: Http, body: dict[str, Any], text: str) -> None:
    answer = http.control("POST", "faults", json=body)
    assert (answer.status_code, text in answer.json()["Message"]) == (400, True)


def test_a_fault_that_would_last_for_ever(http: Http) -> None:
    answer = http.control("POST", "faults", content=b'{"delay": 1e999}')
    assert (answer.status_code, "delay: " in answer.json()["Message"]) == (400, True)


def test_a_fault_strikes_where_and_when_it_is_set_to(http: Http) -> None:
    fault = {"method": "get", "path": "AUD", "after": 1, "every": 2, "times": 2, "status": 500}
    http.control("POST", "faults", json=fault)
    assert [http.rate().status_code for _ in range(6)] == [200, 500, 200, 500, 200, 200]


def test_a_request_orders_a_fault_for_itself(http: Http) -> None:
    assert http.rate(headers={"X-Sandbox-Fault": "throttled"}).headers["Retry-After"] == "1"
    page = http.rate(headers={"X-Sandbox-Fault": "html-answer"})
    assert page.headers["Content-Type"].startswith("text/html")
    wrong = http.rate(headers={"X-Sandbox-Fault": "nonsense"})
    assert (wrong.status_code, "nonsense" in wrong.json()["Message"]) == (400, True)
    assert http.rate(headers={"X-Sandbox-Fault": 'members={"a": 1}'}).status_code == 400
    empty = http.rate(headers={"X-Sandbox-Fault": '{"members": {"DataSet": []}}'})
    assert empty.json() == {"DataSet": []}


def test_dripping_and_cutting(http: Http) -> None:
    begun = time.monotonic()
    assert http.rate(headers={"X-Sandbox-Fault": "drip=50,drip_delay=0.1"}).status_code == 200
    assert time.monotonic() - begun > 0.2
    with pytest.raises(httpx.RemoteProtocolError):
        http.rate(headers={"X-Sandbox-Fault": "cut-answer"})


@pytest.mark.parametrize(
    "end", [lambda server: server.faults.clear(), TechOneServer.stop], ids=["removed", "stopped"]
)
def test_delay_ends_with_its_fault_and_with_the_server(
    tmp_path: Path, end: Callable[[TechOneServer], None]
) -> None:
    hour = 3600
    fault = TechOneFault(path="AUD", delay=hour, status=418)
    with TechOneServer(tmp_path, faults=(fault,)) as server, ThreadPoolExecutor(1) as threads:
        rate = f"{server.url}/Api/RaaS/v1/Reports/AUDUSD"
        answer = threads.submit(httpx.get, rate, timeout=hour)
        while not server.faults.entries()[0]["struck"]:
            time.sleep(0.01)
        end(server)
        assert answer.result().status_code == 418


def test_a_lost_answer_leaves_the_rows(tmp_path: Path) -> None:
    with TechOneServer(tmp_path, faults=KINDS["answer-lost"].faults) as server:
        client = soap_client(f"{server.warehouse_url}?wsdl")
        with pytest.raises(OSError, match="Connection"):
            client.service.Warehouse_DoImport(request=rows_request(["1,a"]))
        assert Http(server).rows() == [{"ID": "1", "NAME": "a"}]


def test_members_go_into_json_only(running: TechOneServer) -> None:
    running.faults.add(TechOneFault(members={"a": 1}, times=1))
    answer = httpx.get(f"{running.url}/Warehouse.asmx?wsdl", timeout=HANGS)
    assert answer.text.startswith("<?xml")


def test_what_nobody_foresaw_is_a_500(
    http: Http, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("seil.sandbox.techone.rest._rate", lambda _day: 1 / 0)
    answer = http.rate()
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_described_and_found(name: str) -> None:
    kind = KINDS[name]
    assert kind.about.endswith(".")
    assert KINDS.parse(f" {name} ") == kind.faults


def test_the_command_serves_until_sigterm(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seil", "--json", "sandbox", "techone", "--port", "0"]
    command += ["--key", "SALESFORCE/ARDATA=ID", "--fault", "path=AUDUSD,status=418"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        granted = httpx.post(
            announced["token_url"],
            data={"grant_type": "client_credentials"},
            auth=(announced["client_id"], "sandbox-secret"),
            timeout=HANGS,
        )
        assert granted.status_code == 200
        assert (
            httpx.get(f"{announced['url']}/Api/RaaS/v1/Reports/AUDUSD", timeout=HANGS).status_code
            == 418
        )
        assert "<definitions" in httpx.get(f"{announced['warehouse']}?wsdl", timeout=HANGS).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANGS) == 0
    assert announced["state"] == "seil-data/sandbox/techone"
    assert (tmp_path / announced["state"] / "techone.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--key", "ARDATA=ID"], "is not WAREHOUSE/TABLE=COLUMN"),
        (["--key", "A/B"], "is not WAREHOUSE/TABLE=COLUMN"),
        (
            ["--fault", "nonsense"],
            "no fault is called nonsense: `seil sandbox faults` lists the names",
        ),
        (["--fault", ""], "no fault is called (nothing): `seil sandbox faults` lists"),
        (["--state", "/dev/null"], "/dev/null: cannot hold the state: File exists (name another"),
        (["--host", "192.0.2.1"], "192.0.2.1:0: Cannot assign requested address (name an IPv4"),
        (["--token-lifetime", "inf"], "Invalid value for '--token-lifetime'"),
        (["--fault", "status=x"], "status: "),
        (["--wsdl", "missing.wsdl"], "missing.wsdl: No such file"),
    ],
)
def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["sandbox", "techone", "--port", "0", *arguments])
    assert result.exit_code == 2
    assert text in result.stderr
