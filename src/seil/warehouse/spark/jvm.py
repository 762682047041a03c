"""The ways from Python to Spark's JVM that pyspark 3.5 has for itself alone."""

# ruff: noqa: SLF001

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


def java(session: SparkSession) -> Any:
    """The root of Java's packages."""
    return session._jvm


def java_session(session: SparkSession) -> Any:
    return session._jsparkSession


def java_frame(frame: DataFrame) -> Any:
    return frame._jdf


def hadoop_configuration(session: SparkSession) -> Any:
    return session.sparkContext._jsc.hadoopConfiguration()


def arrow_batches(frame: DataFrame) -> list[pa.RecordBatch]:
    """All rows, in their order."""
    return frame._collect_as_arrow()
