"""Reads Parquet files by Spark, where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from seil.warehouse.merges import Misfits, StagedFile
from seil.warehouse.spark import files_sql
from seil.warehouse.spark.columns import stored_name
from seil.warehouse.sql import Sql, compose, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from seil.warehouse.spark.database import IcebergDatabase

_FILES = "_seil_files"


@dataclass(frozen=True)
class SparkStaging:
    database: IcebergDatabase

    @contextmanager
    def rows(self, files: Sequence[StagedFile], columns: pa.Schema) -> Iterator[Sql]:
        """A SELECT of the rows of all files, which stay where they are."""
        with self.database.reachable(files) as reachable:
            views = [f"{_FILES}_{number}" for number in range(len(reachable))]
            try:
                yield join(" UNION ALL ", self._selects(reachable, columns))
            finally:
                for view in views:
                    self.database.drop_temporary(view)

    def _selects(self, files: Sequence[StagedFile], columns: pa.Schema) -> Iterator[Sql]:
        for number, file in enumerate(files):
            view = f"{_FILES}_{number}"
            self.database.show(view, self._read(file))
            yield files_sql.rows_of(quote(view), number, file, columns)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        if isinstance(source, TableName):
            place = compose("{table}", table=source)
            return self._misfits_of(place, column, target)
        with self.rows([source], pa.schema([pa.field(column, pa.string())])) as rows:
            return self._misfits_of(Sql(f"({rows})"), column, target)

    def _misfits_of(self, relation: Sql, column: str, target: pa.DataType) -> Misfits:
        select = files_sql.misfits(relation, column, target)
        row = self.database.query(select).to_pylist()[0]
        return Misfits(int(row["number"]), str(row["example"] or ""))

    def _read(self, file: StagedFile) -> DataFrame:
        reader = self.database.session.read.schema(files_sql.file_schema(file))
        rows = reader.option("datetimeRebaseMode", "CORRECTED").parquet(spark_path(file.url))
        rows = rows.select("*", rows["_metadata.row_index"].alias(files_sql.ROW))
        for name in rows.columns:
            if (stored := stored_name(name)) != name:
                # As statements name it.
                rows = rows.withColumnRenamed(name, stored)
        return rows


def spark_path(url: str) -> str:
    """Of the file alone: Spark reads some characters as a pattern."""
    parts = urlsplit(url)
    path = unquote(parts.path) if parts.scheme == "file" else url.split(":", 1)[1]
    escaped = "".join(f"\\{c}" if c in "*?[]{}\\" else c for c in path)
    return f"{parts.scheme}:{escaped}"
