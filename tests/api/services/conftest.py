from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from tests.ministack import Ministack, ministack

from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.request_file import SqliteStore
from seil.aws.idempotency import DynamoStore

# Makes a store on one place: every one made by it sees the same keys.
MakeStore = Callable[..., IdempotencyStore]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    with ministack(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def aws_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 is sent where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in Ministack(f"http://127.0.0.1:{port}").environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(params=["sqlite", "dynamodb"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    if request.param == "dynamodb":
        aws: Ministack = request.getfixturevalue("aws")
        table = f"requests-{uuid4().hex}"
        aws.table(table)
        yield lambda **options: DynamoStore(table, lambda: aws.client("dynamodb"), **options)
        return
    stores: list[SqliteStore] = []

    def make(**options: object) -> SqliteStore:
        stores.append(SqliteStore(tmp_path / "requests.sqlite", **options))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        with closing(store):
            pass
