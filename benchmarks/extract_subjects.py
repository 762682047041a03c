"""Who reads the result pages: SEIL, and three others for comparison."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock


@contextmanager
def _folder(work: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def seil(clock: Clock, *, url: str, name: str, pages: int, work: str) -> int:
    """The whole flow: describe, job, pages, landed files, journal, manifest, committed window."""
    from seil.catalog import load_catalog
    from seil.events.journal import Journal
    from seil.lake import Lake
    from seil.salesforce.org import Org
    from seil.settings import ExtractSettings, SalesforceSettings
    from seil.sf_to_dw.extract.extractor import Extractor
    from seil.sf_to_dw.schema.registry import SchemaRegistry
    from seil.state import state_in_memory

    with (
        _folder(work) as folder,
        Org(SalesforceSettings(login_url=url, timeout=timedelta(minutes=5))) as org,
        Journal(folder / "journal.sqlite") as journal,
    ):
        lake = Lake.at(folder.as_uri(), env="dev", project="seil")
        settings = ExtractSettings(flows=1, pages=pages)
        extractor = Extractor(
            org, lake, journal, settings, registry=SchemaRegistry(lake), state=state_in_memory()
        )
        with clock:
            report = extractor.run(load_catalog().select([name]))
        if report.failed:
            raise SystemExit(f"extract failed: {report.failed[0].error}")
        return report.rows


def pyarrow(clock: Clock, *, url: str, schema: str, work: str) -> int:
    """The same pages to Parquet files, in the fewest lines: same types, same compression."""
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    types = pa.ipc.read_schema(pa.py_buffer(Path(schema).read_bytes()))
    parse = pacsv.ParseOptions(newlines_in_values=True)
    convert = pacsv.ConvertOptions(
        column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    rows, locator = 0, "0"
    with _folder(work) as folder, clock:
        while locator != "null":
            results = f"{url}/services/data/v62.0/jobs/query/750/results?locator={locator}"
            with urllib.request.urlopen(results) as page:
                file = folder / f"{locator}.parquet"
                reader = pacsv.open_csv(page, parse_options=parse, convert_options=convert)
                with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
                    for batch in reader:
                        writer.write_batch(batch)
                        rows += batch.num_rows
                locator = page.headers["Sforce-Locator"]
    return rows


def simple_salesforce(clock: Clock, *, url: str, name: str, work: str) -> int:
    """`download()` to CSV files: nothing is parsed. It waits five seconds before its first look at
    a job; `wait=0` spares it that.
    """
    from simple_salesforce.bulk2 import SFBulk2Handler

    handler = SFBulk2Handler("bench", f"{url}/services/data/v62.0/jobs/")
    with _folder(work) as folder, clock:
        query = f"SELECT Id FROM {name}"
        results = getattr(handler, name).download(query, path=str(folder), wait=0)
    return sum(result["number_of_records"] for result in results)


def dlt(clock: Clock, *, url: str, pages: int, work: str) -> int:
    """The first pages to Parquet, a page of dictionaries at a time, as its resources yield them."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt as library

    rows = 0

    def records() -> Iterator[list[dict[str, Any]]]:
        nonlocal rows
        for number in range(pages):
            results = f"{url}/services/data/v62.0/jobs/query/750/results?locator={number}"
            with urllib.request.urlopen(results) as page:
                text = io.TextIOWrapper(page, "utf-8", newline="")
                found = [
                    {field: value or None for field, value in record.items()}
                    for record in csv.DictReader(text)
                ]
            rows += len(found)
            yield found

    with _folder(work) as folder:
        os.environ["DLT_DATA_DIR"] = str(folder / "data")
        pipeline = library.pipeline(
            "bench",
            pipelines_dir=str(folder / "pipelines"),
            destination=library.destinations.filesystem(str(folder / "out")),
            dataset_name="bench",
        )
        with clock:
            pipeline.run(
                records, table_name="records", loader_file_format="parquet"
            ).raise_on_failed_jobs()
    return rows
