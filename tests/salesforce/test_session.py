from __future__ import annotations

import base64
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.salesforce.conftest import TOKEN, FarEnd, Reply, Request

from seil.errors import ConfigurationError, LoginError, UnavailableError
from seil.salesforce.org import Org
from seil.salesforce.session import Session, audiences, client_secret
from seil.secret import Secret
from seil.settings import SalesforceSettings

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
    claims = jwt.decode(form["assertion"], KEY.public_key(), algorithms=["RS256"], audience=far.url)
    assert (claims["iss"], claims["sub"]) == ("app", "etl@example.com")


LOGIN, TEST = "https://login.salesforce.com", "https://test.salesforce.com"
ACME, UAT = "https://acme.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com"


@pytest.mark.parametrize(
    ("login_url", "configured", "expected"),
    [
        (LOGIN, "", (LOGIN,)),
        (f"{TEST}/", "", (TEST,)),
        (ACME, "", (ACME, LOGIN)),
        (f"{UAT}/", "", (UAT, TEST)),
        ("https://acme.my.site.com/sales", "", ("https://acme.my.site.com", LOGIN)),
        ("https://acme.my.site.com", "https://acme.my.site.com/s", ("https://acme.my.site.com/s",)),
    ],
)
def test_audiences(login_url: str, configured: str, expected: tuple[str, ...]) -> None:
    assert audiences(SalesforceSettings(login_url=login_url, audience=configured)) == expected


def audiences_sent(far: FarEnd) -> list[str]:
    claims = [
        jwt.decode(request.form["assertion"], options={"verify_signature": False})
        for request in far.requests
    ]
    return [claim["aud"] for claim in claims]


AUDIENCE_REFUSALS = {
    "app_not_found": {
        "error": "app_not_found",
        "error_description": "External client app is not installed in this org",
    },
    "invalid": {"error": "invalid_grant", "error_description": "audience is invalid"},
}


@pytest.mark.parametrize("refusal", AUDIENCE_REFUSALS.values(), ids=AUDIENCE_REFUSALS)
def test_other_audience_is_tried_once_and_kept(
    far: FarEnd,
    with_jwt: SalesforceSettings,
    caplog: pytest.LogCaptureFixture,
    refusal: dict[str, str],
) -> None:
    granted = Reply(body={"access_token": "t", "instance_url": far.url})
    far.on("POST", TOKEN, Reply(400, refusal), granted)
    with Org(with_jwt) as org:
        org.login()
        org.login()
    assert audiences_sent(far) == [far.url, LOGIN, LOGIN]
    assert f"the org accepts aud {LOGIN}, not {far.url}" in caplog.text


@pytest.mark.parametrize("refusal", AUDIENCE_REFUSALS.values(), ids=AUDIENCE_REFUSALS)
def test_both_audiences_refused(
    far: FarEnd, with_jwt: SalesforceSettings, refusal: dict[str, str]
) -> None:
    far.on("POST", TOKEN, Reply(400, refusal))
    with pytest.raises(LoginError, match=refusal["error_description"]) as caught:
        log_in(with_jwt)
    assert audiences_sent(far) == [far.url, LOGIN]
    assert f"aud {far.url}; {LOGIN}: {refusal['error']}" in str(caught.value)


@pytest.mark.parametrize("description", ["invalid assertion", "user hasn't approved this consumer"])
def test_other_audience_is_not_tried_for_another_refusal(
    far: FarEnd, with_jwt: SalesforceSettings, description: str
) -> None:
    far.on("POST", TOKEN, Reply(400, {"error": "invalid_grant", "error_description": description}))
    with pytest.raises(LoginError):
        log_in(with_jwt)
    assert len(far.requests) == 1


def test_configured_audience_is_the_only_one(far: FarEnd, with_jwt: SalesforceSettings) -> None:
    far.on("POST", TOKEN, Reply(400, AUDIENCE_REFUSALS["invalid"]))
    with pytest.raises(LoginError):
        log_in(changed(with_jwt, audience="https://acme.example"))
    assert audiences_sent(far) == ["https://acme.example"]


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


@pytest.fixture
def refreshing(settings: SalesforceSettings, tmp_path: Path) -> SalesforceSettings:
    return changed(
        settings,
        auth="refresh_token",
        refresh_token="plain:first",
        token_file=tmp_path / "data" / "token.json",
    )


def test_refresh_token(far: FarEnd, refreshing: SalesforceSettings) -> None:
    log_in(refreshing)
    assert far.requests[0].form == {
        "grant_type": "refresh_token",
        "client_id": "app",
        "client_secret": "s3cr3t",
        "refresh_token": "first",
    }


