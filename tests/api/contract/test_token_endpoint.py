"""The stand-in issuer's endpoint beside the API, through HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.deployments import StandIns, local_settings, served
from tests.limits import HANGS

GOOD = {"grant_type": "client_credentials", "client_id": "seil-demo"}


@pytest.fixture
def url(tmp_path: Path, far_ends: StandIns) -> Iterator[str]:
    settings = local_settings(tmp_path, far_ends, token_failures=3, token_rate=20)
    with served(settings) as url:
        yield url


def ask(url: str, secret: str, *, at: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=at)) as client:
        return client.post(f"{url}/oauth2/token", data={**GOOD, "client_secret": secret})


def test_wrong_secrets_are_answered_with_429_and_when_to_come_again(url: str) -> None:
    answers = [ask(url, f"guess {n}", at="127.0.0.2") for n in range(8)]

    # Where a minute of the clock ends in between, one more is judged.
    assert [answer.status_code for answer in answers[:3]] == [401, 401, 401]
    assert answers[-1].status_code == 429
    assert answers[-1].json() == {"error": "temporarily_unavailable"}
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert ask(url, "demo-secret", at="127.0.0.2").status_code == 429
    assert ask(url, "demo-secret", at="127.0.0.3").status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        pytest.param(b"a=" + b"b" * 17_000, {}, 413, "EC41301", id="too long"),
        pytest.param(b"&" * 16_000, {}, 400, "invalid_request", id="empty fields"),
        pytest.param(
            b"grant_type=client_credentials&client_secret=demo-secret",
            {"Authorization": "Basic " + base64.b64encode(b"seil-demo:demo-secret").decode()},
            400,
            "invalid_request",
            id="credentials twice",
        ),
        pytest.param(
            b"grant_type=client_credentials&client_id=somebody-else",
            {"Authorization": "Basic " + base64.b64encode(b"seil-demo:demo-secret").decode()},
            400,
            "invalid_request",
            id="two clients",
        ),
    ],
)
def test_a_request_that_is_none_is_refused(
    url: str, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = httpx.post(f"{url}/oauth2/token", content=body, headers=form, timeout=HANGS)

    assert answer.status_code == status
    assert error in answer.text
