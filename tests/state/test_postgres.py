"""PostgreSQL as the state: TLS and passwords, lost connections, what a server can refuse."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable

import psycopg
import pytest
from tests.postgresql import PASSWORD, Server, losing_answers, standby
from tests.state.conftest import OpenState

from seil.errors import StateError, StateLostError
from seil.postgres_server import LEAST_VERSION
from seil.secret import Secret
from seil.state import State
from seil.state.database import Transaction, write
from seil.state.decisions import Decision
from seil.state.postgres import PostgresDatabase

DECISION = Decision("size", "text", "me", "2026-01-01T00:00:00+00:00", "int64", "string")


@pytest.fixture(autouse=True)
def _no_libpq_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.fixture
def database(server: Server) -> str:
    return server.new_database()


@pytest.fixture
def state(server: Server, database: str, opened: OpenState) -> State:
    return opened(server.url(database))


def counted(server: Server, database: str) -> int:
    with psycopg.connect(server.url(database)) as connection:
        row = connection.execute("SELECT count(*) FROM seil_state.decisions").fetchone()
    return int(row[0]) if row else -1


def test_a_connection_lost_between_commands_is_made_anew(
    server: Server, database: str, state: State
) -> None:
    for _ in range(3):
        state.decisions.add("Account", [DECISION])
        server.end_connections(database)
    assert state.decisions.get("Account") == [DECISION] * 3


def test_a_connection_lost_in_a_transaction_stores_it_once(
    server: Server, database: str, state: State
) -> None:
    losses = iter([True, True, False])

    def add(transaction: Transaction) -> None:
        transaction.execute(
            "INSERT INTO decisions SELECT 'A', count(*), '', '', '', '', '', '', '', '' "
            "FROM decisions"
        )
        if next(losses):
            server.end_connections(database)

    write(state.database, add)
    assert counted(server, database) == 1


def test_a_connection_that_is_always_lost_is_an_error(
    server: Server, database: str, state: State
) -> None:
    def lose(transaction: Transaction) -> None:
        server.end_connections(database)
        transaction.rows("SELECT 1")

    with pytest.raises(StateLostError, match="Nothing of it was stored"):
        write(state.database, lose)


def test_a_commit_whose_answer_is_lost_is_stored_once(
    server: Server, database: str, opened: OpenState
) -> None:
    with losing_answers(server, b"COMMIT\0") as address:
        state = opened(f"postgresql://seil@{address}/{database}")
        state.decisions.add("Account", [DECISION])
        assert counted(server, database) == 1
        state.close()


def test_a_password_over_tls_admits(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.admin(f"GRANT CREATE ON DATABASE {database} TO reader")
    monkeypatch.setenv("STATE_PASSWORD", PASSWORD)
    url = server.tls_url(database)
    state = State(PostgresDatabase(url, Secret("env:STATE_PASSWORD")))
    state.decisions.add("Account", [DECISION])
    assert state.decisions.get("Account") == [DECISION]
    assert state.database.place == f"postgresql://reader@127.0.0.1:{server.port}/{database}"
    state.close()


def wrong_password(server: Server, database: str) -> PostgresDatabase:
    return PostgresDatabase(server.tls_url(database), Secret("plain:wr0ng-secret"))


def no_password(server: Server, database: str) -> PostgresDatabase:
    return PostgresDatabase(server.tls_url(database))


def no_tls(server: Server, database: str) -> PostgresDatabase:
    return PostgresDatabase(server.tls_url(database, sslmode="disable"))


def unknown_certificate(server: Server, database: str) -> PostgresDatabase:
    url = server.tls_url(database, sslmode="verify-full").replace("server.crt", "none.crt")
    return PostgresDatabase(url, Secret(f"plain:{PASSWORD}"))


def no_database(server: Server, _: str) -> PostgresDatabase:
    return PostgresDatabase(server.url("nothing"))


def no_server(_: Server, database: str) -> PostgresDatabase:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return PostgresDatabase(f"postgresql://x@127.0.0.1:{probe.getsockname()[1]}/{database}")


def unknown_option(server: Server, database: str) -> PostgresDatabase:
    return PostgresDatabase(server.url(database, tls="on"))


def no_rights(server: Server, database: str) -> PostgresDatabase:
    return PostgresDatabase(server.url(database, user="reader"))


def other_encoding(server: Server, database: str) -> PostgresDatabase:
    name = f"{database}_latin"
    server.admin(f"CREATE DATABASE {name} ENCODING LATIN1 TEMPLATE template0")
    return PostgresDatabase(server.url(name))


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (wrong_password, r"password authentication failed.*\[state\] password refers to"),
        (no_password, r"no password.*env:NAME"),
        (no_tls, r"no encryption.*pg_hba\.conf"),
        (unknown_certificate, r"none\.crt.*sslrootcert"),
        (no_database, r'"nothing" does not exist.*Create that database'),
        (no_server, r"refused.*Check host and port"),
        (unknown_option, r'"tls".*Correct \[state\] url'),
        (no_rights, r"permission denied.*CREATE SCHEMA seil_state AUTHORIZATION"),
        (other_encoding, r"encoding LATIN1.*createdb"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_refusal_says_what_to_do(
    server: Server, database: str, refused: Callable[[Server, str], PostgresDatabase], words: str
) -> None:
    state = State(refused(server, database))
    with pytest.raises(StateError, match=words) as caught:
        state.decisions.add("Account", [DECISION])
    state.close()
    assert state.database.place in str(caught.value)
    assert not re.search(r"wr0ng-secret|pa55-w0rd", f"{caught.value!r}{caught.value}")
    assert not re.search(r"\bmv\b", str(caught.value))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (f"{LEAST_VERSION - 1}.9", f"is PostgreSQL {LEAST_VERSION - 1}.*Upgrade the server"),
        ("17.4", r"during recovery.*primary server.*target_session_attrs"),
    ],
    ids=["too old", "standby"],
)
def test_a_server_that_cannot_hold_a_state_is_named(version: str, words: str) -> None:
    thread, port = standby(version)
    state = State(PostgresDatabase(f"postgresql://me@127.0.0.1:{port}/db?sslmode=disable"))
    with pytest.raises(StateError, match=words):
        state.decisions.add("Account", [DECISION])
    state.close()
    thread.join()


def test_who_may_only_read_reads(server: Server, database: str, state: State) -> None:
    state.decisions.add("Account", [DECISION])
    with psycopg.connect(server.url(database)) as connection:
        connection.execute("GRANT USAGE ON SCHEMA seil_state TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA seil_state TO reader")
    reader = State(PostgresDatabase(server.url(database, user="reader")))
    assert reader.decisions.get("Account") == [DECISION]
    reader.close()


def test_others_tables_stay_out_of_it(server: Server, database: str, state: State) -> None:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute("CREATE TABLE runs (mine int)")
    state.decisions.add("Account", [DECISION])
    assert state.runs.find() == []
