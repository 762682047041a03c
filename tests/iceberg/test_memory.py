"""The memory of a publication and of an export is that of their settings, not of the table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.iceberg.tables import folder_catalog
from tests.limits import HANGS

from seil.app.site import Site
from seil.app.table_export import export_tables
from seil.iceberg.engine import embedded_engine
from seil.iceberg.publisher import TablePublisher
from seil.settings import load_settings
from seil.warehouse import open_warehouse

MEMORY = "100MB"
# The smaller one has some row groups, too.
FEW, MANY = 300_000, 900_000
# A row has 400 bytes: of what only the larger table has, 240 MB.
ROOM = 100_000_000
COLUMNS = [f"c{n}" for n in range(5)]
BATCH = 10_000


@dataclass
class Generated:
    """Rows that are nowhere in memory at once; `turn` differs in one row of four."""

    count: int
    turn: int = 0
    name: str = "orders"
    description: str = ""
    identifier: tuple[str, str] = ("seil", "orders")

    @property
    def version(self) -> str:
        return str(self.turn)

    @property
    def columns(self) -> pa.Schema:
        texts: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in COLUMNS]
        return pa.schema([pa.field("id", pa.int64()), *texts])

    @contextmanager
    def rows(self) -> Iterator[pa.RecordBatchReader]:
        yield pa.RecordBatchReader.from_batches(self.columns, self._batches())

    def changed_since(self, version: str) -> None:
        return None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for first in range(0, self.count, BATCH):
            ids = range(first, first + BATCH)
            texts = pa.array([f"{n * 7919:020}" * 4 + str(self.turn * (n % 4 == 0)) for n in ids])
            yield pa.RecordBatch.from_arrays(
                [pa.array(ids), *(texts for _ in COLUMNS)], schema=self.columns
            )


def publish(folder: Path, rows: int) -> None:
    """All rows, then a comparison."""
    for turn in range(2):
        with embedded_engine(memory=MEMORY, threads=2) as engine:
            publisher = TablePublisher(folder_catalog(folder / "tables"), engine)
            (outcome,) = publisher.publish([Generated(rows, turn)])
        assert (outcome.message, outcome.inserted) == ("", rows // (4 if turn else 1))


def make_site(folder: Path, rows: int) -> None:
    url = "duckdb:w.duckdb"
    text = f'[warehouse]\nurl = "{url}"\nmemory = "{MEMORY}"\nthreads = 2\npublish = false\n'
    (folder / "seil.toml").write_text(text)
    with open_warehouse(load_settings(folder / "seil.toml").warehouse) as warehouse:
        warehouse.prepare()
    columns = ", ".join(f"repeat(md5('{name}' || range), 3) AS {name}" for name in COLUMNS)
    with duckdb.connect(str(folder / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS salesforce")
        select = f"SELECT range AS id, {columns} FROM range({rows})"
        connection.execute(f"CREATE TABLE salesforce.account AS {select}")


def export(folder: Path, rows: int, file_format: Any) -> None:
    with Site(load_settings(folder / "seil.toml")) as site:
        (file,), _ = export_tables(
            site, str(folder / "exported"), ["salesforce.account"], file_format=file_format
        )
    assert file.rows == rows


def peak(act: str, folder: Path, rows: int) -> int:
    folder.mkdir(exist_ok=True)
    if act != "publish" and not (folder / "seil.toml").exists():
        make_site(folder, rows)
    command = [sys.executable, "-m", "tests.iceberg.test_memory", act, str(folder), str(rows)]
    done = subprocess.run(command, timeout=HANGS, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)


@pytest.mark.matrix
@pytest.mark.parametrize("act", ["publish", "parquet", "csv"])
def test_memory_does_not_grow_with_the_table(tmp_path: Path, act: str) -> None:
    few, many = (peak(act, tmp_path / str(rows), rows) for rows in (FEW, MANY))
    assert many - few < ROOM, f"{few / 1e6:.0f} MB became {many / 1e6:.0f} MB"


def main(act: str, folder: str, rows: str) -> None:
    if act == "publish":
        publish(Path(folder), int(rows))
    else:
        export(Path(folder), int(rows), act)
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM"))
    sys.stdout.write(str(int(line.split()[1]) * 1024))


if __name__ == "__main__":
    main(*sys.argv[1:])
