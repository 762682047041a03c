"""Rows between Arrow and Spark, without a Python object per value.

Private interfaces of pyspark 3.5, those of its own conversion to and from pandas.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.java_gateway import local_connect_and_auth
from pyspark.serializers import NoOpSerializer, read_int, write_int
from pyspark.sql import DataFrame
from pyspark.sql.pandas.serializers import ArrowCollectSerializer
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import _parse_datatype_string

from seil.warehouse.spark.columns import TIME, column_list, column_name
from seil.warehouse.spark.jvm import java, java_frame, java_session, server_errors
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NO_PREFETCH = False
_MORE, _FAILED = 1, -1


def result_schema(frame: DataFrame) -> pa.Schema:
    return pa.schema(
        [field.with_nullable(nullable=True) for field in to_arrow_schema(frame.schema)]
    )


def named_schema(stored: pa.Schema) -> pa.Schema:
    """Under the names that the columns have for all but Spark."""
    return pa.schema([field.with_name(column_name(field.name)) for field in stored])


def collect(frame: DataFrame) -> pa.Table:
    schema = result_schema(frame)
    port, secret, server = java_frame(frame).collectAsArrowToPython()
    with _socket(port, secret) as stream, server_errors(server):
        *batches, order = ArrowCollectSerializer().load_stream(stream)
    in_order = [_typed(batches[place], schema) for place in order]
    return pa.Table.from_batches(in_order, schema=schema)


def stream(frame: DataFrame) -> Iterator[pa.RecordBatch]:
    """One partition after the other, in their order: the driver holds one at a time."""
    schema = result_schema(frame)
    serve = java(frame.sparkSession).org.apache.spark.api.python.PythonRDD.toLocalIteratorAndServe
    port, secret, server = serve(java_frame(frame).toArrowBatchRdd(), _NO_PREFETCH)
    with _socket(port, secret) as stream:
        while _next_partition(stream, server):
            for message in NoOpSerializer().load_stream(stream):
                yield pa.ipc.read_record_batch(pa.py_buffer(message), schema)


def _next_partition(stream: IO[bytes], server: Any) -> bool:
    """The protocol of `pyspark.rdd._local_iterator_from_socket`."""
    write_int(_MORE, stream)
    stream.flush()
    status = read_int(stream)
    if status == _FAILED:
        with server_errors(server):
            pass
    return bool(status == _MORE)


@contextmanager
def _socket(port: int, secret: str) -> Iterator[IO[bytes]]:
    """Pyspark leaves its own to the garbage collector."""
    stream, socket = local_connect_and_auth(port, secret)
    with socket, stream:
        socket.settimeout(None)
        yield stream


def frame_of(
    session: SparkSession, batches: Iterable[pa.RecordBatch], columns: pa.Schema
) -> DataFrame:
    """A DataFrame of rows that are in this process."""
    stored = pa.schema([field.with_type(_carried(field.type)) for field in columns])
    declared = column_list(columns)
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


def with_times(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Reads the texts of times of the day, a type that Spark lacks."""
    arrays = [
        _times(column) if field.type == TIME and pa.types.is_string(column.type) else column
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return _typed(pa.RecordBatch.from_arrays(arrays, names=schema.names), schema)


def _times(texts: Any) -> Any:
    """Arrow reads no text as a time alone."""
    moments: Any = pc.binary_join_element_wise("1970-01-01", texts, " ")
    return moments.cast(pa.timestamp("us")).cast(TIME)


def _carried(kind: pa.DataType) -> pa.DataType:
    stored = stored_type(kind) or TEXT
    return TEXT if stored == TIME else stored


def _typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def union(one: DataFrame, other: DataFrame) -> DataFrame:
    return one.unionByName(other, allowMissingColumns=True)
