from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seil.errors import ConfigurationError
from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.query import query


@pytest.fixture
def reading(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings) as warehouse:
        warehouse.execute("CREATE TABLE t AS SELECT range AS n FROM range(50000)")
    with open_warehouse(settings, read_only=True) as warehouse:
        yield warehouse


@pytest.mark.parametrize(
    ("limit", "rows", "truncated"),
    [(None, 50_000, False), (3, 3, True), (50_000, 50_000, False), (0, 0, True)],
)
def test_an_answer_has_up_to_limit_rows(
    reading: Warehouse, limit: int | None, rows: int, truncated: bool
) -> None:
    answer = query(reading, "SELECT n FROM t ORDER BY n", limit=limit)
    assert answer.rows["n"].to_pylist() == list(range(rows))
    assert answer.truncated is truncated


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TABLE u AS SELECT 1",
        "SELECT 1; DROP TABLE t",
        "COPY t TO '{folder}/stolen.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "SELECT * FROM read_csv('/etc/hosts')",
        "SET enable_external_access = true",
        "SELECT nope FROM t",
        "SELEC 1",
    ],
)
def test_what_would_write_or_reach_out_is_refused(
    reading: Warehouse, tmp_path: Path, sql: str
) -> None:
    with pytest.raises(ConfigurationError, match="open for reading only"):
        query(reading, sql.format(folder=tmp_path))
    assert query(reading, "SELECT count(*) AS n FROM t").rows["n"].to_pylist() == [50_000]
    assert not (tmp_path / "stolen.csv").exists()


def test_a_warehouse_that_can_write_is_not_taken(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="read_only"):
        query(warehouse, "SELECT 1")
