"""The ways from Python to Spark's JVM that pyspark 3.5 has for itself alone."""

# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark import SparkContext
from pyspark.errors.exceptions.captured import unwrap_spark_exception

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def is_running() -> bool:
    """Whether this process has a Spark."""
    return SparkContext._active_spark_context is not None


def java(session: SparkSession) -> Any:
    """The root of Java's packages."""
    return session._jvm


def java_session(session: SparkSession) -> Any:
    return session._jsparkSession


def java_frame(frame: DataFrame) -> Any:
    return frame._jdf


def hadoop_configuration(session: SparkSession) -> Any:
    return session.sparkContext._jsc.hadoopConfiguration()


@contextmanager
def server_errors(server: Any) -> Iterator[None]:
    """Raises what made the JVM stop sending."""
    try:
        yield
    finally:
        with unwrap_spark_exception():
            server.getResult()
