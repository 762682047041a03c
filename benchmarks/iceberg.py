"""What keeping an Iceberg table costs: a delta of 1 % against comparing and writing all, and
against pyiceberg's own upsert of the same rows.
"""

from __future__ import annotations

import argparse
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Result, Subject, measured, say
from benchmarks.report import aligned, publish

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.iceberg.catalog import IcebergCatalog

_HERE = "benchmarks.iceberg"
_DELTA, _UPSERT = "seil, delta", "pyiceberg upsert"
_COLUMNS = 40
_SHARE = 100
_BATCH_ROWS = 10_000


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="1GB", help="[publish] memory")
    parser.add_argument(
        "--without-upsert", action="store_true", help="of many rows it takes minutes, and 1 GB each"
    )


def run(args: argparse.Namespace) -> None:
    say("iceberg")
    folder = args.work / "iceberg"
    subjects = {name: subject for name, subject in _SUBJECTS.items() if _is_chosen(args, name)}
    places = {name: folder / function for name, function in subjects.items()}
    for place in places.values():
        make(place, args.rows)
    found = measured(
        [
            Subject(
                name,
                f"{_HERE}:{function}",
                {
                    "folder": str(places[name]),
                    **({} if name == _UPSERT else {"memory": args.memory}),
                },
            )
            for name, function in subjects.items()
        ]
    )
    shutil.rmtree(folder)
    lines: list[tuple[str, ...]] = [("", "seconds", "CPU", "CPU against the delta", "peak")]
    lines += [_line(name, found[name], found[_DELTA]) for name in subjects]
    body = (
        f"1 % of {args.rows:,} rows of {_COLUMNS} columns changed, in a folder, with [publish]"
        f" memory = {args.memory}; the fastest of three rounds, each of other rows.\n\n"
        f"{aligned(lines)}"
    )
    publish("iceberg", body, write=args.write)


_SUBJECTS = {
    _DELTA: "delta",
    "seil, compared": "compared",
    "seil, all rows": "whole",
    _UPSERT: "upsert",
}


def _is_chosen(args: argparse.Namespace, name: str) -> bool:
    return name != _UPSERT or not args.without_upsert


def _line(name: str, result: Result, least: Result) -> tuple[str, ...]:
    cpu = result.notes["cpu"]
    return (
        name,
        f"{result.seconds:.2f} s",
        f"{cpu:.2f} s",
        f"{cpu / least.notes['cpu']:.1f} x",
        f"{result.peak / 1e6:,.0f} MB",
    )


@dataclass
class _Table:
    """Turn n has changed the rows of the first n hundredths."""

    folder: Path
    turn: int = 0
    memory: str = "1GB"
    name: str = "bench"
    description: str = ""
    identifier: tuple[str, str] = ("seil", "bench")

    @property
    def version(self) -> str:
        return str(self.turn)

    @property
    def count(self) -> int:
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self.folder / "rows.parquet").num_rows)

    @property
    def columns(self) -> pa.Schema:
        import pyarrow.parquet as pq

        return pq.read_schema(self.folder / "rows.parquet")

    @contextmanager
    def rows(self, *, which: str = "true") -> Iterator[pa.RecordBatchReader]:
        import duckdb

        file = self.folder / "rows.parquet"
        changed = f"number + CAST(number % {_SHARE} < {self.turn} AS BIGINT) * 1000"
        # As the warehouse's own connection: bounded, and streaming.
        with duckdb.connect(config={"memory_limit": self.memory}) as connection:
            yield connection.execute(
                f"SELECT * REPLACE ({changed} AS c1) FROM '{file}' WHERE {which}"
            ).to_arrow_reader(_BATCH_ROWS)

    def changed_since(self, version: str) -> _Changed:
        return _Changed(self)


@dataclass
class _Changed:
    table: _Table

    def keys(self) -> pa.Table:
        import pyarrow as pa

        digits = range(self.table.turn - 1, self.table.count, _SHARE)
        return pa.table({"id": [f"a0X{number:012d}" for number in digits]})

    def rows(self) -> Any:
        return self.table.rows(which=f"number % {_SHARE} = {self.table.turn - 1}")


def make(folder: Path, rows: int) -> None:
    """The rows, published once."""
    import duckdb

    folder.mkdir(parents=True)
    others = ", ".join(
        f"'value ' || hash(range + {n}) % 1000 AS c{n}" if n % 2 else f"range * {n} % 997 AS c{n}"
        for n in range(2, _COLUMNS - 1)
    )
    select = (
        "SELECT 'a0X' || lpad(CAST(range AS VARCHAR), 12, '0') AS id, range AS number, "
        f"range AS c1, {others} FROM range({rows})"
    )
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{folder / 'rows.parquet'}'")
    _publish(folder, turn=0, mode="changes")


def delta(clock: Clock, *, folder: str, memory: str) -> dict[str, Any]:
    return _timed(clock, folder, mode="changes", memory=memory)


def compared(clock: Clock, *, folder: str, memory: str) -> dict[str, Any]:
    return _timed(clock, folder, mode="check", memory=memory)


def whole(clock: Clock, *, folder: str, memory: str) -> dict[str, Any]:
    return _timed(clock, folder, mode="full", memory=memory)


def _timed(clock: Clock, folder: str, *, mode: Any, memory: str) -> dict[str, Any]:
    import_module("seil.iceberg.publisher")
    _catalog(Path(folder))  # Its imports, too.
    turn = _next_turn(folder)
    with clock, _cpu() as cpu:
        rows = _publish(Path(folder), turn=turn, mode=mode, memory=memory)
    return {"rows": rows, **cpu}


def upsert(clock: Clock, *, folder: str) -> dict[str, Any]:
    turn = _next_turn(folder)
    table = _catalog(Path(folder)).find(("seil", "bench"))
    assert table is not None
    # It has no merge-on-read, and says so.
    warnings.simplefilter("ignore", UserWarning)
    with clock, _cpu() as cpu:
        with _Changed(_Table(Path(folder), turn)).rows() as reader:
            rows = reader.read_all()
        written = table.upsert(rows, join_cols=["id"])
    return {"rows": written.rows_updated, **cpu}


@contextmanager
def _cpu() -> Iterator[dict[str, float]]:
    """Of all threads: what a busy machine leaves comparable."""
    started = time.process_time()
    spent: dict[str, float] = {}
    yield spent
    spent["cpu"] = time.process_time() - started


def _publish(folder: Path, *, turn: int, mode: Any, memory: str = "1GB") -> int:
    from seil.iceberg.engine import embedded_engine
    from seil.iceberg.publisher import TablePublisher

    with embedded_engine(memory=memory) as engine:
        (outcome,) = TablePublisher(_catalog(folder), engine, mode).publish(
            [_Table(folder, turn, memory)]
        )
    assert not outcome.message, outcome.message
    return outcome.inserted


def _catalog(folder: Path) -> IcebergCatalog:
    from seil.iceberg.catalog import open_catalog
    from seil.settings import PublishSettings

    return open_catalog(PublishSettings(), (folder / "tables").as_uri())


def _next_turn(folder: str) -> int:
    file = Path(folder) / "turn"
    turn = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(turn))
    return turn


if __name__ == "__main__":
    run_alone(options, run)
