from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.keys import certificate
from seil.sandbox.salesforce.options import OrgOptions

CLIENT = {"client_id": "seil-sandbox", "client_secret": "sandbox-secret"}
USER = "integration@sandbox.example"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ORG_ID, USER_ID = "00D5g0000000001EAA", "0055g0000000001AAA"


def _token(org: Org, form: dict[str, str], **details: Any) -> httpx.Response:
    return httpx.post(f"{org.server.url}/services/oauth2/token", data=form, **details)


def _works(org: Org, token: str) -> bool:
    url = f"{org.server.url}/services/data/v62.0/limits"
    return (
        httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=HANGS).status_code
        == 200
    )


def _assertion(org: Org, *, key: bytes | None = None, **claims: Any) -> dict[str, str]:
    payload = {
        "iss": CLIENT["client_id"],
        "sub": USER,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
        **claims,
    }
    signed = jwt.encode(payload, key or org.server.jwt_key.read_bytes(), algorithm="RS256")
    return {"grant_type": JWT_GRANT, "assertion": signed}


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_client_credentials_in_the_form(shared: Org) -> None:
    answer = _token(shared, {"grant_type": "client_credentials", **CLIENT})
    body = answer.json()
    assert answer.status_code == 200
    assert body["instance_url"] == shared.server.url
    assert body["id"] == f"{shared.server.url}/id/{ORG_ID}/{USER_ID}"
    assert body["token_type"] == "Bearer"
    assert {"issued_at", "signature", "scope"} <= set(body)
    assert _works(shared, body["access_token"])


def test_client_credentials_by_basic_auth_at_the_address_used(shared: Org) -> None:
    url = shared.server.url.replace("127.0.0.1", "localhost")
    answer = httpx.post(
        f"{url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=("seil-sandbox", "sandbox-secret"),
        timeout=HANGS,
    )
    assert answer.json()["instance_url"] == url


def test_password_with_or_without_the_security_token(shared: Org) -> None:
    for password in ("sandbox-password", "sandbox-passwordsandbox-token"):
        form = {"grant_type": "password", "username": USER, "password": password, **CLIENT}
        assert _works(shared, _token(shared, form).json()["access_token"])


def test_refresh_token_needs_no_secret_and_stays_good(shared: Org) -> None:
    form = {
        "grant_type": "refresh_token",
        "client_id": "seil-sandbox",
        "refresh_token": "sandbox-refresh-token",
    }
    for _ in range(2):
        body = _token(shared, form).json()
        assert "refresh_token" not in body
        assert _works(shared, body["access_token"])


def test_refresh_tokens_rotate_where_configured(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(rotate_refresh_tokens=True))
    form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh-token", **CLIENT}
    replacement = _token(org, form).json()["refresh_token"]
    spent = _token(org, form)
    assert spent.status_code == 400
    assert spent.json() == {
        "error": "invalid_grant",
        "error_description": "expired access/refresh token",
    }
    org = serving(OrgOptions(rotate_refresh_tokens=True))
    assert "access_token" in _token(org, {**form, "refresh_token": replacement}).json()


def in_an_hour() -> str:
    return str(int(time.time()) + 3600)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "https://test.salesforce.com"},
        {"aud": ["https://login.salesforce.com"]},
        {"exp": in_an_hour},
        {"sub": None, "prn": USER},
    ],
)
def test_jwt_bearer(shared: Org, claims: dict[str, Any]) -> None:
    values = {name: value() if callable(value) else value for name, value in claims.items()}
    present = {name: value for name, value in values.items() if value is not None}
    form = _assertion(shared, **present)
    if "sub" in claims:
        claimed = {"iss": "seil-sandbox", "aud": shared.server.url, "exp": int(time.time()) + 60}
        key = shared.server.jwt_key.read_bytes()
        form["assertion"] = jwt.encode({**claimed, "prn": USER}, key, algorithm="RS256")
    body = _token(shared, form).json()
    assert _works(shared, body["access_token"])
    assert "issued_at" not in body


