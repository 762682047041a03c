"""Who else brings curated files into PostgreSQL: a bare COPY, and dlt.

Both find an empty database, and make their own tables in it: logged ones, without keys or indexes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock
from benchmarks.models_subjects import files_by_table

_BATCH_ROWS = 16_384


def copied(clock: Clock, *, lake: str, url: str) -> int:
    """Each file's rows as pgpq encodes them, in types of its choice; nothing is checked."""
    import psycopg
    import pyarrow.parquet as pq
    from pgpq import ArrowToPostgresBinaryEncoder

    rows = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor, clock:
        for table, files in files_by_table(lake):
            encoder = ArrowToPostgresBinaryEncoder(pq.read_schema(files[0]))
            cursor.execute(encoder.schema().ddl(table, temp_table=False).encode())
            for file in files:
                source = pq.ParquetFile(file)
                encoder = ArrowToPostgresBinaryEncoder(source.schema_arrow)
                with cursor.copy(f'COPY "{table}" FROM STDIN (FORMAT binary)'.encode()) as copy:
                    copy.write(encoder.write_header())
                    for batch in source.iter_batches(_BATCH_ROWS):
                        copy.write(encoder.write_batch(batch))
                    copy.write(encoder.finish())
                rows += source.metadata.num_rows
        connection.commit()
    return rows


def dlt(clock: Clock, *, lake: str, url: str, file_format: str) -> int:
    """The first file of each object, as Arrow tables."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    # The default takes Recurring_UOM__c and RecurringUOM__c for the same column.
    os.environ["SCHEMA__NAMING"] = "sql_ci_v1"
    import dlt as library
    import pyarrow.parquet as pq

    rows = 0

    def tables(file: str) -> Iterator[Any]:
        nonlocal rows
        for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS):
            rows += batch.num_rows
            yield batch

    with tempfile.TemporaryDirectory(dir=Path(lake).parent) as folder:
        os.environ["DLT_DATA_DIR"] = str(Path(folder) / "data")
        pipeline = library.pipeline(
            "bench",
            pipelines_dir=str(Path(folder) / "pipelines"),
            destination=library.destinations.postgres(_with_password(url)),
            dataset_name="bench",
        )
        resources = [
            library.resource(tables(files[0]), name=table) for table, files in files_by_table(lake)
        ]
        with clock:
            pipeline.run(resources, loader_file_format=file_format).raise_on_failed_jobs()
    return rows


def _with_password(url: str) -> str:
    """What dlt asks for, although a socket needs neither a password nor a host before the query."""
    user, _, rest = url.removeprefix("postgresql://").partition("@")
    return f"postgresql://{user}:unused@localhost{rest}"
