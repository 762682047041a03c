"""Who makes a clean copy of a landed file: SEIL, and a bare copy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock


def seil(clock: Clock, *, file: str, folder: str) -> int:
    """Checks, rules, lineage, clean copy, archive, events."""
    from seil.catalog import load_catalog
    from seil.events.journal import Journal
    from seil.lake import Lake, LandedFile
    from seil.settings import IngestSettings
    from seil.sf_to_dw.ingest.ingestor import Ingestor
    from seil.sf_to_dw.schema.registry import SchemaRegistry

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
