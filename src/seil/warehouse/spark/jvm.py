"""The ways from Python to Spark's JVM that pyspark 3.5 has for itself alone."""

# ruff: noqa: SLF001

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors.exceptions.captured import unwrap_spark_exception
from pyspark.java_gateway import launch_gateway

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_REAPED = 2
"""Seconds in which an ended process has an exit code."""


def is_running() -> bool:
    """Whether this process has a Spark. One that has ended is forgotten, so that another one can
    be started.
    """
    context = SparkContext._active_spark_context
    if context is None:
        return False
    if java_status() is None and _answers(context):
        return True
    with suppress(Py4JError, OSError):
        context.stop()
    # The first one ends where Java does not answer.
    context.stop()
    if java_status() is not None:
        SparkContext._gateway = SparkContext._jvm = None
    return False


def _answers(context: SparkContext) -> bool:
    try:
        return not context._jsc.sc().isStopped()
    except (Py4JError, OSError):
        return False


def java_status() -> int | None:
    """How this process's Java ended: its exit code, or the number of a signal below zero. None
    while it runs, and where another program has started it.
    """
    process = getattr(SparkContext._gateway, "proc", None)
    return None if process is None else process.poll()


def java_end() -> str:
    """Why it no longer answers, as far as that is known."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return ""
    try:
        status = process.wait(_REAPED)
    except TimeoutExpired:
        return ""
    return f"signal {-status}" if status < 0 else f"exit code {status}"


def start_java(options: Mapping[str, str]) -> None:
    """In a session of its own: what ends this process's group would end it in the middle of a
    commit. It ends with this process in any case.
    """
    with SparkContext._lock:
        if SparkContext._gateway is None:
            conf = SparkConf(loadDefaults=False).setAll(list(options.items()))
            launch: Any = launch_gateway
            SparkContext._gateway = launch(conf, {"start_new_session": True})
            SparkContext._jvm = SparkContext._gateway.jvm


@contextmanager
def kept_interruption() -> Iterator[None]:
    """A new SparkContext puts its own handler in the place of this process's."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def java(session: SparkSession) -> Any:
    """The root of Java's packages."""
    return session._jvm


def java_session(session: SparkSession) -> Any:
    return session._jsparkSession


def current_catalog(session: SparkSession) -> Any:
    return session._jsparkSession.sessionState().catalogManager().currentCatalog()


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
