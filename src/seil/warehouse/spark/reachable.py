"""Where Spark reads staged files from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from py4j.protocol import Py4JJavaError

from seil.errors import WarehouseError
from seil.warehouse.spark.jvm import hadoop_configuration, java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from seil.warehouse.merges import OpenUrl, StagedFile


@contextmanager
def reachable_files(
    session: SparkSession, url: str, files: Sequence[StagedFile], open_url: OpenUrl | None
) -> Iterator[Sequence[StagedFile]]:
    """The same files under URLs that Spark reads. Where it lacks a storage's jars and runs in this
    process alone, they are copied to this machine.
    """
    far = [file for file in files if not _reads(session, file.url)]
    if not far:
        yield files
        return
    if open_url is None or not str(session.sparkContext.master).startswith("local"):
        hint = "Add the jars for that storage to Spark's options: see docs/spark.md"
        raise WarehouseError(url, f"Spark cannot read {far[0].url}", hint=hint)
    with TemporaryDirectory(prefix="seil-") as folder:
        yield [
            _copied(file, Path(folder) / f"{number}.parquet", open_url) if file in far else file
            for number, file in enumerate(files)
        ]


def _copied(file: StagedFile, path: Path, open_url: OpenUrl) -> StagedFile:
    with open_url(file.url) as source, path.open("wb") as target:
        source.seek(0)
        shutil.copyfileobj(source, target)
    return replace(file, url=path.as_uri())


def _reads(session: SparkSession, url: str) -> bool:
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return True
    system = java(session).org.apache.hadoop.fs.FileSystem
    try:
        system.getFileSystemClass(scheme, hadoop_configuration(session))
    except Py4JJavaError:
        return False
    return True
