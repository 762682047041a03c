"""Ingest: a landed Parquet file, checked and written to curated."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Subject, measured, say
from benchmarks.org import landed_file
from benchmarks.report import Row, Target, publish, table

_HERE = "benchmarks.ingest"
_SEIL, _COPY = "SEIL", "pyarrow, row group by row group"
_PEAK = 300e6


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
            [Target(">= 0.7 x the copy", ratio >= 0.7), Target("< 300 MB", ours.peak < _PEAK)],
        ),
        Row(_COPY, reference, 1.0, "x the copy"),
    ]
    size = f"{file.stat().st_size / 1e6:,.0f} MB of order products, 153 columns:"
    shutil.rmtree(folder)
    publish("ingest", f"{size}\n\n{table(rows)}", write=args.write)


def seil(clock: Clock, *, file: str, folder: str) -> int:
    """Checks, rules, lineage, clean copy, archive, events."""
    from seil.catalog import load_catalog
    from seil.events.journal import Journal
    from seil.lake import Lake, LandedFile
    from seil.settings import IngestSettings
    from seil.sf_to_dw.ingest import Ingestor
    from seil.sf_to_dw.schemas import SchemaRegistry

    with (
        tempfile.TemporaryDirectory(dir=folder) as work,
        Journal(Path(work) / "journal.sqlite") as journal,
    ):
        lake = Lake.at(Path(work).as_uri(), env="dev", project="seil")
        key = LandedFile("dev", "Order-Product", "20260101T000000Z-00000000", "0.parquet").key
        landed: Any = lake.landing.path(key)
        landed.parent.mkdir(parents=True)
        os.link(file, landed)
        ingestor = Ingestor(
            lake,
            load_catalog(),
            settings=IngestSettings(),
            bus=journal,
            registry=SchemaRegistry(lake),
        )
        with clock:
            report = ingestor.sweep()
        if report.failed:
            raise SystemExit(f"ingest failed: {report.failed[0]}")
        return sum(entry.curated_rows for entry in report.files)


def copied(clock: Clock, *, file: str, folder: str) -> int:
    """The same compression, nothing else."""
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(dir=folder) as work, clock:
        source = pq.ParquetFile(file)
        with pq.ParquetWriter(f"{work}/out", source.schema_arrow, compression="zstd") as writer:
            for number in range(source.num_row_groups):
                writer.write_table(source.read_row_group(number))
    return source.metadata.num_rows


if __name__ == "__main__":
    run_alone(options, run)
