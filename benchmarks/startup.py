"""How long the command takes to start."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.command import run_alone
from benchmarks.measure import Result, say, with_bytecode
from benchmarks.report import Row, Target, publish, table

_LIMIT = 0.3
_REFERENCE = "python -c pass"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--starts", type=int, default=9, help="starts of each, in turns")


def run(args: argparse.Namespace) -> None:
    say("start-up")
    seil = str(Path(sys.executable).with_name("seil"))
    commands = {
        _REFERENCE: [sys.executable, "-c", "pass"],
        "seil --help": [seil, "--help"],
        "seil status": [seil, "status"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    folder = args.work / "startup"
    folder.mkdir()
    for command in commands.values():
        _seconds(command, folder)
    for _ in range(args.starts):
        for name, command in commands.items():
            times[name].append(_seconds(command, folder))
    reference = median(times[_REFERENCE])
    rows = [
        Row(
            name,
            Result(1, median(seconds), 0),
            median(seconds) / reference,
            f"x {_REFERENCE}",
            [] if name == _REFERENCE else [Target("< 0.3 s", median(seconds) < _LIMIT)],
        )
        for name, seconds in times.items()
    ]
    publish(
        "startup",
        f"The median of {args.starts} starts, after one that compiles.\n\n{table(rows)}",
        write=args.write,
    )


def _seconds(command: Sequence[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False, env=with_bytecode())
    return time.perf_counter() - started


if __name__ == "__main__":
    run_alone(options, run)
