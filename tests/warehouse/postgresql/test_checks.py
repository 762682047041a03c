"""What `seil doctor` says of a PostgreSQL server that stands in the way of a run."""

from __future__ import annotations

import re

import psycopg
import pytest
from tests.postgresql import Server

from seil.checks import SiteCheck
from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import checks, open_warehouse
from seil.warehouse.postgresql import checks as postgres_checks


@pytest.fixture
def database(server: Server) -> str:
    return server.new_database()


def results(url: str) -> dict[str, SiteCheck]:
    """By topic."""
    every = checks(WarehouseSettings(url=url))
    return {check.name.removeprefix("warehouse "): check for check in every}


@pytest.mark.parametrize(
    ("setup", "topic", "state", "words"),
    [
        ("", "rights", "fail", "permission denied.*GRANT CREATE, TEMPORARY ON DATABASE"),
        (
            "GRANT CREATE ON DATABASE {0} TO reader; CREATE SCHEMA salesforce",
            "rights",
            "warn",
            "salesforce belongs to seil.*OWNER TO reader",
        ),
        (
            "GRANT CREATE ON DATABASE {0} TO reader; DROP EXTENSION plpgsql",
            "extensions",
            "fail",
            "plpgsql is missing.*CREATE EXTENSION plpgsql",
        ),
        (
            "ALTER DATABASE {0} SET default_transaction_read_only = on",
            "rights",
            "fail",
            "read-only transaction.*primary server",
        ),
        (
            "ALTER DATABASE {0} SET statement_timeout = '5min'",
            "limits",
            "warn",
            "statement_timeout is 5min.*ALTER ROLE reader IN DATABASE {0} SET statement_timeout",
        ),
    ],
    ids=["no right", "another's schema", "no plpgsql", "read-only", "limit"],
)
def test_a_server_that_a_run_would_fail_on_is_named_with_its_cure(
    server: Server, database: str, setup: str, topic: str, state: str, words: str
) -> None:
    with psycopg.connect(server.url(database), autocommit=True) as owner:
        owner.execute(setup.format(database).encode())
    check = results(server.url(database, user="reader"))[topic]
    assert check.state == state
    text = f"{check.detail} -> {check.cure}".replace('"', "")
    assert re.search(words.format(database), text)


def test_tables_that_would_have_another_owner_are_named_before_they_fail_a_build(
    server: Server, database: str
) -> None:
    owner, loader = f"o_{database}"[:40], f"l_{database}"[:40]
    server.admin(
        f"CREATE ROLE {owner} LOGIN",
        f"CREATE ROLE {loader} LOGIN",
        f"GRANT {owner} TO {loader}",
        f"GRANT CREATE ON DATABASE {database} TO {owner}",
    )
    with open_warehouse(WarehouseSettings(url=server.url(database, user=owner))) as warehouse:
        warehouse.prepare()
    alone = results(server.url(database, user=loader))["rights"]
    assert alone.state == "warn"
    assert f"would belong to {loader}" in alone.detail
    option = f"-c%20role%3D{owner}"
    assert option in alone.cure
    assert results(server.url(database, user=loader, options=option))["rights"].state == "ok"

    with psycopg.connect(server.url(database, user=loader), autocommit=True) as connection:
        connection.execute("CREATE TABLE analytics.sizes (id text)")
    with (
        open_warehouse(WarehouseSettings(url=server.url(database, user=owner))) as warehouse,
        pytest.raises(WarehouseError, match=r"denied.*seil doctor"),
    ):
        warehouse.query("SELECT * FROM analytics.sizes")
    rights = results(server.url(database, user=owner))["rights"]
    assert rights.state == "warn"
    assert f"analytics.sizes: owned by {loader}" in rights.detail
    command = rights.cure.split(",")[0]
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        connection.execute(command.encode())
    assert results(server.url(database, user=owner))["rights"].state == "ok"


def test_a_session_that_a_load_would_wait_for_is_named(server: Server, database: str) -> None:
    url = server.url(database)
    with open_warehouse(WarehouseSettings(url=url)) as warehouse:
        warehouse.prepare()
    assert "no other session" in results(url)["locks"].detail
    with psycopg.connect(url, application_name="tableau") as reader:
        reader.execute("SELECT * FROM seil.loads")
        locks = results(url)["locks"]
        assert locks.state == "ok"
        assert "of seil (tableau) holds seil.loads since 20" in locks.detail
        reader.execute("LOCK TABLE seil.loads")
        locks = results(url)["locks"]
        assert locks.state == "warn"
        assert f"pg_terminate_backend({reader.info.backend_pid})" in locks.cure


def test_a_clock_that_is_off_is_named(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_checks, "_SKEW", -postgres_checks._SKEW)
    clock = results(server.url(database))["clock"]
    assert clock.state == "warn"
    assert "NTP" in clock.cure
