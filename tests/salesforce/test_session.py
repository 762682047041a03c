from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.salesforce.conftest import TOKEN, FarEnd, Reply

from seil.errors import ConfigurationError, LoginError, UnavailableError
from seil.salesforce.org import Org
from seil.salesforce.session import Session, audience
from seil.settings import SalesforceSettings, Secret

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any, passphrase: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    pkcs8 = serialization.PrivateFormat.PKCS8
    data: bytes = key.private_bytes(serialization.Encoding.PEM, pkcs8, encryption)
    return data


@pytest.fixture
def with_jwt(far: FarEnd, tmp_path: Path) -> SalesforceSettings:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(KEY))
    return SalesforceSettings(
        login_url=far.url + "/",
        auth="jwt",
        client_id="app",
        username="etl@example.com",
        private_key=Secret(f"file:{file}"),
        attempts=2,
    )


def changed(settings: SalesforceSettings, **values: Any) -> SalesforceSettings:
    return SalesforceSettings.model_validate({**dict(settings), **values})


def log_in(settings: SalesforceSettings) -> Session:
    with Org(settings, sleep=lambda _: None) as org:
        return org.login()


def test_jwt_is_signed_for_the_user(far: FarEnd, with_jwt: SalesforceSettings) -> None:
    session = log_in(with_jwt)
    form = far.requests[0].form
    assert session.instance_url == far.url
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    aud = "https://login.salesforce.com"
    claims = jwt.decode(form["assertion"], KEY.public_key(), algorithms=["RS256"], audience=aud)
    assert (claims["iss"], claims["sub"]) == ("app", "etl@example.com")


@pytest.mark.parametrize(
    ("login_url", "configured", "expected"),
    [
        ("https://login.salesforce.com", "", "https://login.salesforce.com"),
        ("https://test.salesforce.com", "", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "", "https://test.salesforce.com"),
        ("https://acme.my.site.com", "https://acme.my.site.com", "https://acme.my.site.com"),
    ],
)
def test_audience(login_url: str, configured: str, expected: str) -> None:
    assert audience(SalesforceSettings(login_url=login_url, audience=configured)) == expected


