"""Spark's and Iceberg's errors, translated: what happened, to which warehouse, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    ParseException,
    PySparkException,
    SparkRuntimeException,
)

from seil.errors import StatementError, WarehouseError
from seil.warehouse.spark.jvm import java_end

_AGAIN = "Nothing is lost: run the same command again"
_STATEMENT_ERRORS = (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    ParseException,
    SparkRuntimeException,
)
_HINTS = (
    (
        r"CommitFailedException|ValidationException|fast-forward",
        "Another program changed the table meanwhile. Run the same command again",
    ),
    (
        r"No FileSystem for scheme|ClassNotFoundException",
        "Add the jars for that storage to Spark's options: see docs/spark.md",
    ),
    (
        r"No space left on device",
        "The disk is full: free some space, then run the same command again; nothing is lost",
    ),
    (
        r"OutOfMemoryError|Java heap space",
        "Raise [warehouse] memory, or spark.driver.memory and spark.executor.memory in its options",
    ),
    (r"SparkContext was (shut down|stopped)|stopped SparkContext", _AGAIN),
)
# What a value did not fit, inside the report of a task that failed.
_DATA_ERRORS = re.compile(r"Spark(?:DateTime|NumberFormat|Arithmetic|Runtime)Exception: ([^\n]+)")


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise warehouse_error(url, error) from error
    except pa.ArrowException as error:
        raise StatementError(url, f"a value cannot be read: {error}") from error
    except (ConnectionError, EOFError) as error:
        raise _ended(url) from error


def is_missing(error: Exception) -> bool:
    """Whether there is no such table or namespace."""
    if isinstance(error, Py4JJavaError):
        return "NoSuch" in str(error.java_exception.getClass().getName())
    return isinstance(error, AnalysisException) and "NOT_FOUND" in str(error)


def warehouse_error(url: str, error: Exception) -> WarehouseError:
    if isinstance(error, Py4JNetworkError) or _is_of_python(error):
        return _ended(url)
    text = _text(error)
    if isinstance(error, _STATEMENT_ERRORS):
        return StatementError(url, _first_line(text))
    if match := _DATA_ERRORS.search(text):
        return StatementError(url, _first_line(match[1]))
    hint = next((hint for words, hint in _HINTS if re.search(words, text)), "")
    return WarehouseError(url, _first_line(text), hint=hint)


def _is_of_python(error: Exception) -> bool:
    """Where Java has ended, py4j finds no class in it."""
    is_own = isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError)
    return is_own and bool(java_end())


def _ended(url: str) -> WarehouseError:
    how = java_end()
    return WarehouseError(url, f"Spark ended ({how})" if how else "Spark ended", hint=_AGAIN)


def _text(error: Exception) -> str:
    if isinstance(error, Py4JJavaError):
        cause = error.java_exception
        while (inner := cause.getCause()) is not None:
            cause = inner
        return str(cause.toString())
    return str(error)


def _first_line(text: str) -> str:
    line = text.strip().split("\n", 1)[0].strip()
    return re.sub(r"^(?:[a-z]+\.)+\w+(?:Exception|Error): ", "", line)
