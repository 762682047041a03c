"""A PostgreSQL server that fails: a line that says what to do, nothing lost, nothing doubled."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.limits import until
from tests.postgresql import PASSWORD, Server, Version, losing_answers, refusing, standby
from tests.sf_to_dw.tables.conftest import Curator
from tests.warehouse.postgresql.conftest import SELECT
from tests.warehouse.records import TABLE, Accounts

from seil.catalog import load_catalog
from seil.errors import StatementError, WarehouseError
from seil.interruption import TerminatedError, raised_signals
from seil.lake import Lake
from seil.secret import Secret
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.postgresql.errors import warehouse_error

FULL = 'could not extend file "base/5/16391": No space left on device'


def opened(url: str) -> Warehouse:
    return open_warehouse(WarehouseSettings(url=url))


def through(address: str, url: str) -> str:
    return f"postgresql://seil@{address}{urlsplit(url).path}?sslmode=disable"


def stored(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        select = "SELECT id, size FROM salesforce.account ORDER BY 1"
        return connection.execute(select).fetchall()


@pytest.mark.parametrize(
    ("statement", "sqlstate", "message", "words"),
    [
        (b"COPY", "53100", FULL, "No space left.*free some space.*nothing is lost"),
        (b"INSERT INTO", "53100", FULL, "No space left.*free some space.*nothing is lost"),
        (b"COMMIT", "53100", FULL, "No space left.*free some space.*nothing is lost"),
        (b"COPY", "25006", "cannot execute COPY FROM in a read-only transaction", "primary"),
        (b"COPY", "57014", "canceling statement due to statement timeout", "statement_timeout = 0"),
        (b"ANALYZE", "53200", "out of shared memory", "Let the server have more memory"),
    ],
    ids=["full", "full later", "full at last", "read-only", "time limit", "memory"],
)
def test_what_a_server_refuses_in_a_load_says_what_to_do(
    server: Server,
    url: str,
    accounts: Accounts,
    statement: bytes,
    sqlstate: str,
    message: str,
    words: str,
) -> None:
    file = accounts.file(2, [{"id": "B", "size": 2, "stamp": 2}])
    with (
        refusing(server, statement, sqlstate, message) as address,
        opened(through(address, url)) as warehouse,
    ):
        accounts.warehouse = warehouse
        with pytest.raises(WarehouseError) as refusal:
            accounts.merge(file)
        assert stored(url) == [("A", 1)]
        accounts.merge(file)
    assert stored(url) == [("A", 1), ("B", 2)]
    assert re.search(words, str(refusal.value))


def test_a_load_whose_commit_lost_its_answer_is_repeated_once(
    server: Server, url: str, accounts: Accounts
) -> None:
    file = accounts.file(2, [{"id": "B", "size": 2, "stamp": 2}])
    with (
        losing_answers(server, b"COMMIT\0") as address,
        opened(through(address, url)) as warehouse,
    ):
        accounts.warehouse = warehouse
        with pytest.raises(WarehouseError, match=r"unknown outcome.*not stored twice"):
            accounts.merge(file)
    with opened(url) as warehouse:
        accounts.warehouse = warehouse
        accounts.merge(file)
    assert stored(url) == [("A", 1), ("B", 2)]


@pytest.mark.parametrize("step", ["load", "build"])
def test_a_server_that_crashes_has_the_tables_of_before(
    server: Server, url: str, accounts: Accounts, warehouse: Warehouse, step: str
) -> None:
    file = accounts.file(2, [{"id": "B", "size": 2, "stamp": 2}])

    def run(crash: Callable[[], None]) -> None:
        with accounts.warehouse.commit(step) as commit:
            if step == "load":
                commit.merger.merge(accounts.records, [file])
            else:
                staged = commit.builder.stage_table(TABLE._replace(schema=""), SELECT)
                commit.builder.publish([staged])
            crash()

    def crash() -> None:
        pid = warehouse.query("SELECT pg_backend_pid() AS pid")["pid"][0].as_py()
        os.kill(pid, signal.SIGKILL)  # Ends every session, and the server recovers.

    with psycopg.connect(url, autocommit=True) as another:
        with pytest.raises(WarehouseError) as failure:
            run(crash)
        until(lambda: is_ended(another))
    until(lambda: is_up(url))
    assert "ended the connection" in failure.value.hint
    assert "[warehouse] url" not in failure.value.hint
    assert "input failed" not in str(failure.value)
    assert stored(url) == [("A", 1)]
    with opened(url) as again:
        accounts.warehouse = again
        run(lambda: None)
        assert again.query("SELECT id FROM salesforce.account").num_rows == 1 + (step == "load")


@pytest.mark.parametrize(
    "words",
    [
        "consuming input failed: SSL connection has been closed unexpectedly",
        "consuming input failed: SSL SYSCALL error: EOF detected",
        "sending query failed: could not send data to server: Broken pipe",
        "consuming input failed: could not receive data from server: Connection timed out",
    ],
)
def test_a_connection_that_breaks_in_use_is_not_blamed_on_the_settings(words: str) -> None:
    error = warehouse_error("postgresql://x", psycopg.OperationalError(words))
    assert error.reason == words.split(" failed: ")[1]
    assert "ended the connection" in error.hint
    assert "[warehouse] url" not in error.hint


def is_ended(connection: psycopg.Connection) -> bool:
    with suppress(psycopg.OperationalError):
        connection.execute("SELECT 1")
    return connection.closed


def is_up(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_command_that_waits_in_the_server_stops_and_leaves_no_session(
    server: Server, accounts: Accounts, number: signal.Signals, error: type[BaseException]
) -> None:
    database = urlsplit(accounts.warehouse.url).path[1:]
    url = server.url(database, application_name="waiting")
    session = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'waiting'"

    def signal_once_it_waits() -> None:
        until(lambda: server.admin(f"{session} AND wait_event_type = 'Lock'"))
        os.kill(os.getpid(), number)

    with psycopg.connect(server.url(database)) as holder:
        holder.execute("LOCK TABLE salesforce.account")
        thread = threading.Thread(target=signal_once_it_waits)
        thread.start()
        with (
            raised_signals(),
            pytest.raises(error),
            opened(url) as warehouse,
            warehouse.commit("waits") as commit,
        ):
            commit.tables.drop(TABLE)
        thread.join()
        until(lambda: not server.admin(session))
    assert accounts.rows("id") == [("A",)]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("14.9", "the server is PostgreSQL 14, a warehouse needs 15.*Upgrade the server"),
        ("17.4", "during recovery.*primary server.*target_session_attrs"),
    ],
    ids=["too old", "standby"],
)
def test_a_server_that_cannot_hold_a_warehouse_is_named(version: str, words: str) -> None:
    thread, port = standby(version)
    with pytest.raises(WarehouseError, match=words):
        opened(f"postgresql://me@127.0.0.1:{port}/db?sslmode=disable")
    thread.join()


def test_a_server_without_a_free_connection_is_named(server: Server, url: str) -> None:
    role = f"few_{urlsplit(url).path[-8:]}"
    server.admin(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    with pytest.raises(WarehouseError, match=r"too many connections.*max_connections"):
        opened(url.replace("//seil@", f"//{role}@"))


@pytest.mark.matrix
def test_a_password_over_tls_admits(
    servers: Callable[[Version], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers(17)
    monkeypatch.setenv("WAREHOUSE_PASSWORD", PASSWORD)
    url = server.tls_url(server.new_database())
    settings = WarehouseSettings(url=url, password=Secret("env:WAREHOUSE_PASSWORD"))
    with open_warehouse(settings, read_only=True) as warehouse:
        used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert warehouse.query(used)["ssl"].to_pylist() == [True]
    wrong = WarehouseSettings(url=url, password=Secret("plain:wr0ng"))
    with pytest.raises(WarehouseError, match="password authentication failed") as refusal:
        open_warehouse(wrong)
    assert "wr0ng" not in f"{refusal.value!r}"
    other = WarehouseSettings(url=url.replace("server.crt", "none.crt"), password=settings.password)
    with pytest.raises(WarehouseError, match=r"none\.crt.*sslrootcert"):
        open_warehouse(other)


_SLOW = "PERFORM pg_sleep(60)"
_SORTED = "PERFORM g FROM generate_series(1, 300000) AS g ORDER BY -g"
_FULL = f"RAISE EXCEPTION '{FULL}' USING ERRCODE = 'disk_full'"


@contextmanager
def trigger(url: str, body: str) -> Iterator[None]:
    """Before each row of the table."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"""
            CREATE FUNCTION public.hinder() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN {body}; RETURN NEW; END $$;
            CREATE TRIGGER hinder BEFORE INSERT ON salesforce.account
                FOR EACH ROW EXECUTE FUNCTION public.hinder()""")
        yield
        owner.execute("DROP TRIGGER hinder ON salesforce.account")


@pytest.mark.parametrize(
    ("option", "body", "words"),
    [
        ("statement_timeout=50ms", _SLOW, "statement timeout.*SET statement_timeout = 0"),
        ("transaction_timeout=500ms", _SLOW, "transaction timeout.*SET transaction_timeout = 0"),
        ("default_transaction_read_only=on", "NULL", "read-only.*primary.*read_only = off"),
        (
            "temp_file_limit=1kB",
            _SORTED,
            "temp_file_limit.*SET temp_file_limit = -1",
        ),
        ("work_mem=4MB", _FULL, "No space left.*free some space.*nothing is lost"),
    ],
    ids=["statement", "transaction", "read-only", "temporary files", "disk"],
)
def test_a_limit_of_the_server_is_named_and_a_load_without_it_goes_on(
    server: Server, url: str, accounts: Accounts, option: str, body: str, words: str
) -> None:
    file = accounts.file(2, [{"id": "B", "size": 2, "stamp": 2}])
    limited = server.url(urlsplit(url).path[1:], options=f"-c%20{option.replace('=', '%3D')}")
    with trigger(url, body), opened(limited) as warehouse:
        accounts.warehouse = warehouse
        with pytest.raises(WarehouseError) as refusal:
            accounts.merge(file)
    assert re.search(words, str(refusal.value))
    assert not isinstance(refusal.value, StatementError)
    assert stored(url) == [("A", 1)]
    with opened(url) as warehouse:
        accounts.warehouse = warehouse
        accounts.merge(file)
    assert stored(url) == [("A", 1), ("B", 2)]


@pytest.mark.parametrize(
    ("limit", "in_transaction"),
    [("idle_in_transaction_session_timeout", True), ("idle_session_timeout", False)],
)
def test_a_limit_of_idle_sessions_is_named(
    server: Server, url: str, accounts: Accounts, limit: str, in_transaction: bool
) -> None:
    options = {"options": f"-c%20{limit}%3D50ms", "application_name": "idle"}
    session = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'idle'"

    def idle() -> None:
        until(lambda: not server.admin(session))

    with opened(server.url(urlsplit(url).path[1:], **options)) as warehouse:
        if not in_transaction:
            idle()
        with (
            pytest.raises(WarehouseError, match=f"Lift that limit.*SET {limit} = 0"),
            warehouse.commit("idle") as commit,
        ):
            commit.tables.drop(TABLE)
            idle()
    assert stored(url) == [("A", 1)]


def test_a_table_that_a_reader_holds_is_named_and_the_others_are_loaded(
    server: Server, warehouse: Warehouse, url: str, tmp_path: Path
) -> None:
    """Its change of columns waits for the next load."""
    lake = Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")
    accounts, orders = Curator(lake, "Account", "Account"), Curator(lake)

    def loaded() -> LoadReport:
        return load(warehouse, lake, load_catalog(), objects=["Account", "Order"])

    accounts.file([{"Id": "a1", "Name": "one"}])
    assert loaded().ok
    accounts.file([{"Id": "a2", "Name": "two", "Size__c": 1}], run="run-2")
    orders.file([{"Id": "o1", "Name": "one"}])
    with psycopg.connect(url) as reader:
        reader.execute("SELECT * FROM salesforce.account")
        report = loaded()
    account, order = report.objects
    (error,) = account.errors
    assert re.search(r"salesforce\.account is in use: .*lock timeout.*`seil doctor` names", error)
    assert account.changes == ()
    assert order.outcome.inserted == 1
    report = loaded()
    assert report.ok
    assert [change.column for change in report.objects[0].changes] == ["size__c"]
    assert warehouse.query("SELECT id FROM salesforce.account").num_rows == 2


@pytest.mark.matrix
def test_a_server_whose_connections_are_all_taken_is_named(server: Server, url: str) -> None:
    reader = url.replace("//seil@", "//reader@")
    with ExitStack() as connections:
        with suppress(psycopg.OperationalError):
            while True:
                connections.enter_context(psycopg.connect(reader))
        with pytest.raises(WarehouseError, match=r"connection slots.*Raise the server's max_conn"):
            opened(reader)
        with suppress(psycopg.OperationalError):
            while True:
                connections.enter_context(psycopg.connect(url))
        with pytest.raises(WarehouseError, match=r"too many clients.*Raise the server's max_conn"):
            opened(url)


def test_settings_of_a_role_do_not_change_what_a_statement_means(
    server: Server, url: str, accounts: Accounts
) -> None:
    options = (
        "standard_conforming_strings=off",
        "transform_null_equals=on",
        "IntervalStyle=iso_8601",
    )
    words = "%20".join(f"-c%20{option.replace('=', '%3D')}" for option in options)
    with opened(server.url(urlsplit(url).path[1:], options=words)) as warehouse:
        rows = warehouse.query(
            "SELECT 'a\\b' AS a, NULL = NULL AS b, CAST(INTERVAL '1 day' AS text) AS c"
        )
    assert rows.to_pylist() == [{"a": "a\\b", "b": None, "c": "1 day"}]
