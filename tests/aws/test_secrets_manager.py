"""Secrets by reference, from Secrets Manager."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from tests.issuers import Clock
from tests.limits import HANGS
from tests.ministack import Ministack

import seil.secrets_manager
from seil.aws_clients import aws_client
from seil.errors import ConfigurationError, UnavailableError
from seil.secret import Secret
from seil.secrets_manager import Secrets


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def name() -> str:
    return f"dev/tech1/{uuid4().hex}"


@pytest.fixture
def secrets(aws: Ministack, clock: Clock) -> Secrets:
    return Secrets(lambda: aws.client("secretsmanager"), age=300, clock=clock)


def stored(aws: Ministack, name: str, text: str) -> None:
    aws.client("secretsmanager").create_secret(Name=name, SecretString=text)


def changed(aws: Ministack, name: str, text: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=name, SecretString=text)


def test_whole_secret_and_one_value_of_it(aws: Ministack, secrets: Secrets, name: str) -> None:
    text = json.dumps({"client_id": "id", "client_secret": "s3cr3t Füße"})
    stored(aws, name, text)
    assert secrets.reveal(name) == text
    assert secrets.reveal(f"{name}#client_secret") == "s3cr3t Füße"


def test_binary_secret_is_text(aws: Ministack, secrets: Secrets, name: str) -> None:
    manager = aws.client("secretsmanager")
    manager.create_secret(Name=name, SecretBinary="Füße".encode())
    manager.create_secret(Name=f"{name}2", SecretBinary=b"\xff")
    assert secrets.reveal(name) == "Füße"
    with pytest.raises(ConfigurationError, match="the secret is not text"):
        secrets.reveal(f"{name}2")


def test_settings_reference_is_resolved_by_boto3(
    aws_environment: Ministack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Secrets(lambda: aws_client("secretsmanager"))
    monkeypatch.setattr(seil.secrets_manager, "_secrets", fresh)
    stored(aws_environment, name, '{"client_secret": "s3cr3t"}')
    secret = Secret.parse(f"aws:{name}#client_secret")
    assert secret.reveal() == "s3cr3t"
    assert repr(secret) == f"Secret(aws:{name}#client_secret)"


def test_rotated_secret_is_noticed_after_some_minutes(
    aws: Ministack, secrets: Secrets, name: str, clock: Clock
) -> None:
    stored(aws, name, "old")
    assert secrets.reveal(name) == "old"
    changed(aws, name, "new")
    clock.now += 299
    assert secrets.reveal(name) == "old"
    clock.now += 2
    assert secrets.reveal(name) == "new"


@pytest.mark.parametrize(
    ("text", "key"),
    [("no json", "k"), ("[1]", "k"), ("{}", "k"), ('{"k": 1}', "k"), ('{"k": null}', "k")],
)
def test_missing_value_names_the_place_and_not_the_secret(
    aws: Ministack, secrets: Secrets, name: str, text: str, key: str
) -> None:
    stored(aws, name, text)
    with pytest.raises(ConfigurationError) as caught:
        secrets.reveal(f"{name}#{key}")
    assert f"aws:{name}#{key}: the secret is not a JSON object with a string" in str(caught.value)
    assert "no json" not in str(caught.value).replace("no JSON", "")


def test_secret_that_is_not_there_is_a_configuration_error(secrets: Secrets, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"aws:{name}.*ResourceNotFoundException"):
        secrets.reveal(name)


class Manager:
    """Secrets Manager in a bad mood."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def get_secret_value(self, SecretId: str) -> Any:  # noqa: N803 - boto3's name
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return {"SecretString": outcome}


def refusal(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")


def make_secrets(manager: Manager, clock: Clock) -> Secrets:
    return Secrets(lambda: manager, age=300, clock=clock)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure"])
def test_refusal_that_lasts_is_a_configuration_error(code: str, clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match=code):
        make_secrets(Manager(refusal(code)), clock).reveal("x")


def test_manager_that_is_away_is_unavailable(clock: Clock) -> None:
    from botocore.exceptions import EndpointConnectionError

    away = EndpointConnectionError(endpoint_url="x")
    for error in (refusal("InternalServiceError"), refusal("ThrottlingException"), away):
        with pytest.raises(UnavailableError) as caught:
            make_secrets(Manager(error), clock).reveal("x")
        assert not caught.value.reached


def test_known_secret_stays_good_while_the_manager_is_away(clock: Clock) -> None:
    manager = Manager("old", refusal("InternalServiceError"), "new")
    secrets = make_secrets(manager, clock)
    assert secrets.reveal("x") == "old"
    clock.now += 301
    assert secrets.reveal("x") == "old"
    assert secrets.reveal("x") == "old"
    assert manager.calls == 2
    clock.now += 301
    assert secrets.reveal("x") == "new"


def test_withdrawn_secret_is_not_used_any_longer(clock: Clock) -> None:
    secrets = make_secrets(Manager("old", refusal("AccessDeniedException")), clock)
    assert secrets.reveal("x") == "old"
    clock.now += 301
    with pytest.raises(ConfigurationError):
        secrets.reveal("x")


def test_threads_at_once_ask_once(clock: Clock) -> None:
    manager = Manager("s3cr3t")
    secrets, gate = make_secrets(manager, clock), threading.Barrier(8)

    def reveal(_number: int) -> str:
        gate.wait()
        return secrets.reveal("x")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(reveal, range(8))) == {"s3cr3t"}
    assert manager.calls == 1
    assert "s3cr3t" not in repr(secrets._cache)


class HeldManager(Manager):
    """Whose answers wait until somebody lets them go."""

    def __init__(self) -> None:
        super().__init__("old", "old", "new")
        self.asking, self.free = threading.Event(), threading.Event()
        self.free.set()

    def get_secret_value(self, SecretId: str) -> Any:  # noqa: N803 - boto3's name
        self.asking.set()
        self.free.wait(HANGS)
        return super().get_secret_value(SecretId)


@pytest.mark.parametrize("name", ["known", "expired"])
def test_secret_that_is_held_up_holds_up_nobody_who_has_one(clock: Clock, name: str) -> None:
    manager = HeldManager()
    secrets = make_secrets(manager, clock)
    assert secrets.reveal("expired") == "old"
    clock.now += 301
    assert secrets.reveal("known") == "old"
    manager.asking.clear()
    manager.free.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(secrets.reveal, "expired")
        assert manager.asking.wait(HANGS)
        late = threading.Timer(HANGS, manager.free.set)
        late.start()
        assert secrets.reveal(name) == "old"
        assert not waiting.done()
        late.cancel()
        manager.free.set()
        assert waiting.result() == "new"