@pytest.mark.parametrize("secret", [None, Secret("plain:sandbox-secret")], ids=["none", "default"])
def test_refresh_token_of_a_public_client(
    refreshing: SalesforceSettings, secret: Secret | None
) -> None:
    public = changed(refreshing, client_secret=secret, login_url="https://acme.example")
    assert client_secret(public) == ""


class Rotating:
    """An org that gives a new token with each answer and ends the one before."""

    def __init__(self, far: FarEnd) -> None:
        self.live, self.count, self.url = "first", 0, far.url
        far.on("POST", TOKEN, self.answer)

    def answer(self, request: Request) -> Reply:
        if request.form["refresh_token"] != self.live:
            words = "expired access/refresh token"
            return Reply(400, {"error": "invalid_grant", "error_description": words})
        self.count += 1
        self.live = f"secret-{self.count}"
        granted = {"access_token": "t", "instance_url": self.url, "refresh_token": self.live}
        return Reply(body=granted)


def test_rotated_token_outlasts_the_process(
    far: FarEnd, refreshing: SalesforceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    rotating = Rotating(far)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            log_in(refreshing)
    assert rotating.count == 3
    file = refreshing.token_file
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.with_suffix(".lock").stat().st_mode & 0o777 == 0o600
    assert "secret-" not in caplog.text


def test_two_processes_rotate_one_after_the_other(
    far: FarEnd, refreshing: SalesforceSettings
) -> None:
    rotating = Rotating(far)
    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(log_in, [refreshing] * 16))
    assert (len(sessions), rotating.count) == (16, 16)


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"refresh_token": Secret("plain:another")}, "another"),
        ({"client_id": "another"}, "first"),
        ({}, "secret-1"),
    ],
    ids=["another seed", "another client", "the same"],
)
def test_kept_token_is_for_its_seed_and_client_at_any_address(
    far: FarEnd,
    refreshing: SalesforceSettings,
    moved: FarEnd,
    change: dict[str, Any],
    sent: str,
) -> None:
    Rotating(far)
    log_in(refreshing)
    moved.on("POST", TOKEN, Reply(body={"access_token": "t", "instance_url": far.url}))
    log_in(changed(refreshing, **change, login_url=moved.url))
    assert moved.requests[-1].form["refresh_token"] == sent


@pytest.mark.parametrize("content", ["", "{", "[]", '{"client_id": "app"}'])
def test_broken_token_file_is_left_aside(
    far: FarEnd, refreshing: SalesforceSettings, content: str
) -> None:
    refreshing.token_file.parent.mkdir()
    refreshing.token_file.write_text(content)
    log_in(refreshing)
    assert far.requests[0].form["refresh_token"] == "first"


def test_token_that_cannot_be_kept_serves_this_process(
    far: FarEnd, refreshing: SalesforceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    rotating = Rotating(far)
    refreshing.token_file.parent.write_text("a file, where a folder should be")
    with Org(refreshing) as org:
        org.login()
        org.login()
    assert rotating.count == 2
    assert "cannot be stored in" in caplog.text
    assert "secret-" not in caplog.text


def test_refusal_after_a_lost_answer_says_what_was_lost(
    far: FarEnd, refreshing: SalesforceSettings
) -> None:
    spent = {"error": "invalid_grant", "error_description": "expired access/refresh token"}
    far.on("POST", TOKEN, Reply(hang_up=True), Reply(400, spent))
    with pytest.raises(LoginError, match=r"lost with the previous answer.*`seil login`"):
        log_in(refreshing)


REFUSALS = [
    ("invalid_grant", "user hasn't approved this consumer", "Pre-authorize"),
    ("invalid_grant", "expired access/refresh token", "seil login"),
    ("app_not_found", "External client app is not installed in this org", "Install the app"),
    ("invalid_client", "app must be installed into org", "Install the app"),
    ("OAUTH_APP_BLOCKED", "this app is blocked by admin", "Use Any API Client"),
    ("OAUTH_APP_BLOCKED", "", "API Access Control"),
    ("invalid_grant", "Authentication failure.", "Check the user"),
    ("invalid_grant", "audience is invalid", "My Domain"),
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
        Reply(200, b"[" * 100_000),
        Reply(hang_up=True),
    ],
    ids=["unknown", "503", "page", "deep", "hung up"],
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


def test_login_that_redirects_is_not_followed(
    far: FarEnd, moved: FarEnd, settings: SalesforceSettings
) -> None:
    far.on("POST", TOKEN, Reply(307, b"", {"Location": f"{moved.url}{TOKEN}"}))
    with pytest.raises(LoginError, match="it redirects to 127") as caught:
        log_in(settings)
    assert "My Domain" in caught.value.hint
    assert moved.requests == []


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
