"""Ingest: a landed Parquet file, checked and written to curated."""

from __future__ import annotations

import argparse
import shutil

from benchmarks.command import run_alone
from benchmarks.measure import Subject, measured, say
from benchmarks.org import landed_file
from benchmarks.report import Row, Target, publish, table

_HERE = "benchmarks.ingest_subjects"
_SEIL, _COPY = "SEIL", "pyarrow, row group by row group"
_PEAK = 550e6


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, default=128, help="1024 is the target's size")
    parser.add_argument("--rounds", type=int, default=3)


def run(args: argparse.Namespace) -> None:
    folder = args.work / "ingest"
    say(f"ingest: writing a file of {args.megabytes} MB")
    file = landed_file(args.work, folder, megabytes=args.megabytes)
    at = {"file": str(file), "folder": str(folder)}
    subjects = [
        Subject(_SEIL, f"{_HERE}:seil", at, args.rounds),
        Subject(_COPY, f"{_HERE}:copied", at, args.rounds),
    ]
    found = measured(subjects)
    ours, reference = found[_SEIL], found[_COPY]
    ratio = ours.rate / reference.rate
    rows = [
        Row(
            _SEIL,
            ours,
            ratio,
            "x the copy",
            [Target(">= 0.7 x the copy", ratio >= 0.7), Target("< 550 MB", ours.peak < _PEAK)],
        ),
        Row(_COPY, reference, 1.0, "x the copy"),
    ]
    size = f"{file.stat().st_size / 1e6:,.0f} MB of order products, 153 columns:"
    shutil.rmtree(folder)
    publish("ingest", f"{size}\n\n{table(rows)}", write=args.write)


if __name__ == "__main__":
    run_alone(options, run)
