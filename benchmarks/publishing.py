"""What publishing the readers' copy costs, by the size of the warehouse."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Result, Subject, measured, say
from benchmarks.report import aligned, publish

_HERE = "benchmarks.publishing"
_SEIL, _COPY = "seil publishes", "cp, synced"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])


def run(args: argparse.Namespace) -> None:
    say("publishing")
    folder = args.work / "publishing"
    folder.mkdir()
    lines: list[tuple[str, ...]] = [("warehouse", _SEIL, "a GB", "how", _COPY, "ratio")]
    for megabytes in args.megabytes:
        file = folder / f"{megabytes}.duckdb"
        size = _make(file, megabytes)
        where = {"file": str(file)}
        found = measured(
            [
                Subject(_SEIL, f"{_HERE}:seil_publish", where),
                Subject(_COPY, f"{_HERE}:copy", where),
            ]
        )
        lines.append(_line(size, found))
    shutil.rmtree(folder)
    body = (
        "The fastest of three rounds. The file was written just before, so that it is in the page"
        " cache, as after a run; both wait for the disk.\n\n" + aligned(lines)
    )
    publish("publishing", body, write=args.write)


def _line(size: int, found: dict[str, Result]) -> tuple[str, ...]:
    ours, theirs = found[_SEIL], found[_COPY]
    return (
        f"{size / 1e6:,.0f} MB",
        f"{ours.seconds:.2f} s",
        f"{ours.seconds / size * 1e9:.2f} s",
        str(ours.notes["how"]),
        f"{theirs.seconds:.2f} s",
        f"{ours.seconds / theirs.seconds:.2f} x",
    )


def _make(file: Path, megabytes: int) -> int:
    """Of numbers that do not compress."""
    import duckdb

    with duckdb.connect(str(file)) as warehouse:
        rows = megabytes * 125_000
        warehouse.execute(f"CREATE TABLE t AS SELECT hash(range) AS a FROM range({rows})")
        warehouse.execute("CREATE TABLE counted AS SELECT 1 AS a")
    return file.stat().st_size


def seil_publish(clock: Clock, *, file: str) -> dict[str, Any]:
    import duckdb

    from seil.settings import WarehouseSettings
    from seil.warehouse import publish as published

    with duckdb.connect(file) as warehouse:
        warehouse.execute("UPDATE counted SET a = a + 1")
    with clock:
        done = published(WarehouseSettings(url=f"duckdb:{file}"))
    if done.problem:
        raise SystemExit(done.problem)
    return {"rows": done.bytes, "how": done.how}


def copy(clock: Clock, *, file: str) -> int:
    target = Path(f"{file}.copy")
    with clock:
        shutil.copyfile(file, target)
        with target.open("rb+") as written:
            os.fsync(written.fileno())
    size = target.stat().st_size
    target.unlink()
    return size


if __name__ == "__main__":
    run_alone(options, run)
