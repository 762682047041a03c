"""DuckDB names the stopping of a statement's other threads as its error, one time in six here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest
from tests.duckdb_file import database

from seil.errors import LostReasonError, StatementError
from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.lost_reasons import with_reason

_BAD = "SELECT CAST(if(range = 900000, 'x', '1') AS INTEGER) AS n FROM range(1000000)"
_TIMES = 40


@pytest.fixture
def wide(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings.model_copy(update={"threads": 16})) as opened:
        yield opened


def _query(warehouse: Warehouse) -> None:
    warehouse.query(_BAD)


def _stream(warehouse: Warehouse) -> None:
    with warehouse.stream(_BAD) as batches:
        list(batches)


def _transaction(warehouse: Warehouse) -> None:
    def insert() -> None:
        with database(warehouse).transaction():
            database(warehouse).execute(f"INSERT INTO numbers {_BAD}")

    with_reason(insert)


@pytest.mark.parametrize("run", [_query, _stream, _transaction])
def test_the_reason_is_the_value_that_failed(
    wide: Warehouse, run: Callable[[Warehouse], None]
) -> None:
    database(wide).execute("CREATE TABLE numbers (n INTEGER)")
    for _ in range(_TIMES):
        with pytest.raises(StatementError, match="Could not convert string 'x'"):
            run(wide)
    assert wide.query("SELECT count(*) AS n FROM numbers").to_pylist() == [{"n": 0}]


class RacingConnection:
    """Fails once in a window, as DuckDB 1.5.5 rarely does, and refuses all that follows."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._is_spoiled = False

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        reason = "Attempted to access index 0 within vector of size 0"
        if self._is_spoiled:
            raise duckdb.FatalException(f"FATAL Error: database has been invalidated: {reason}")
        if "OVER ()" in sql:
            self._is_spoiled = True
            raise duckdb.InternalException(f"INTERNAL Error: {reason}")
        return self._connection.execute(sql)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_a_race_in_a_window_is_repeated_on_a_new_connection(
    settings: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = duckdb.connect
    connections: list[Any] = []

    def connect_racing(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        connections.append(connection if connections else RacingConnection(connection))
        return connections[-1]

    monkeypatch.setattr(duckdb, "connect", connect_racing)
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute("CREATE TABLE numbers (n INTEGER)")

        def insert() -> None:
            with warehouse.commit("race"):
                database(warehouse).execute("INSERT INTO numbers SELECT 1")
                database(warehouse).execute("INSERT INTO numbers SELECT count(*) OVER ()")

        with_reason(insert)
        assert warehouse.query("FROM numbers").to_pylist() == [{"n": 1}, {"n": 1}]
    assert len(connections) == 2


def test_what_is_left_behind_is_taken_away_between_attempts() -> None:
    counts: list[int] = []

    def action() -> int:
        if counts:
            raise AssertionError("left behind")
        counts.append(1)
        attempts.append(1)
        if len(attempts) < 3:
            raise LostReasonError("duckdb:w", "lost")
        return len(attempts)

    attempts: list[int] = []
    assert with_reason(action, counts.clear) == 3


def test_where_no_attempt_gives_a_reason_the_error_says_what_to_do() -> None:
    def action() -> None:
        raise LostReasonError("duckdb:w", "a statement failed", hint="Run it again")

    with pytest.raises(LostReasonError, match="a statement failed") as error:
        with_reason(action)
    assert error.value.hint == "Run it again"
