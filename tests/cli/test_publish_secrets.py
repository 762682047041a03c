"""A catalog's secrets: references in the settings, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.cli.conftest import Ran, Seil
from tests.iceberg.rest_catalog import RestServer, rest_server

from seil.settings import load_settings
from seil.warehouse import open_warehouse

SENTINEL = "zq7Kp0wXv9Lm3Rt"
PUBLISH = ["publish", "iceberg", "-t", "salesforce.account"]
WAREHOUSE = '[warehouse]\nurl = "duckdb:w.duckdb"\npublish = false\n'


@pytest.fixture
def server(home: Path) -> Iterator[RestServer]:
    (home / "seil.toml").write_text(WAREHOUSE)
    with open_warehouse(load_settings(home / "seil.toml").warehouse) as warehouse:
        warehouse.prepare()
    with duckdb.connect(str(home / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS salesforce")
        connection.execute("CREATE TABLE salesforce.account AS SELECT '1' AS id")
    with rest_server(home / "served") as server:
        yield server


def configure(home: Path, server: RestServer, lines: str) -> None:
    text = f'{WAREHOUSE}[publish]\ncatalog = "{server.url}"\n{lines}\n'
    (home / "seil.toml").write_text(text)


def check_hidden(home: Path, *runs: Ran) -> None:
    assert [ran for ran in runs if SENTINEL in ran.out + ran.err] == []
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any("sqlite" in path.name for path in files)
    assert [path for path in files if SENTINEL.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "lines",
    [
        'token = "env:SENTINEL"',
        '[publish.secrets]\ntoken = "env:SENTINEL"',
        '[publish.secrets]\n"header.X-Own" = "env:SENTINEL"\ntoken = "env:SENTINEL"',
    ],
    ids=["token", "secrets", "header"],
)
def test_a_secret_reaches_the_catalog_alone(
    seil: Seil, home: Path, server: RestServer, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    monkeypatch.setenv("SENTINEL", SENTINEL)
    configure(home, server, lines)
    runs = [seil(*PUBLISH), seil("publish", "status", "-t", "salesforce.account", "--json")]
    assert [ran.code for ran in runs] == [0, 0]
    assert server.authorization == f"Bearer {SENTINEL}"
    check_hidden(home, *runs, seil("doctor"), seil("runs", "list", "--json"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("config", 403),
        ("transactions/commit", 400),
        ("transactions/commit", 409),
        ("tables/account", 500),
    ],
)
def test_a_secret_that_a_catalog_repeats_is_masked(
    seil: Seil,
    home: Path,
    server: RestServer,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
) -> None:
    monkeypatch.setenv("SENTINEL", SENTINEL)
    configure(home, server, '[publish.secrets]\ntoken = "env:SENTINEL"')
    answer = server.answer

    def refuse(method: str, place: str, body: Any) -> tuple[int, Any]:
        if place.partition("?")[0].endswith(path):
            error = {"message": f"no such user {SENTINEL}", "type": "Refused", "code": status}
            return status, {"error": error}
        return answer(method, place, body)

    monkeypatch.setattr(server, "answer", refuse)
    runs = [seil(*PUBLISH), seil("runs", "show", "last", "--json"), seil("status"), seil("doctor")]
    assert runs[0].code != 0
    assert "****" in runs[0].out + runs[0].err
    check_hidden(home, *runs)


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "s3.secret-access-key",
        "s3.session-token",
        "adls.account-key",
        "header.Authorization",
    ],
)
def test_a_plain_secret_among_the_options_is_refused(
    seil: Seil, home: Path, server: RestServer, name: str
) -> None:
    configure(home, server, f'[publish.options]\n"{name}" = "{SENTINEL}"')
    ran = seil(*PUBLISH)
    assert ran.code != 0
    assert f"{name} is a secret" in ran.err
    assert "[publish.secrets]" in ran.err
    assert SENTINEL not in ran.out + ran.err