@pytest.mark.parametrize(
    ("claims", "error", "description"),
    [
        ({"iss": "somebody"}, "invalid_client_id", "client identifier invalid"),
        ({"sub": "somebody"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"aud": "https://example.com"}, "invalid_grant", "audience is invalid"),
        ({"aud": 7}, "invalid_grant", "audience is invalid"),
        ({"exp": 1_000_000_000}, "invalid_grant", "expired authorization code"),
        ({"exp": "soon"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_jwt_refused(shared: Org, claims: dict[str, Any], error: str, description: str) -> None:
    answer = _token(shared, _assertion(shared, **claims))
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


def test_jwt_with_another_key_or_none(shared: Org) -> None:
    other = _token(shared, _assertion(shared, key=_new_key()))
    assert other.json()["error_description"] == "invalid assertion"
    nonsense = _token(shared, {"grant_type": JWT_GRANT, "assertion": "nonsense"})
    assert nonsense.json()["error_description"] == "invalid assertion"
    unsigned = jwt.encode({"iss": "seil-sandbox"}, "", algorithm="none")
    answer = _token(shared, {"grant_type": JWT_GRANT, "assertion": unsigned})
    assert answer.json()["error_description"] == "invalid assertion"


def test_jwt_of_a_user_who_was_not_approved(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(user_approved=False))
    answer = _token(org, _assertion(org))
    assert answer.json()["error_description"] == "user hasn't approved this consumer"


def test_jwt_verified_with_a_registered_certificate(
    serving: Callable[..., Org], tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path, "localhost")
    org = serving(OrgOptions(public_key=chain))
    assert "access_token" in _token(org, _assertion(org, key=private.read_bytes())).json()


def test_the_pair_made_is_for_its_owner_only(shared: Org) -> None:
    assert shared.server.jwt_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("form", "error", "description"),
    [
        ({}, "invalid_request", "grant_type is required"),
        ({"grant_type": "magic"}, "unsupported_grant_type", "grant type not supported"),
        (
            {"grant_type": "client_credentials", "client_id": "x"},
            "invalid_client_id",
            "client identifier invalid",
        ),
        (
            {"grant_type": "client_credentials", **CLIENT, "client_secret": "x"},
            "invalid_client",
            "invalid client credentials",
        ),
        (
            {"grant_type": "password", **CLIENT, "username": USER, "password": "x"},
            "invalid_grant",
            "authentication failure",
        ),
        (
            {"grant_type": "refresh_token", **CLIENT, "refresh_token": "x"},
            "invalid_grant",
            "expired access/refresh token",
        ),
    ],
)
def test_token_refused(shared: Org, form: dict[str, str], error: str, description: str) -> None:
    answer = _token(shared, form)
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


@pytest.mark.parametrize("encoded", ["!", base64.b64encode(b"\xff").decode()])
def test_basic_auth_that_cannot_be_read(shared: Org, encoded: str) -> None:
    answer = _token(
        shared, {"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {encoded}"}
    )
    assert answer.json()["error"] == "invalid_client"


FORMS = {"login": "https://login.salesforce.com", "test": "https://test.salesforce.com"}


@pytest.mark.parametrize(
    ("audience", "sent", "error"),
    [
        ("my_domain", "own", None),
        ("my_domain", "login", "app_not_found"),
        ("my_domain", "test", "app_not_found"),
        ("login", "login", None),
        ("login", "own", "invalid_grant"),
    ],
)
def test_audience_of_one_form_only(
    serving: Callable[..., Org], audience: Any, sent: str, error: str | None
) -> None:
    org = serving(OrgOptions(audience=audience))
    answer = _token(org, _assertion(org, aud=FORMS.get(sent, org.server.url)))
    assert answer.json().get("error") == error


def _soap(org: Org, username: str, password: str, *, version: str = "59.0") -> httpx.Response:
    body = f"""<?xml version="1.0" encoding="utf-8" ?>
    <env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>
      <n1:login xmlns:n1="urn:partner.soap.sforce.com">
        <n1:username>{username}</n1:username><n1:password>{password}</n1:password>
      </n1:login></env:Body></env:Envelope>"""
    headers = {"Content-Type": "text/xml", "SOAPAction": "login"}
    url = f"{org.server.url}/services/Soap/u/{version}"
    return httpx.post(url, content=body.encode(), headers=headers, timeout=HANGS)


def test_soap_login(shared: Org) -> None:
    answer = _soap(shared, USER, "sandbox-passwordsandbox-token")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml;charset=UTF-8")
    elements = {e.tag.rpartition("}")[2]: e.text for e in ET.fromstring(answer.text).iter()}
    host = shared.server.url.removeprefix("http://")
    assert (elements["serverUrl"] or "").split("/")[2] == host
    assert _works(shared, elements["sessionId"] or "")


def test_soap_login_refused(shared: Org) -> None:
    answer = _soap(shared, USER, "wrong")
    assert answer.status_code == 500
    assert "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in answer.text
    assert "<sf:exceptionMessage>INVALID_LOGIN: Invalid username" in answer.text
    url = f"{shared.server.url}/services/Soap/u/59.0"
    assert "UNKNOWN_EXCEPTION" in httpx.post(url, content=b"<", timeout=HANGS).text


def _soap_call(org: Org, operation: str, session: str) -> httpx.Response:
    body = f"""<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header>
      <SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>{session}</sessionId>
      </SessionHeader></se:Header>
      <se:Body><{operation} xmlns="urn:partner.soap.sforce.com"/></se:Body></se:Envelope>"""
    headers = {"Content-Type": "text/xml", "SOAPAction": '""'}
    url = f"{org.server.url}/services/Soap/u/62.0"
    return httpx.post(url, content=body.encode(), headers=headers, timeout=HANGS)


def test_soap_logout_ends_the_session(shared: Org) -> None:
    login = ET.fromstring(_soap(shared, USER, "sandbox-password").text)
    session = next(e.text or "" for e in login.iter() if e.tag.endswith("}sessionId"))
    assert _soap_call(shared, "logout", session).status_code == 200
    assert not _works(shared, session)
    assert "INVALID_SESSION_ID" in _soap_call(shared, "logout", session).text


def test_soap_has_no_other_calls(shared: Org) -> None:
    answer = _soap_call(shared, "convertLead", "any")
    assert (answer.status_code, "no SOAP call convertLead" in answer.text) == (500, True)


@pytest.mark.parametrize(("version", "status"), [("64.0", 200), ("65.0", 500), ("68.0", 500)])
def test_soap_login_ends_with_version_65(shared: Org, version: str, status: int) -> None:
    answer = _soap(shared, USER, "sandbox-password", version=version)
    assert answer.status_code == status
    assert ("INVALID_OPERATION" in answer.text) == (status == 500)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "somebody"}, "invalid_client_id"),
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri_mismatch"),
    ],
)
def test_browser_is_sent_to_no_stranger(shared: Org, changes: dict[str, str], words: str) -> None:
    good = {"client_id": "seil-sandbox", "redirect_uri": "http://localhost:1717/callback"}
    url = f"{shared.server.url}/services/oauth2/authorize"
    answer = httpx.get(url, params={**good, **changes}, timeout=HANGS)
    assert (answer.status_code, words in answer.text) == (400, True)


