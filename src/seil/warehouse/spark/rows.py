"""Rows between Arrow and Spark, without a Python object per value.

Private interfaces of pyspark 3.5, those of its own conversion to and from pandas.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.rdd import _local_iterator_from_socket
from pyspark.serializers import NoOpSerializer
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import _parse_datatype_string

from seil.warehouse.spark.columns import TIME, name_of, spark_type
from seil.warehouse.spark.jvm import arrow_batches, java, java_frame, java_session
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NO_PREFETCH = False


def result_schema(frame: DataFrame) -> pa.Schema:
    return pa.schema(
        [field.with_nullable(nullable=True) for field in to_arrow_schema(frame.schema)]
    )


def collect(frame: DataFrame) -> pa.Table:
    schema = result_schema(frame)
    batches = arrow_batches(frame)
    return pa.Table.from_batches([_typed(batch, schema) for batch in batches], schema=schema)


def stream(frame: DataFrame) -> Iterator[pa.RecordBatch]:
    """One partition after the other, in their order: the driver holds one at a time."""
    schema = result_schema(frame)
    serve = java(frame.sparkSession).org.apache.spark.api.python.PythonRDD.toLocalIteratorAndServe
    served = serve(java_frame(frame).toArrowBatchRdd(), _NO_PREFETCH)
    for message in _local_iterator_from_socket(served, NoOpSerializer()):
        yield pa.ipc.read_record_batch(pa.py_buffer(message), schema)


def frame_of(
    session: SparkSession, batches: Iterable[pa.RecordBatch], columns: pa.Schema
) -> DataFrame:
    """A DataFrame of rows that are in this process."""
    stored = pa.schema([field.with_type(_carried(field.type)) for field in columns])
    declared = ", ".join(f"{name_of(c.name)} {spark_type(c.type)}" for c in columns)
    schema = _parse_datatype_string(declared)
    handle, path = tempfile.mkstemp(prefix="seil-", suffix=".arrow")
    try:
        with os.fdopen(handle, "wb") as file, pa.ipc.new_stream(file, stored) as writer:
            for batch in batches:
                writer.write_batch(_typed(batch, stored))
        utils = java(session).PythonSQLUtils
        rows = utils.readArrowStreamFromFile(path)
        return DataFrame(utils.toDataFrame(rows, schema.json(), java_session(session)), session)
    finally:
        Path(path).unlink()


def _carried(kind: pa.DataType) -> pa.DataType:
    stored = stored_type(kind) or TEXT
    return TEXT if stored == TIME else stored


def _typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
