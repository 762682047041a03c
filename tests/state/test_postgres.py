"""PostgreSQL as the state: TLS and passwords, lost connections, what a server can refuse."""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from tests.postgresql import PASSWORD, Server
from tests.state.conftest import OpenState

from seil.errors import StateError, StateLostError
from seil.secret import Secret
from seil.state import State
from seil.state.database import Transaction, write
from seil.state.decisions import Decision
from seil.state.postgres import LEAST_VERSION, PostgresDatabase

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


@contextmanager
def losing_answers(server: Server, statement: bytes) -> Iterator[str]:
    """Between client and server: hands the statement on, and drops the answer to it, once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lost = threading.Event()

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=pump, args=(client,), daemon=True).start()

        def pump(client: socket.socket) -> None:
            far = socket.socket(socket.AF_UNIX)
            far.connect(f"{server.folder}/.s.PGSQL.{server.port}")
            threading.Thread(target=back, args=(far, client), daemon=True).start()
            # The other direction may have closed both.
            with client, suppress(OSError):
                while data := client.recv(65536):
                    if statement in data and not lost.is_set():
                        lost.set()
                        dropped.add(far)
                    far.sendall(data)
                far.shutdown(socket.SHUT_WR)

        def back(far: socket.socket, client: socket.socket) -> None:
            with far, suppress(OSError):
                while data := far.recv(65536):
                    if far in dropped:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    client.sendall(data)

        dropped: set[socket.socket] = set()
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        assert lost.is_set()
        listener.shutdown(socket.SHUT_RDWR)


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


def standby(parameters: dict[str, str]) -> tuple[threading.Thread, int]:
    """Answers a login, and every statement with 25006, as a server in recovery does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    ready = message(b"Z", b"I")
    fields = b"SERROR\0VERROR\0C25006\0Mcannot execute this during recovery\0\0"

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(65536)
            content = b"".join(
                message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items()
            )
            client.sendall(message(b"R", struct.pack("!i", 0)) + content + ready)
            while client.recv(65536):
                client.sendall(message(b"E", fields) + ready)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread, listener.getsockname()[1]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (f"{LEAST_VERSION - 1}.9", f"is PostgreSQL {LEAST_VERSION - 1}.*Upgrade the server"),
        ("17.4", r"during recovery.*primary server.*target_session_attrs"),
    ],
    ids=["too old", "standby"],
)
def test_a_server_that_cannot_hold_a_state_is_named(version: str, words: str) -> None:
    parameters = {"server_version": version, "server_encoding": "UTF8", "client_encoding": "UTF8"}
    thread, port = standby(parameters)
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
