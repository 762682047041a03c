"""The browser's way: a stand-in org asks nothing and sends the browser back at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from tests.limits import HANGS
from tests.salesforce.conftest import TOKEN, FarEnd, Reply

from seil.errors import ConfigurationError, LoginError
from seil.salesforce.browser_login import BrowserLogin, Callback, Grant, open_callback
from seil.salesforce.org import Org
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.secret import Secret
from seil.settings import SalesforceSettings

PATIENCE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "org"
    OrgStore.create(folder, [SObject.of("Thing__c", [SField.of("Id", "id")])]).close()
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[OrgServer]:
    with OrgServer(folder) as running:
        yield running


@contextmanager
def waited(login: BrowserLogin) -> Iterator[Future[Grant]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(login.grant, seconds=PATIENCE)


@pytest.fixture
def callback() -> Iterator[Callback]:
    with open_callback(0) as listener:
        yield listener


def public(server: OrgServer) -> SalesforceSettings:
    return SalesforceSettings(login_url=server.url, client_secret=None)


def test_browser_login_gives_a_refresh_token_that_works(
    server: OrgServer, callback: Callback, tmp_path: Path
) -> None:
    settings = public(server)
    login = BrowserLogin(settings, callback)
    with waited(login) as granted:
        page = httpx.get(login.url, follow_redirects=True, timeout=HANGS)
        grant = granted.result()
    assert (page.status_code, "Logged in" in page.text) == (200, True)
    assert grant.refresh_token not in repr(grant)
    by_token = SalesforceSettings(
        login_url=server.url,
        auth="refresh_token",
        client_secret=None,
        refresh_token=Secret(f"plain:{grant.refresh_token}"),
        token_file=tmp_path / "token.json",
    )
    with Org(by_token) as org:
        assert org.id() == server.options.org_id


def test_code_serves_only_whoever_holds_the_verifier(server: OrgServer, callback: Callback) -> None:
    login = BrowserLogin(public(server), callback)
    sent = httpx.get(login.url, timeout=HANGS).headers["Location"]
    code = dict(parse_qsl(urlsplit(sent).query))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "seil-sandbox",
        "redirect_uri": callback.url,
        "code_verifier": "a" * 64,
    }
    answer = httpx.post(f"{server.url}{TOKEN}", data=form, timeout=HANGS)
    assert answer.json()["error"] == "invalid_grant"


def come_back(callback: Callback, **answer: str) -> httpx.Response:
    return httpx.get(
        f"{callback.url.replace('localhost', '127.0.0.1')}?{urlencode(answer)}", timeout=HANGS
    )


def test_answer_with_another_state_is_not_used(far: FarEnd, callback: Callback) -> None:
    login = BrowserLogin(SalesforceSettings(login_url=far.url), callback)
    with waited(login) as granted:
        page = come_back(callback, code="stolen", state="another")
        with pytest.raises(LoginError, match="belongs to another login"):
            granted.result()
    assert page.status_code == 400
    assert far.requests == []


def test_denied_in_the_browser(folder: Path, callback: Callback) -> None:
    with OrgServer(folder, options=OrgOptions(user_approved=False)) as server:
        login = BrowserLogin(public(server), callback)
        with waited(login) as granted:
            page = httpx.get(login.url, follow_redirects=True, timeout=HANGS)
            with pytest.raises(LoginError, match="access_denied: end-user denied") as caught:
                granted.result()
    assert "The login was refused: access_denied" in page.text
    assert "as the integration user" in caught.value.hint


def test_secret_that_is_not_there_is_named_before_anybody_logs_in(callback: Callback) -> None:
    settings = SalesforceSettings(client_secret=Secret("env:SEIL_NO_SUCH_VARIABLE"))
    with pytest.raises(ConfigurationError, match="SEIL_NO_SUCH_VARIABLE"):
        BrowserLogin(settings, callback)


def test_nobody_comes(callback: Callback) -> None:
    login = BrowserLogin(SalesforceSettings(), callback)
    with pytest.raises(LoginError, match="nobody logged in within 0 seconds"):
        login.grant(seconds=0)


def test_other_requests_are_refused(far: FarEnd, callback: Callback) -> None:
    granted = {"access_token": "t", "instance_url": far.url, "refresh_token": "r"}
    far.on("POST", TOKEN, Reply(body=granted))
    login = BrowserLogin(SalesforceSettings(login_url=far.url), callback)
    state = dict(parse_qsl(urlsplit(login.url).query))["state"]
    base = callback.url.replace("localhost", "127.0.0.1")
    with waited(login) as waiting:
        for path in (base.replace("/callback", "/favicon.ico"), base):
            assert httpx.get(path, timeout=HANGS).status_code == 404
        come_back(callback, code="c", state=state)
        assert waiting.result().refresh_token == "r"


def test_code_is_sent_once(far: FarEnd, callback: Callback) -> None:
    far.on("POST", TOKEN, Reply(504))
    login = BrowserLogin(SalesforceSettings(login_url=far.url), callback)
    state = dict(parse_qsl(urlsplit(login.url).query))["state"]
    with waited(login) as waiting:
        come_back(callback, code="c", state=state)
        with pytest.raises(Exception, match="504"):
            waiting.result()
    assert len(far.requests) == 1


def test_port_that_is_taken_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        port = probe.getsockname()[1]
        words = f"port {port}: cannot be opened"
        with pytest.raises(ConfigurationError, match=words), open_callback(port):
            pass
