from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.limits import HANGS
from tests.sandbox.techone.conftest import Http, logged_in

from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.server import TechOneServer

_GRANT = {"grant_type": "client_credentials"}
_FORM = {"client_id": "seil-sandbox", "client_secret": "sandbox-secret"}
_BASIC = ("seil-sandbox", "sandbox-secret")


def test_a_client_logs_in_either_way(running: TechOneServer) -> None:
    by_form = httpx.post(running.token_url, data={**_GRANT, **_FORM}, timeout=HANGS)
    by_basic = httpx.post(running.token_url, data=_GRANT, auth=_BASIC, timeout=HANGS)
    for answer in (by_form, by_basic):
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        granted = answer.json()
        assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
        assert Http(running, granted["access_token"]).rate().status_code == 200


def test_basic_credentials_are_form_encoded(tmp_path: Path) -> None:
    options = TechOneOptions(client_id="a:b", client_secret="c +%d")
    with TechOneServer(tmp_path, options=options) as server:
        answer = httpx.post(
            server.token_url, data=_GRANT, auth=("a%3Ab", "c+%2B%25d"), timeout=HANGS
        )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "auth", "status", "error"),
    [
        (_GRANT, None, 401, "invalid_client"),
        (_GRANT, ("seil-sandbox", "wrong"), 401, "invalid_client"),
        (_GRANT, ("other", "sandbox-secret"), 401, "invalid_client"),
        ({**_GRANT, **_FORM, "client_secret": "é"}, None, 401, "invalid_client"),
        ({**_GRANT, **_FORM}, _BASIC, 400, "invalid_request"),
        ({}, _BASIC, 400, "invalid_request"),
        ({"grant_type": "password"}, _BASIC, 400, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials"] * 2}, _BASIC, 400, "invalid_request"),
    ],
)
def test_refused_logins(
    running: TechOneServer,
    form: dict[str, str],
    auth: tuple[str, str] | None,
    status: int,
    error: str,
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = httpx.post(running.token_url, data=form, auth=auth, headers=headers, timeout=HANGS)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("header", ["Basic ???", "Basic bm9jb2xvbg==", "Digest x", "Basic"])
def test_authorization_that_cannot_be_read(running: TechOneServer, header: str) -> None:
    answer = httpx.post(
        running.token_url, data=_GRANT, headers={"Authorization": header}, timeout=HANGS
    )
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json", b"{}"), ("application/x-www-form-urlencoded", b"\xff")],
)
def test_a_form_that_is_none(running: TechOneServer, kind: str, body: bytes) -> None:
    answer = httpx.post(
        running.token_url, content=body, headers={"Content-Type": kind}, timeout=HANGS
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_token_ends(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    options = TechOneOptions(token_lifetime=60, now=lambda: now)
    with TechOneServer(tmp_path, options=options) as server:
        http = logged_in(server)
        assert http.rate().status_code == 200
        now += timedelta(seconds=60)
        assert http.rate().status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic x", b"Bearer \xff\xfe"])
def test_without_a_good_token(running: TechOneServer, header: str | bytes) -> None:
    http = Http(running)
    answer = http.rate(headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {"Message": "Authorization has been denied for this request."}
    assert (
        httpx.post(
            f"{running.url}{running.options.credit_path}", json={}, timeout=HANGS
        ).status_code
        == 401
    )


def test_secrets_are_in_no_repr_and_not_on_disk(running: TechOneServer, http: Http) -> None:
    assert "sandbox-secret" not in repr(running.options)
    assert "sandbox-password" not in repr(running.options)
    for file in running.folder.iterdir():
        assert http.token.encode() not in file.read_bytes()
