"""`seil export`: every value as it was, and a file that is complete or not there."""

from __future__ import annotations

import csv
import math
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Seil
from tests.limits import until

from seil.settings import load_settings
from seil.warehouse import TableName, open_warehouse

ODD = "salesforce.account"
MANY = "salesforce.contact"
ROWS = 200_000
SETTINGS = '[warehouse]\nurl = "duckdb:w.duckdb"\npublish = false\n'
TEXTS = [
    "",
    'a "word", a\r\nline\n',
    "\r",
    "Grüße 🎈 \u2028 \u00a0",
    "x" * 100_000,
    "=1+1",
    " null ",
]
VALUES: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "text": (pa.string(), "VARCHAR", TEXTS),
    "amount": (
        pa.decimal128(38, 10),
        "DECIMAL(38, 10)",
        ["-" + "9" * 28 + "." + "9" * 10, "1e-10"],
    ),
    "number": (pa.decimal128(38, 0), "DECIMAL(38, 0)", ["9" * 38, "-" + "9" * 38, "0"]),
    "n": (pa.int64(), "BIGINT", [2**63 - 1, -(2**63), 0]),
    "d": (
        pa.float64(),
        "DOUBLE",
        [5e-324, 1.7976931348623157e308, -0.1, math.inf, -math.inf, 1 / 3],
    ),
    "flag": (pa.bool_(), "BOOLEAN", [True, False]),
    "day": (pa.date32(), "DATE", [date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10)]),
    "moment": (
        pa.timestamp("us", tz="UTC"),
        "TIMESTAMPTZ",
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "clock": (pa.time64("us"), "TIME", [time(0), time(23, 59, 59, 999_999)]),
}


def odd_rows() -> pa.Table:
    """One value a row and column, beside nulls; the last row is of nulls alone."""
    size = len(TEXTS) + 1
    columns: dict[str, Any] = {"id": [str(number) for number in range(size)]}
    for name, (kind, _, values) in VALUES.items():
        exact = [Decimal(v) if pa.types.is_decimal(kind) else v for v in values]
        columns[name] = pa.array(exact + [None] * (size - len(exact)), kind)
    return pa.table(columns)


@pytest.fixture
def site(home: Path) -> Path:
    (home / "seil.toml").write_text(SETTINGS)
    with open_warehouse(load_settings(home / "seil.toml").warehouse) as warehouse:
        warehouse.prepare()
        with warehouse.commit("planted") as commit:
            commit.tables.replace(TableName(*ODD.split(".")), odd_rows(), key="id")
    return home


@pytest.fixture
def large_site(site: Path) -> Path:
    with duckdb.connect(str(site / "w.duckdb")) as connection:
        select = "SELECT range AS id, md5('a' || range) || md5('b' || range) AS name"
        connection.execute(f"CREATE TABLE {MANY} AS {select} FROM range({ROWS})")
    return site


def rows_of(relation: str) -> list[tuple[Any, ...]]:
    """As DuckDB reads them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = ", ".join(["id", *VALUES])
        result = connection.execute(f"SELECT {names} FROM {relation} ORDER BY CAST(id AS INT)")
        return [tuple(row.values()) for row in result.to_arrow_table().to_pylist()]


def test_a_parquet_file_has_every_value(seil: Seil, site: Path) -> None:
    assert seil("export", "parquet", "out", "-t", ODD).code == 0
    file = site / "out" / f"{ODD}.parquet"
    table = pq.read_table(file).sort_by("id")
    assert table.equals(odd_rows())
    assert rows_of(f"'{file}'") == [tuple(row.values()) for row in odd_rows().to_pylist()]


def test_a_csv_file_has_every_value(seil: Seil, site: Path) -> None:
    assert seil("export", "csv", "out", "-t", ODD).code == 0
    file = site / "out" / f"{ODD}.csv"
    types = {"id": "VARCHAR", **{name: duck for name, (_, duck, _) in VALUES.items()}}
    options = "header = true, nullstr = '', allow_quoted_nulls = false, new_line = '\\r\\n'"
    relation = f"read_csv('{file}', columns = {types}, auto_detect = false, {options})"
    rows = [tuple(row.values()) for row in odd_rows().to_pylist()]
    assert rows_of(relation) == rows
    with file.open(newline="", encoding="utf-8") as lines:
        records = list(csv.DictReader(lines, strict=True))
    assert list(records[0]) == list(types)
    assert [row["text"] for row in sorted(records, key=lambda row: int(row["id"]))] == [*TEXTS, ""]


@pytest.mark.parametrize(
    ("file_format", "number"),
    [
        ("csv", signal.SIGKILL),
        pytest.param("csv", signal.SIGINT, marks=pytest.mark.matrix),
        pytest.param("parquet", signal.SIGKILL, marks=pytest.mark.matrix),
        pytest.param("parquet", signal.SIGINT, marks=pytest.mark.matrix),
    ],
    ids=["csv killed", "csv interrupted", "parquet killed", "parquet interrupted"],
)
def test_a_stopped_export_leaves_the_last_file_and_a_repeat_completes(
    seil: Seil,
    seil_process: Callable[..., subprocess.Popen[str]],
    large_site: Path,
    file_format: str,
    number: signal.Signals,
) -> None:
    out = large_site / "out"
    out.mkdir()
    file = out / f"{MANY}.{file_format}"
    file.write_text("the last export")
    process = seil_process("export", file_format, "out", "-t", MANY)
    until(lambda: any(part.stat().st_size for part in out.glob(f"{file.name}#*")))
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    assert file.read_text() == "the last export"
    assert seil("export", file_format, "out", "-t", MANY).code == 0
    assert [path.name for path in out.iterdir()] == [file.name]
    with duckdb.connect() as connection:
        result = connection.execute(f"SELECT count(DISTINCT id), count(name) FROM '{file}'")
        assert result.fetchone() == (ROWS, ROWS)
