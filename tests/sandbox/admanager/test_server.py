"""Tokens, the wire, faults, levers and a restart."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from google.ads import admanager_v1 as gam
from google.api_core import exceptions
from tests.limits import HANGS
from tests.sandbox.admanager.conftest import NETWORK, Google, Soap, Time, line_item

from seil.errors import ConfigurationError, ConflictError
from seil.sandbox.admanager.faults import KINDS, AdManagerFault
from seil.sandbox.admanager.options import READ_ONLY, READ_WRITE, SOAP_ONLY, AdManagerOptions
from seil.sandbox.admanager.seed import ORDER_IDS
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.base.faults import FaultTable

_ORDERS = f"/v1/{NETWORK}/orders"
_SOAP = "/apis/ads/publisher/v202608/ProposalService"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def _account(server: AdManagerServer) -> dict[str, Any]:
    account: dict[str, Any] = json.loads(server.service_account_key.read_text())
    return account


def _assertion(server: AdManagerServer, **claims: Any) -> str:
    account, now = _account(server), int(time.time())
    usual = {
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "iat": now,
        "exp": now + 3600,
        "scope": READ_WRITE,
    }
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(payload, account["private_key"], algorithm="RS256")


def _token(http: httpx.Client, assertion: str, grant: str = _GRANT) -> httpx.Response:
    return http.post("/token", data={"grant_type": grant, "assertion": assertion})


@pytest.fixture
def bearer(server: AdManagerServer, http: httpx.Client) -> httpx.Client:
    """With a token."""
    token = _token(http, _assertion(server)).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


def test_key_file_is_googles_and_its_owners_alone(server: AdManagerServer) -> None:
    account = _account(server)
    assert account["type"] == "service_account"
    assert account["client_email"].endswith("@stand-in.invalid")
    assert account["token_uri"] == f"{server.url}/token"
    assert stat.S_IMODE(server.service_account_key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant"),
        ({"iss": "somebody@else.invalid"}, "invalid_grant"),
        ({"exp": 1_000_000, "iat": 999_000}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"exp": 4_000_000_000}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
    ],
    ids=str,
)
def test_assertion_that_is_not_good_gets_no_token(
    server: AdManagerServer, http: httpx.Client, claims: dict[str, Any], error: str
) -> None:
    answer = _token(http, _assertion(server, **claims))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_assertion_of_another_key_or_none_gets_no_token(
    server: AdManagerServer, http: httpx.Client
) -> None:
    unsigned = jwt.encode({"iss": "x"}, "", algorithm="none")
    for assertion in ("", "garbage", unsigned):
        assert _token(http, assertion).json()["error"] == "invalid_grant"
    other = _token(http, _assertion(server), grant="password")
    assert other.json()["error"] == "unsupported_grant_type"


def test_request_without_a_good_token_is_refused(http: httpx.Client) -> None:
    for text in (b"", b"Bearer nonsense", b"Basic x", b"Bearer \xff", b"Bearer \xff.\xff.\xff"):
        answer = http.get(_ORDERS, headers={b"Authorization": text} if text else {})
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    fault = http.post(_SOAP, content=b"<x/>")
    assert fault.status_code == 500
    assert "AuthenticationError.MISSING_AUTHENTICATION_HTTP_HEADER" in fault.text


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "soap"),
    [(READ_WRITE, 200, 400, True), (READ_ONLY, 200, 403, False), (SOAP_ONLY, 403, 403, True)],
)
def test_scope_opens_what_it_is_for(
    server: AdManagerServer, http: httpx.Client, scope: str, reads: int, writes: int, soap: bool
) -> None:
    token = _token(http, _assertion(server, scope=scope)).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    assert http.get(_ORDERS).status_code == reads
    assert http.post(f"{_ORDERS}:batchCreate", json={}).status_code == writes
    assert ("ParseError" in http.post(_SOAP, content=b"<x/>").text) is soap


def test_token_ends(folder: Path, clock: Time) -> None:
    options = AdManagerOptions(now=clock, token_lifetime=0)
    with (
        AdManagerServer(folder, options=options) as server,
        httpx.Client(base_url=server.url, timeout=HANGS) as http,
    ):
        token = _token(http, _assertion(server)).json()["access_token"]
        assert http.get(_ORDERS, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"requests": [], "colour": "red"}, "colour"),
        ({"requests": [{"order": {"displayNam": "x"}}]}, "displayNam"),
        ({"requests": [{"order": {"displayName": 5}}]}, "displayName"),
        ({"requests": [{"order": {"status": "OPEN"}}]}, "status"),
        ({"requests": [{"order": {"status": 77}}]}, "77"),
        ({"requests": "all"}, "requests"),
        ([1], "object"),
    ],
    ids=str,
)
def test_body_that_the_types_do_not_have_is_refused(
    bearer: httpx.Client, body: Any, words: str
) -> None:
    answer = bearer.post(f"{_ORDERS}:batchCreate", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"requests": "\\ud800"}', b'{"requests": NaN}', b'"\xe9"'],
    ids=["deep", "half a pair", "nan", "latin"],
)
@pytest.mark.parametrize("path", [f"{_ORDERS}:batchCreate", "/sandbox/faults"])
def test_body_that_is_no_json_of_the_standard(bearer: httpx.Client, path: str, body: bytes) -> None:
    answer = bearer.post(path, content=body)
    assert answer.status_code == 400
    assert "Invalid JSON payload" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{_ORDERS}?colour=red", 400),
        ("GET", f"{_ORDERS}?pageSize=many", 400),
        ("GET", f"{_ORDERS}/{ORDER_IDS[0]}?prettyPrint=true", 200),
        ("GET", f"{_ORDERS}/abc", 400),
        ("GET", f"{_ORDERS}/9999999999999999999", 404),
        ("GET", f"{_ORDERS}?filter=orderId%3D9999999999999999999", 200),
        ("GET", f"{_ORDERS}/-1", 400),
        ("GET", f"/v1/{NETWORK}/unknown", 404),
        ("DELETE", f"{_ORDERS}/{ORDER_IDS[0]}", 404),
        ("GET", "/nothing", 404),
        ("GET", "/sandbox/nothing", 404),
        ("POST", "/sandbox/faults", 400),
    ],
)
def test_address_or_parameter_that_is_not_there(
    bearer: httpx.Client, method: str, path: str, status: int
) -> None:
    content = b'{"colour": "red"}' if method == "POST" else b""
    assert bearer.request(method, path, content=content).status_code == status


def test_enums_are_numbers_only_on_request(bearer: httpx.Client) -> None:
    address = f"{_ORDERS}/{ORDER_IDS[0]}"
    assert bearer.get(address).json()["status"] == "APPROVED"
    assert bearer.get(f"{address}?$alt=json;enum-encoding%3Dint").json()["status"] == 4


_ENVELOPE = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">{header}'
    '<soap:Body><createProposals xmlns="{ns}">{body}</createProposals></soap:Body></soap:Envelope>'
)
_NS = "https://www.google.com/apis/ads/publisher/v202608"
_HEADER = (
    f'<soap:Header><RequestHeader xmlns="{_NS}"><networkCode>1234567</networkCode>'
    "<applicationName>x</applicationName></RequestHeader></soap:Header>"
)


@pytest.mark.parametrize(
    ("header", "body", "reason"),
    [
        (_HEADER, "<proposals><colour>red</colour></proposals>", "ParseError.UNPARSABLE"),
        (_HEADER, "<proposals><id>many</id></proposals>", "ParseError.UNPARSABLE"),
        (_HEADER, "<proposals><status>OPEN</status></proposals>", "ParseError.UNPARSABLE"),
        (
            _HEADER,
            "<proposals><name>x</name><id>1</id></proposals>",
            "ParseError.UNPARSABLE",
        ),
        (_HEADER, "", "RequiredError.REQUIRED"),
        ("", "<proposals><name>x</name></proposals>", "MISSING_SOAP_REQUEST_HEADER"),
        (
            _HEADER.replace("1234567", ""),
            "<proposals><name>x</name></proposals>",
            "NETWORK_CODE_REQUIRED",
        ),
    ],
)
def test_soap_that_the_wsdl_does_not_have_is_refused(
    bearer: httpx.Client, header: str, body: str, reason: str
) -> None:
    content = _ENVELOPE.format(header=header, body=body, ns=_NS)
    answer = bearer.post(_SOAP, content=content, headers={"Content-Type": "text/xml"})
    assert answer.status_code == 500
    assert reason in answer.text
    assert "ApiExceptionFault" in answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"no xml",
        b"<x/>",
        _ENVELOPE.replace("createProposals", "dropProposals").format(header="", body="", ns=_NS),
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        + _ENVELOPE.format(header="", body="<proposals><name>&e;</name></proposals>", ns=_NS),
    ],
)
def test_soap_that_is_none_is_refused(bearer: httpx.Client, content: bytes | str) -> None:
    answer = bearer.post(_SOAP, content=content)
    assert answer.status_code == 500
    assert "root:" not in answer.text


@pytest.mark.parametrize("version", ["v202511", "v202602", "v202605", "v202608"])
def test_wsdl_names_its_own_address(
    server: AdManagerServer, http: httpx.Client, version: str
) -> None:
    path = f"/apis/ads/publisher/{version}/NetworkService"
    text = http.get(f"{path}?wsdl").text
    assert f'location="{server.url}{path}"' in text
    assert http.get("/apis/ads/publisher/v201811/NetworkService?wsdl").status_code == 404


_FAILS: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
    "unavailable": exceptions.ServiceUnavailable,
    "down": exceptions.ServiceUnavailable,
    "internal": exceptions.InternalServerError,
    "html-error": exceptions.BadGateway,
    "concurrent-modification": exceptions.Conflict,
    "modified-for-ever": exceptions.Conflict,
    "quota": exceptions.TooManyRequests,
}


@pytest.mark.parametrize("kind", _FAILS)
def test_fault_is_met_by_the_official_client(
    google: Google, server: AdManagerServer, kind: str
) -> None:
    server.faults.add(*KINDS[kind].faults)
    with pytest.raises(_FAILS[kind]):
        google.orders.batch_approve_orders(
            request={"parent": NETWORK, "names": [f"{NETWORK}/orders/1"]},
            retry=None,
        ) if kind != "concurrent-modification" else google.order()


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("html-answer", 200, "<html>"),
        ("wrong-shape", 200, "surprise"),
        ("empty-answer", 200, ""),
        ("slow", 401, "UNAUTHENTICATED"),
    ],
)
def test_fault_spoils_the_answer(
    server: AdManagerServer, http: httpx.Client, kind: str, status: int, words: str
) -> None:
    (fault,) = KINDS[kind].faults
    server.faults.add(fault.model_copy(update={"delay": min(fault.delay, 0.05)}))
    answer = http.get(_ORDERS)
    assert (answer.status_code, words in answer.text) == (status, True)


@pytest.mark.parametrize("kind", ["reset", "cut-answer"])
def test_fault_breaks_the_connection(
    server: AdManagerServer, http: httpx.Client, kind: str
) -> None:
    server.faults.add(*KINDS[kind].faults)
    with pytest.raises(httpx.TransportError):
        http.get(_ORDERS)


def test_lost_answer_leaves_the_order_made(google: Google, server: AdManagerServer) -> None:
    server.faults.add(*KINDS["answer-lost"].faults)
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        google.order("Lost")
    assert "Lost" in {order.display_name for order in google.orders.list_orders(parent=NETWORK)}


def test_token_that_ends_in_the_middle(folder: Path, clock: Time) -> None:
    faults = KINDS["token-expired"].faults
    with (
        AdManagerServer(folder, options=AdManagerOptions(now=clock), faults=faults) as server,
        httpx.Client(base_url=server.url, timeout=HANGS) as http,
    ):
        token = _token(http, _assertion(server)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        assert http.get(_ORDERS).status_code == 401


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
def test_concurrent_modification_is_a_soap_fault_once(soap: Soap, server: AdManagerServer) -> None:
    proposal = soap.proposal()
    server.faults.add(*KINDS["concurrent-modification"].faults)
    with pytest.raises(Exception, match=r"CommonError\.CONCURRENT_MODIFICATION"):
        soap.proposals.updateProposals([proposal])
    assert soap.proposals.updateProposals([proposal])[0]["id"] == proposal["id"]


def test_faults_are_ordered_listed_and_cleared(http: httpx.Client) -> None:
    assert set(http.get("/sandbox/faults/kinds").json()) == set(KINDS)
    first = http.post("/sandbox/faults", json={"kind": "down"}).json()["id"]
    http.post("/sandbox/faults", json={"path": "/v1/", "status": 500, "times": 1})
    assert http.get(_ORDERS).status_code == 503
    assert [fault["struck"] for fault in http.get("/sandbox/faults").json()] == [1, 0]
    http.delete(f"/sandbox/faults/{first}")
    assert [http.get(_ORDERS).status_code for _ in range(2)] == [500, 401]
    http.delete("/sandbox/faults")
    assert http.get("/sandbox/faults").json() == []


def test_request_orders_a_fault_for_itself(http: httpx.Client) -> None:
    assert http.get(_ORDERS, headers={"X-Sandbox-Fault": "quota"}).status_code == 429
    assert http.get(_ORDERS, headers={"X-Sandbox-Fault": "nonsense"}).status_code == 400


@pytest.mark.parametrize("text", ["nothing", "path=[", "status=9", "colour=red", "{", "a,b=c"])
def test_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (pydantic's own words)
        KINDS.parse(text)


def test_fault_waits_and_comes_back() -> None:
    fault = AdManagerFault.parse("path=/v1/,after=1,every=2,times=2,status=500")
    faults = FaultTable((fault,))
    struck = [faults.strike("GET", "/v1/x") is not None for _ in range(7)]
    assert struck == [False, True, False, True, False, False, False]


def test_clock_can_be_set(http: httpx.Client, google: Google) -> None:
    draft = google.order()
    before = http.get("/sandbox/clock").json()["now"]
    after = http.post("/sandbox/clock", json={"days": 30}).json()["now"]
    assert (before[:10], after[:10]) == ("2026-03-04", "2026-04-03")
    items = http.get("/sandbox/summary").json()["lineItems"]
    assert items["COMPLETED"] > 1
    assert http.post("/sandbox/clock", json={"now": "2026-01-01T00:00:00Z"}).status_code == 200
    assert http.post("/sandbox/clock", json={"moons": 1}).status_code == 400
    assert http.post("/sandbox/clock", json={}).json()["now"] == before
    assert draft.name


def test_restart_goes_on_where_it_was(folder: Path, clock: Time) -> None:
    options = AdManagerOptions(now=clock)
    with AdManagerServer(folder, options=options) as first:
        google = Google(first)
        order = google.order("Stays")
        item = google.line_item(order.name, clock.now)
        soap = Soap(first)
        proposal = soap.proposal()["id"]
        operation = google.client(gam.ReportServiceClient)
        httpx.post(f"{first.url}/sandbox/clock", json={"hours": 1}, timeout=HANGS)
        key = json.loads(first.service_account_key.read_text())
    with AdManagerServer(folder, options=options) as second:
        again = Google(second)
        assert again.orders.get_order(name=order.name).display_name == "Stays"
        assert again.line_items.get_line_item(name=item.name) == item
        assert Soap(second).read(proposal)["name"] == "A proposal"
        assert again.order().name > order.name
        after = json.loads(second.service_account_key.read_text())
        assert after["private_key"] == key["private_key"]
        assert after["token_uri"] == f"{second.url}/token"
        clock_now = httpx.get(f"{second.url}/sandbox/clock", timeout=HANGS).json()["now"]
        assert clock_now.startswith("2026-03-04T02:30")
    assert operation is not None


def test_networks_of_one_seed_are_the_same(tmp_path: Path, key_folder: Path, clock: Time) -> None:
    def names(folder: str, seed: int) -> list[str]:
        (tmp_path / folder).mkdir()
        key = (key_folder / "service-account.json").read_bytes()
        (tmp_path / folder / "service-account.json").write_bytes(key)
        options = AdManagerOptions(now=clock, seed=seed, network_code="77")
        with AdManagerServer(tmp_path / folder, options=options) as server:
            assert server.network_code == "77"
            assert server._parts is not None
            return [order["displayName"] for order in server._parts.store.all("orders")]

    assert names("a", 1) == names("b", 1) != names("c", 2)


def test_port_in_use_and_foreign_file_are_refused(server: AdManagerServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="already in use"):
        AdManagerServer(tmp_path / "other", port=server.port).start()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "network.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        AdManagerServer(tmp_path / "broken").start()
    (tmp_path / "folder" / "network.sqlite").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"network\.sqlite: unable to open"):
        AdManagerServer(tmp_path / "folder").start()
    with pytest.raises(RuntimeError, match="already running"):
        server.start()


def test_second_server_leaves_the_firsts_key_alone(folder: Path, clock: Time) -> None:
    with AdManagerServer(folder, options=AdManagerOptions(now=clock)) as first:
        with pytest.raises(ConflictError, match=f"Another stand-in runs in {folder}"):
            AdManagerServer(folder, options=AdManagerOptions(now=clock)).start()
        key = json.loads(first.service_account_key.read_text())
        assert key["token_uri"] == f"{first.url}/token"


def test_creatives_can_be_there_at_once(folder: Path, clock: Time) -> None:
    with AdManagerServer(folder, options=AdManagerOptions(now=clock, creatives=True)) as server:
        google = Google(server)
        order = google.order()
        item = google.line_items.create_line_item(
            parent=NETWORK, line_item=line_item(order.name, clock.now)
        )
        google.orders.batch_approve_orders(request={"parent": NETWORK, "names": [order.name]})
        assert google.line_items.get_line_item(name=item.name).status.name == "READY"
