from __future__ import annotations

import base64
import stat
from pathlib import Path

import jwt
import pytest

from seil.errors import ConfigurationError
from seil.sandbox.issuer.issuer import ClientGrant, Issuer, TokenRequestError


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def test_a_token_has_the_claims_of_cognitos(issuer: Issuer) -> None:
    form = b"grant_type=client_credentials&client_id=booking&client_secret=s3cret"

    answer = issuer.grant(form)

    keys = jwt.PyJWKSet.from_dict(issuer.jwks())
    kid = jwt.get_unverified_header(answer["access_token"])["kid"]
    claims = jwt.decode(answer["access_token"], keys[kid], ["RS256"], issuer="http://issuer.test")
    assert claims["client_id"] == claims["sub"] == "booking"
    assert claims["token_use"] == "access"
    assert claims["scope"] == "seil-dev-oauth-rs/get seil-dev-oauth-rs/post"
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 3600
    assert answer["token_type"] == "Bearer"


def test_credentials_may_come_as_basic(issuer: Issuer) -> None:
    answer = issuer.grant(
        b"grant_type=client_credentials&scope=seil-dev-oauth-rs%2Fget", basic("booking", "s3cret")
    )

    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["scope"] == "seil-dev-oauth-rs/get"


@pytest.mark.parametrize(
    ("form", "authorization", "code", "status"),
    [
        pytest.param("", "", "invalid_request", 400, id="empty"),
        pytest.param("%%%", "", "invalid_request", 400, id="no form"),
        pytest.param("\xe4", "", "invalid_request", 400, id="not ASCII"),
        pytest.param("grant_type=password", "", "unsupported_grant_type", 400, id="other grant"),
        pytest.param("grant_type=a&grant_type=b", "", "invalid_request", 400, id="repeated"),
        pytest.param(
            "grant_type=client_credentials", basic("nobody", "x"), "invalid_client", 401, id="who"
        ),
        pytest.param(
            "grant_type=client_credentials", basic("nobody", ""), "invalid_client", 401, id="empty"
        ),
        pytest.param(
            "grant_type=client_credentials", basic("booking", "x"), "invalid_client", 401, id="bad"
        ),
        pytest.param("grant_type=client_credentials", "Basic ?", "invalid_client", 401, id="torn"),
        pytest.param("grant_type=client_credentials", "", "invalid_client", 401, id="none"),
        pytest.param(
            "grant_type=client_credentials&scope=seil-dev-oauth-rs/get",
            basic("reader", "other"),
            "invalid_scope",
            400,
            id="scope of others",
        ),
    ],
)
def test_a_wrong_token_request_is_refused(
    issuer: Issuer, form: str, authorization: str, code: str, status: int
) -> None:
    with pytest.raises(TokenRequestError) as caught:
        issuer.grant(form.encode(), authorization)

    assert (caught.value.code, caught.value.status) == (code, status)


def test_the_key_outlives_a_restart_and_is_for_the_owner_only(tmp_path: Path) -> None:
    first = Issuer(tmp_path, "http://issuer.test", {})
    again = Issuer(tmp_path, "http://issuer.test", {})

    assert first.jwks() == again.jwks()
    (file,) = tmp_path.glob("*.pem")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_after_a_rotation_old_tokens_stay_good(issuer: Issuer, clock: object) -> None:
    before = {key["kid"] for key in issuer.jwks()["keys"]}

    new = issuer.rotate()

    assert {key["kid"] for key in issuer.jwks()["keys"]} == before | {new}
    token = issuer.token("booking", frozenset())
    assert jwt.get_unverified_header(token)["kid"] == new


def test_a_folder_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="no signing key can be stored"):
        Issuer(tmp_path / "file", "http://issuer.test", {})


def test_a_grants_repr_masks_its_secret() -> None:
    assert "s3cret" not in repr(ClientGrant("s3cret", frozenset()))
