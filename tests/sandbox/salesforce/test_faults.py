from __future__ import annotations

import codecs
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from tests.bookings import make_org
from tests.limits import HANGS, HELD, SOON, until
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.base.faults import FaultTable
from seil.sandbox.salesforce.fault_kinds import KINDS
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer


@pytest.fixture
def faulty(shared: Org) -> Iterator[Org]:
    yield shared
    httpx.delete(f"{shared.server.url}/sandbox/faults", timeout=HANGS)


def _order(org: Org, **fault: Any) -> int:
    answer = httpx.post(f"{org.server.url}/sandbox/faults", json=fault, timeout=HANGS)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def _page(org: Org, soql: str = "SELECT Id, Name FROM Account", **sending: Any) -> httpx.Response:
    job = org.query_job(soql)
    org.finished("query", job)
    return org.http.get(f"/jobs/query/{job}/results", **sending)


def test_matching_counts_after_and_times() -> None:
    faults = FaultTable((OrgFault(method="get", path="/a$", after=1, times=2), OrgFault(path="/b")))
    struck = [faults.strike("GET", "/x/a") is not None for _ in range(5)]
    assert struck == [False, True, True, False, False]
    assert faults.strike("POST", "/x/a") is None
    assert faults.strike("POST", "/x/b?c") is not None
    assert [(e["seen"], e["struck"]) for e in faults.entries()] == [(5, 2), (1, 1)]
    faults.clear(1)
    assert [entry["id"] for entry in faults.entries()] == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path=/results,status=503,retry_after=2", {"status": 503, "retry_after": "2"}),
        ('{"path": "/results", "html": "<h1>a, b</h1>"}', {"html": "<h1>a, b</h1>"}),
        ("drop_headers=Sforce-Locator+Date,nul_bytes=true", {"nul_bytes": True}),
        ("charset=,cut=10", {"charset": "", "cut": 10}),
    ],
)
def test_parse(text: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= OrgFault.parse(text).model_dump().items()


@pytest.mark.parametrize("text", ["nonsense", "status=x", "foo=1", "path=(", "times=0", "{"])
def test_parse_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        OrgFault.parse(text)


def test_wrong_fault_is_refused_over_http(shared: Org) -> None:
    url = f"{shared.server.url}/sandbox/faults"
    answer = httpx.post(url, json={"status": "x", "foo": 1}, timeout=HANGS)
    assert answer.status_code == 400
    assert "status:" in answer.json()[0]["message"]
    assert "foo:" in answer.json()[0]["message"]
    with pytest.raises(ValidationError):
        OrgFault.model_validate({"status": 42})


def test_the_table_can_be_read_and_cleared(faulty: Org) -> None:
    url = f"{faulty.server.url}/sandbox/faults"
    first, second = _order(faulty, path="/x"), _order(faulty, path="/y", status=500)
    table = httpx.get(url, timeout=HANGS).json()
    assert [entry["id"] for entry in table] == [first, second]
    assert table[1]["status"] == 500
    assert httpx.delete(f"{url}/{first}", timeout=HANGS).status_code == 204
    assert [entry["id"] for entry in httpx.get(url, timeout=HANGS).json()] == [second]


def test_status_code_message_and_retry_after(faulty: Org) -> None:
    _order(faulty, path="/limits", status=503, retry_after=7, times=1)
    answer = faulty.http.get("/limits")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json()[0]["errorCode"] == "SERVER_UNAVAILABLE"
    assert faulty.http.get("/limits").status_code == 200
    _order(faulty, path="/limits", status=403, code="REQUEST_LIMIT_EXCEEDED", message="Over.")
    assert faulty.http.get("/limits").json() == [
        {"message": "Over.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    ]


def test_html_and_empty_bodies(faulty: Org) -> None:
    _order(faulty, path="/limits", status=420, html="<p>setting things up</p>", times=1)
    answer = faulty.http.get("/limits")
    assert (answer.status_code, answer.text) == (420, "<p>setting things up</p>")
    assert answer.headers["Content-Type"].startswith("text/html")
    _order(faulty, path="/limits", status=406, text="")
    answer = faulty.http.get("/limits")
    assert (answer.status_code, answer.content) == (406, b"")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_body_cut_off(faulty: Org, encoding: str) -> None:
    _order(faulty, path="/sobjects/Account/describe", cut=40)
    with pytest.raises(httpx.RemoteProtocolError):
        faulty.http.get("/sobjects/Account/describe", headers={"Accept-Encoding": encoding})
    httpx.delete(f"{faulty.server.url}/sandbox/faults", timeout=HANGS)
    _order(faulty, path="/sobjects/Account/describe", cut=0)
    with pytest.raises(httpx.RemoteProtocolError):
        faulty.http.get("/sobjects/Account/describe")


def test_cut_longer_than_the_body_changes_nothing(faulty: Org) -> None:
    whole = faulty.http.get("/sobjects/Account/describe").content
    _order(faulty, path="/sobjects/Account/describe", drip=len(whole) // 2, drip_delay=0.01)
    assert faulty.http.get("/sobjects/Account/describe").content == whole


@pytest.mark.parametrize(("number", "expected"), [("+3", "7"), ("-1", "3"), (99, "99")])
def test_number_of_records_lies(faulty: Org, number: Any, expected: str) -> None:
    _order(faulty, path="/results", number_of_records=number)
    assert _page(faulty).headers["Sforce-NumberOfRecords"] == expected


def test_nul_bytes_and_byte_order_mark(faulty: Org) -> None:
    true = _page(faulty).content
    _order(faulty, path="/results", nul_bytes=True, bom=True)
    content = _page(faulty).content
    assert content.startswith(codecs.BOM_UTF8 + b'\x00"')
    assert content.removeprefix(codecs.BOM_UTF8).replace(b"\x00", b"") == true


def test_charsets(faulty: Org) -> None:
    true = _page(faulty).content.decode()
    _order(faulty, path="/results", charset="ISO-8859-1", times=1)
    latin = _page(faulty)
    assert latin.headers["Content-Type"] == "text/csv; charset=ISO-8859-1"
    assert latin.content.decode("latin-1") == true
    _order(faulty, path="/results", charset="")
    bare = _page(faulty)
    assert bare.headers["Content-Type"] == "text/csv"
    assert bare.content.decode() == true


def test_headers_dropped_set_and_lowered(faulty: Org) -> None:
    _order(
        faulty,
        path="/results",
        drop_headers=["Sforce-Locator", "Date"],
        set_headers={"X-Extra": "1"},
        lower_case_headers=True,
    )
    names = [name.decode() for name, _ in _page(faulty).headers.raw]
    assert "sforce-numberofrecords" in names
    assert "x-extra" in names
    assert "content-type" in names
    assert not {"sforce-locator", "date", "Date"} & set(names)
    assert names == [name.lower() for name in names]


def test_delay_and_drip_are_slow(faulty: Org) -> None:
    _order(faulty, path="/limits", delay=0.2, times=1)
    started = time.monotonic()
    assert faulty.http.get("/limits").status_code == 200
    assert time.monotonic() - started >= 0.2
    _order(faulty, path="/limits", drip=200, drip_delay=0.05)
    started = time.monotonic()
    assert "DailyApiRequests" in faulty.http.get("/limits").json()
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("pause", [{"delay": HELD}, {"drip": 1, "drip_delay": HELD}], ids=str)
@pytest.mark.parametrize("end", ["fault removed", "client gone", "server stopped"])
def test_no_pause_outlives_what_it_is_for(
    tmp_path: Path, pause: dict[str, float], end: str
) -> None:
    make_org(tmp_path / "org")
    patience = SOON if end == "client gone" else HANGS
    with OrgServer(tmp_path / "org") as server, ThreadPoolExecutor(1) as threads:
        fault = OrgFault(path="/services/data/?$", **pause)
        server.faults.add(fault)
        answer = threads.submit(httpx.get, f"{server.url}/services/data/", timeout=patience)
        until(lambda: server.faults.entries()[0]["struck"])
        if end == "fault removed":
            server.faults.clear()
        if end == "client gone":
            assert isinstance(answer.exception(), httpx.ReadTimeout)
        server.stop()
        assert end == "client gone" or answer.result().is_success


def test_sessions_expire_in_the_middle(org: Org) -> None:
    _order(org, path="/limits", expire_session=True, times=1)
    assert org.http.get("/limits").json()[0]["errorCode"] == "INVALID_SESSION_ID"
    assert org.http.get("/limits").status_code == 401


def test_jobs_fail_by_a_fault(faulty: Org) -> None:
    _order(faulty, method="POST", path="/jobs/", fail_job="Retried more than 15 times")
    job = faulty.finished("query", faulty.query_job("SELECT Id FROM Account"))
    assert (job["state"], job["errorMessage"]) == ("Failed", "Retried more than 15 times")
    ingest = faulty.ingest("Account", "insert", "Name\nx\n")
    assert ingest["state"] == "Failed"
    unprocessed = faulty.ingest_result(ingest, "unprocessedRecords")
    assert unprocessed == '"Name"\n"x"\n'


def test_a_fault_may_look_into_the_body_and_spares_the_levers(faulty: Org) -> None:
    _order(faulty, body="FROM Contact", status=403, code="FORBIDDEN", message="no")
    job = {"operation": "query", "query": "SELECT Id FROM Contact"}
    assert faulty.http.post("/jobs/query", json=job).status_code == 403
    assert faulty.query_job("SELECT Id FROM Account")
    _order(faulty, status=500)
    assert faulty.http.get("/limits").status_code == 500
    assert len(httpx.get(f"{faulty.server.url}/sandbox/faults", timeout=HANGS).json()) == 2


def test_every_rest_reply_has_its_limit_info(faulty: Org) -> None:
    _order(faulty, path="/limits", status=503)
    assert "Sforce-Limit-Info" in faulty.http.get("/limits").headers


def test_faults_can_be_ordered_by_name(faulty: Org) -> None:
    url = f"{faulty.server.url}/sandbox/faults"
    assert httpx.get(f"{url}/kinds", timeout=HANGS).json() == {
        name: k.about for name, k in KINDS.items()
    }
    answer = httpx.post(url, json={"kind": "no-page-list"}, timeout=HANGS)
    assert (answer.status_code, len(answer.json()["ids"])) == (201, 2)
    unknown = httpx.post(url, json={"kind": "bad-luck"}, timeout=HANGS)
    assert (unknown.status_code, "bad-luck" in unknown.text) == (400, True)
    assert KINDS.parse("down") == KINDS["down"].faults
    assert KINDS.parse("path=/x,cut=1") == (OrgFault(path="/x", cut=1),)


def test_every_action_is_among_the_kinds() -> None:
    """So that whoever adds one has the pipeline tested with it."""
    used = {name for kind in KINDS.values() for f in kind.faults for name in f.model_fields_set}
    assert set(OrgFault.model_fields) - used == {"body"}


def test_a_request_may_order_a_fault_for_itself(faulty: Org) -> None:
    ask = {"X-Sandbox-Fault": "path=,status=503,retry_after=3"}
    assert faulty.http.get("/limits", headers=ask).headers["Retry-After"] == "3"
    assert faulty.http.get("/limits").status_code == 200
    refused = faulty.http.get("/limits", headers={"X-Sandbox-Fault": "nonsense"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "INVALID_FAULT")


def test_every_strikes_the_first_of_so_many() -> None:
    faults = FaultTable((OrgFault(after=1, every=3, times=2),))
    struck = [faults.strike("GET", "/x") is not None for _ in range(9)]
    assert struck == [False, True, False, False, True, False, False, False, False]


@pytest.mark.parametrize(("when", "created"), [("before", 0), ("after", 1)])
def test_connections_are_reset(faulty: Org, when: str, created: int) -> None:
    jobs = len(faulty.http.get("/jobs/query").json()["records"])
    _order(faulty, method="POST", path="/jobs/query", reset=when, times=1)
    job = {"operation": "query", "query": "SELECT Id FROM Contact"}
    with pytest.raises(httpx.TransportError):
        faulty.http.post("/jobs/query", json=job)
    assert len(faulty.http.get("/jobs/query").json()["records"]) == jobs + created


def test_members_go_into_json_answers_only(faulty: Org) -> None:
    _order(faulty, members={"done": False, "again": "{path}"})
    answer = faulty.http.get("/limits").json()
    assert (answer["done"], answer["again"].endswith("/limits")) == (False, True)
    assert _page(faulty).text.startswith('"Id"')


def test_rows_twice_and_counted(faulty: Org) -> None:
    head, *rows = _page(faulty).text.splitlines()
    _order(faulty, path="/results", rows_twice=True, number_of_records="*2")
    twice = _page(faulty)
    assert twice.text.splitlines() == [head, *rows, *rows]
    assert int(twice.headers["Sforce-NumberOfRecords"]) == 2 * len(rows)


def test_pages_twice_and_a_locator_that_goes_nowhere(faulty: Org) -> None:
    job = faulty.query_job("SELECT Id FROM Account")
    faulty.finished("query", job)
    address = f"/jobs/query/{job}"
    pages = faulty.http.get(f"{address}/resultPages?maxRecords=1").json()["resultPages"]
    _order(faulty, path="/resultPages", pages_twice=True)
    twice = faulty.http.get(f"{address}/resultPages?maxRecords=1").json()["resultPages"]
    assert twice == [page for page in pages for _ in range(2)]
    _order(faulty, path="/results", stuck_locator=True)
    locator = faulty.http.get(f"{address}/results?maxRecords=1").headers["Sforce-Locator"]
    stuck = faulty.http.get(f"{address}/results", params={"locator": locator, "maxRecords": 1})
    assert stuck.headers["Sforce-Locator"] == locator


def test_jobs_expire_before_they_are_read(faulty: Org) -> None:
    job = faulty.query_job("SELECT Id FROM Account")
    faulty.finished("query", job)
    _order(faulty, path="/results", expire_jobs=True, times=1)
    assert faulty.http.get(f"/jobs/query/{job}/results").status_code == 404
    assert faulty.http.get(f"/jobs/query/{job}").status_code == 404
