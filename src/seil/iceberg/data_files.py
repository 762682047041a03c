"""Writes data files and position-delete files, and describes them for a manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StringType

from seil.errors import IcebergError
from seil.warehouse.sql import Sql, compose, join, literal

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from seil.iceberg.engine import EmbeddedEngine

# Iceberg's recommended size; many readers plan by it.
_FILE_BYTES = 512 * 1024 * 1024
# The reserved columns of position-delete files (Iceberg table spec, appendix "Reserved Field IDs").
_POSITIONS = Schema(
    NestedField(2147483546, "file_path", StringType(), required=True),
    NestedField(2147483545, "pos", LongType(), required=True),
)
_COPY = """
    COPY ({select}) TO {target}
    (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {ids}, FILE_SIZE_BYTES {bytes},
     ROW_GROUP_SIZE_BYTES {group}, FILENAME_PATTERN '{{uuid}}')"""


def write_rows(engine: EmbeddedEngine, table: Table, schema: Schema, select: Sql) -> list[DataFile]:
    """The files with the SELECT's rows, which has the schema's columns in their order and types."""
    return _write(engine, table, schema, select, content=DataFileContent.DATA)


def write_positions(engine: EmbeddedEngine, table: Table, select: Sql) -> list[DataFile]:
    """The files that delete the rows of a SELECT of `file_path` and `pos`."""
    ordered = compose("{select} ORDER BY file_path, pos", select=select)
    return _write(engine, table, _POSITIONS, ordered, content=DataFileContent.POSITION_DELETES)


def _write(
    engine: EmbeddedEngine, table: Table, schema: Schema, select: Sql, *, content: DataFileContent
) -> list[DataFile]:
    ids = join(", ", [f"{literal(f.name)}: {f.field_id}" for f in schema.fields])
    with _folder(engine, table) as (folder, url):
        copy = compose(
            _COPY,
            select=select,
            target=str(folder),
            ids=Sql(f"{{{ids}}}"),
            bytes=_FILE_BYTES,
            group=engine.row_group_bytes,
        )
        engine.run(copy)
        files = []
        for path in sorted(folder.iterdir()):
            place = f"{url}/{path.name}"
            described = _described(table, schema, path, content=content, url=place)
            if described.record_count:
                files.append(described)
                _upload(table, path, described.file_path)
            else:
                path.unlink()
        return files


@contextmanager
def _folder(engine: EmbeddedEngine, table: Table) -> Iterator[tuple[Path, str]]:
    """Where the files are written, and their URL once they are in place."""
    name = uuid4().hex
    url = table.location_provider().new_data_location(name)
    final = local_path(url)
    folder = final or engine.folder / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(url, error) from error
    try:
        yield folder, url
    except BaseException:
        # Half a file on a full disk would stay until upkeep.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if final is None or not any(folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _upload(table: Table, path: Path, url: str) -> None:
    if local_path(url):
        return
    try:
        with path.open("rb") as source, table.io.new_output(url).create() as target:
            shutil.copyfileobj(source, target, 8 * 1024 * 1024)
    except OSError as error:
        raise _unwritable(url, error) from error
    path.unlink()


def _unwritable(url: str, error: OSError) -> IcebergError:
    reason = f"cannot be written: {error}"
    return IcebergError(url, reason, hint="Check rights and free space; nothing was published")


def local_path(url: str) -> Path | None:
    """None in a remote store. pyiceberg takes the path as it stands, %20 and all."""
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == "file" else None


def _described(
    table: Table, schema: Schema, path: Path, *, content: DataFileContent, url: str
) -> DataFile:
    metadata = pq.read_metadata(path)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata,
        # The bounds of a delete file's paths must not be cut.
        stats_columns=compute_statistics_plan(
            schema,
            table.metadata.properties
            if content == DataFileContent.DATA
            else {"write.metadata.metrics.default": "full"},
        ),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    described: dict[str, Any] = statistics.to_serialized_dict()
    return DataFile.from_args(
        content=content,
        file_path=url,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=path.stat().st_size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **described,
    )