@pytest.mark.parametrize(
    "key",
    [
        b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        b"not a key at all: c2VjcmV0",
        pem(KEY, b"pass"),
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["broken", "text", "passphrase", "elliptic"],
)
def test_jwt_with_an_unusable_key(with_jwt: SalesforceSettings, tmp_path: Path, key: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(key)
    with pytest.raises(ConfigurationError, match="is not a usable key") as caught:
        log_in(with_jwt)
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_client_credentials_go_in_basic(far: FarEnd, settings: SalesforceSettings) -> None:
    log_in(settings)
    request = far.requests[0]
    assert request.form == {"grant_type": "client_credentials"}
    assert base64.b64decode(request.headers["Authorization"].split()[1]) == b"app:s3cr3t"


def with_refresh_token(settings: SalesforceSettings) -> SalesforceSettings:
    return changed(settings, auth="refresh_token", refresh_token="plain:first")


def test_refresh_token(far: FarEnd, settings: SalesforceSettings) -> None:
    log_in(with_refresh_token(settings))
    assert far.requests[0].form == {
        "grant_type": "refresh_token",
        "client_id": "app",
        "client_secret": "s3cr3t",
        "refresh_token": "first",
    }


def test_refresh_token_of_a_public_client(far: FarEnd, settings: SalesforceSettings) -> None:
    log_in(changed(with_refresh_token(settings), client_secret=None))
    assert "client_secret" not in far.requests[0].form


def test_rotated_refresh_token_is_kept(
    far: FarEnd, settings: SalesforceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    granted = {"access_token": "t", "instance_url": far.url}
    far.on(
        "POST",
        TOKEN,
        Reply(body=granted | {"refresh_token": "second"}),
        Reply(body=granted | {"refresh_token": "second"}),
        Reply(body=granted),
    )
    with Org(with_refresh_token(settings)) as org, caplog.at_level(logging.WARNING):
        for _ in range(4):
            org.login()
    assert [r.form["refresh_token"] for r in far.requests] == [
        "first",
        "second",
        "second",
        "second",
    ]
    assert len(caplog.records) == 1
    assert "rotated the refresh token: the one in plain:****" in caplog.text
    assert "second" not in caplog.text


REFUSALS = [
    ("invalid_grant", "user hasn't approved this consumer", "Pre-authorize"),
    ("invalid_grant", "expired access/refresh token", "get a new one"),
    ("invalid_grant", "Authentication failure.", "Check the user"),
    ("invalid_grant", "audience is invalid", "Set audience"),
    ("invalid_grant", "invalid assertion", "certificate"),
    ("invalid_grant", "expired authorization code", "clock"),
    ("invalid_grant", "request not supported on this domain", "My Domain"),
    ("invalid_grant", "no client credentials user enabled", "run-as user"),
    ("invalid_grant", "ip restricted", "IP restrictions"),
    ("invalid_grant", "login rate exceeded", "wait an hour"),
    ("invalid_client", "invalid client credentials", "client_secret"),
    ("invalid_client_id", "client identifier invalid", "ten minutes"),
    ("inactive_user", "", "Activate"),
    ("unsupported_grant_type", "grant type not supported", "Switch this OAuth flow on"),
    ("brand_new", "", "seil doctor"),
]


@pytest.mark.parametrize(("code", "description", "hint"), REFUSALS)
def test_login_refused(
    far: FarEnd, settings: SalesforceSettings, code: str, description: str, hint: str
) -> None:
    body = {"error": code} | ({"error_description": description} if description else {})
    far.on("POST", TOKEN, Reply(400, body))
    with pytest.raises(LoginError) as caught:
        log_in(settings)
    error = caught.value
    assert (error.login_url, error.code, error.description) == (far.url, code, description)
    assert hint in error.hint
    assert "s3cr3t" not in str(error)
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Reply(400, {"error": "unknown_error", "error_description": "retry your request"}),
        Reply(503),
        Reply(200, b"<html>setting things up</html>"),
        Reply(hang_up=True),
    ],
    ids=["unknown", "503", "page", "hung up"],
)
def test_login_that_fails_in_passing_is_repeated(
    far: FarEnd, settings: SalesforceSettings, failure: Reply
) -> None:
    granted = {"access_token": "t", "instance_url": far.url}
    far.on("POST", TOKEN, failure, Reply(body=granted))
    assert log_in(settings).access_token == "t"


def test_login_that_keeps_failing(far: FarEnd, settings: SalesforceSettings) -> None:
    far.on("POST", TOKEN, Reply(503, b"", {"Retry-After": "4"}))
    with pytest.raises(UnavailableError, match="Salesforce login answered 503: an empty answer"):
        log_in(settings)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, b"<html>URL No Longer Exists</html>"), "HTTP 404: URL No Longer Exists"),
        (Reply(body={"instance_url": "https://x.example"}), "no access_token in the answer"),
        (Reply(body={"access_token": "t"}), "no instance_url in the answer"),
        (
            Reply(body={"access_token": "t", "instance_url": "http://acme.example"}),
            "instance_url http://acme.example is not https",
        ),
    ],
    ids=["not there", "no token", "no instance", "not https"],
)
def test_login_answer_of_no_use(
    far: FarEnd, settings: SalesforceSettings, reply: Reply, words: str
) -> None:
    far.on("POST", TOKEN, reply)
    with pytest.raises(LoginError, match=words):
        log_in(settings)


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ("jwt", {"salesforce.client_id", "salesforce.username", "salesforce.private_key"}),
        ("client_credentials", {"salesforce.client_id", "salesforce.client_secret"}),
        ("refresh_token", {"salesforce.client_id", "salesforce.refresh_token"}),
    ],
)
def test_every_missing_setting_is_named_at_once(auth: Any, missing: set[str]) -> None:
    settings = SalesforceSettings(auth=auth, client_id="", client_secret=None)
    with pytest.raises(ConfigurationError) as caught:
        log_in(settings)
    assert {p.place for p in caught.value.problems} == missing


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://login.salesforce.com", "is not an https address"),
        ("login.salesforce.com", "is not an https address"),
        ("https://acme.lightning.force.com", "my.salesforce.com"),
    ],
)
def test_login_url_of_no_use(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        log_in(SalesforceSettings(login_url=url))


def test_localhost_may_speak_http(far: FarEnd, settings: SalesforceSettings) -> None:
    port = far.url.rpartition(":")[2]
    session = log_in(changed(settings, login_url=f"http://localhost:{port}"))
    assert session.instance_url == far.url
