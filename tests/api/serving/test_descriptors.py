"""`seil serve` in a process that may have few descriptors."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.limits import HANGS, until

from seil.api.serving.connections import connection_limit
from seil.errors import ConfigurationError

DESCRIPTORS = 256
CLIENTS = 1000
_TOKEN = {"grant_type": "client_credentials"}


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """With stand-ins; what it logs is in `folder`/log."""
    limited = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"]
    command = [sys.executable, "-m", "seil", "--json", "serve", "--sandbox", "--port", "0"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*limited, *command], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        ) as api,
    ):
        try:
            assert api.stdout
            yield json.loads(api.stdout.readline())["url"]
        finally:
            api.terminate()


@pytest.fixture
def many() -> Iterator[None]:
    """Descriptors for the clients, in the process of the tests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CLIENTS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.fail(f"this test needs {needed} descriptors, `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


def connected(url: str, stack: ExitStack) -> socket.socket:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=HANGS)
    return stack.enter_context(connection)


def answered(url: str) -> bool:
    """One who comes again where there is no room."""
    return until(lambda: httpx.get(f"{url}/healthz", timeout=HANGS).status_code == 200)


def check_log(folder: Path) -> None:
    """But for a line for each request there are few, and no traceback."""
    log = (folder / "log").read_text("utf-8").splitlines()
    assert len([line for line in log if '"level":"INFO"' not in line]) < 10, log


def test_address_is_printed_when_it_listens(url: str) -> None:
    assert httpx.get(f"{url}/healthz", timeout=HANGS).status_code == 200


@pytest.mark.usefixtures("many")
def test_clients_that_hold_connections_lock_nobody_out(url: str, folder: Path) -> None:
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            connected(url, stack)
        assert answered(url)
    assert answered(url)
    check_log(folder)


@pytest.mark.usefixtures("many")
def test_callers_that_leave_at_once_keep_nobody_waiting(url: str, folder: Path) -> None:
    auth = ("seil-demo", "demo-secret")
    token = httpx.post(f"{url}/oauth2/token", data=_TOKEN, auth=auth, timeout=HANGS).json()[
        "access_token"
    ]
    ask = (
        "GET /v1/techone/foreign-exchange-rate/aud-usd HTTP/1.1\r\nHost: edge.test\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    for _ in range(CLIENTS):
        with ExitStack() as stack:
            connected(url, stack).sendall(ask)
    assert answered(url)
    check_log(folder)


def test_too_few_descriptors_are_logged_with_what_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (128, 128))
    with pytest.raises(ConfigurationError, match=r"ulimit -n 176"):
        connection_limit(None, workers=40)


@pytest.mark.parametrize(
    ("descriptors", "setting", "limit"),
    [
        pytest.param(1024, None, 864, id="what is left"),
        pytest.param(1024, 50, 50, id="as it is set"),
        pytest.param(1_048_576, None, 10_000, id="not more than memory has room for"),
        pytest.param(resource.RLIM_INFINITY, None, 10_000, id="without a limit"),
    ],
)
def test_limit_follows_the_descriptors_of_the_process(
    descriptors: int, setting: int | None, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (descriptors, descriptors))
    assert connection_limit(setting, workers=40) == limit