@pytest.mark.parametrize("method", ["", "plain"])
def test_code_needs_pkce(shared: Org, method: str) -> None:
    params = {
        "response_type": "code",
        "client_id": "seil-sandbox",
        "redirect_uri": "http://localhost:1717/callback",
        "code_challenge": "x",
        "code_challenge_method": method,
    }
    answer = httpx.get(
        f"{shared.server.url}/services/oauth2/authorize", params=params, timeout=HANGS
    )
    assert "error=invalid_request" in answer.headers["Location"]


def test_userinfo_and_revoke(org: Org) -> None:
    base = f"{org.server.url}/services/oauth2"
    info = org.http.get(f"{base}/userinfo").json()
    assert (info["user_id"], info["organization_id"]) == (USER_ID, ORG_ID)
    assert httpx.get(f"{base}/userinfo", timeout=HANGS).text == "Bad_OAuth_Token"
    token = org.http.headers["Authorization"].removeprefix("Bearer ")
    assert httpx.post(f"{base}/revoke", data={"token": token}, timeout=HANGS).status_code == 200
    assert not _works(org, token)
    again = httpx.get(f"{base}/revoke", params={"token": token}, timeout=HANGS)
    assert (again.status_code, again.json()["error"]) == (400, "unsupported_token_type")


def test_sessions_run_out(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(token_lifetime=0))
    answer = org.http.get("/limits")
    assert answer.status_code == 401
    assert answer.json() == [
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
    ]


def test_sessions_outlive_a_restart(serving: Callable[..., Org]) -> None:
    token = serving().http.headers["Authorization"].removeprefix("Bearer ")
    assert _works(serving(), token)


def test_a_session_is_required_but_where_it_is_not(shared: Org) -> None:
    base = shared.server.url
    assert httpx.get(f"{base}/services/data/v62.0/limits", timeout=HANGS).status_code == 401
    token = shared.http.headers["Authorization"].removeprefix("Bearer ")
    for headers in ({"Authorization": f"OAuth {token}"}, {"X-SFDC-Session": token}):
        assert (
            httpx.get(
                f"{base}/services/data/v62.0/limits", headers=headers, timeout=HANGS
            ).status_code
            == 200
        )
    assert httpx.get(f"{base}/services/data/", timeout=HANGS).status_code == 200
