"""The Spark session of a warehouse: one that exists, or one on this machine.

In a Glue job and under spark-submit Spark runs already; its memory, master and jars stay as they
are. Each warehouse has a session of its own in it: temporary views, options, the catalog.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import SparkSession

from seil.errors import ConfigurationError, Problem, WarehouseError
from seil.warehouse.spark.java import require_java
from seil.warehouse.spark.jvm import (
    current_catalog,
    hadoop_configuration,
    is_running,
    java,
    kept_interruption,
    start_java,
)

if TYPE_CHECKING:
    from seil.settings import SparkSettings, WarehouseSettings

ICEBERG_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
_ICEBERG_CATALOG = "org.apache.iceberg.spark.SparkCatalog"
_ICEBERG_JAR = "iceberg-spark-runtime-3.5_2.12-1.10.2.jar"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Of a program that spark-submit has started."""
_HADOOP = "spark.hadoop."
_LOG4J = Path(__file__).with_name("log4j2.properties")
_MIB = 2**20
_UNITS = {"K": 2**10, "M": _MIB, "G": 2**30, "T": 2**40}

# What every value depends on, whatever the options say.
SEMANTICS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.storeAssignmentPolicy": "ANSI",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # A text with ${env:...} in a statement is that text: Spark would put a variable of the
    # environment or an option, such as a catalog's token, in its place.
    "spark.sql.variable.substitute": "false",
    # How statements are read, whatever a cluster's own settings say.
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.orderByOrdinal": "true",
    "spark.sql.parser.escapedStringLiterals": "false",
    # Types of products and quotients of decimals.
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    # Else days before 1582 and times before 1900 are refused.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
}


def open_session(settings: WarehouseSettings) -> SparkSession:
    """With the warehouse's catalog as the current one.

    Raises ConfigurationError where Java or Iceberg is missing, WarehouseError where Spark does not
    start or the catalog does not answer.
    """
    session = _running(settings).newSession()
    _require_iceberg(session, settings)
    _configure(session, settings)
    try:
        _use_catalog(session, settings)
    except BaseException:
        close_session(session)
        raise
    return session


def close_session(session: SparkSession) -> None:
    """Closes the catalog's connections and threads, which Spark leaves open until Java ends."""
    # Java may have ended, and a catalog that is not Iceberg's has nothing to close.
    with suppress(Py4JError, OSError):
        current_catalog(session).icebergCatalog().close()


def catalog_name(settings: WarehouseSettings) -> str:
    return settings.url.removeprefix("spark://")


def _running(settings: WarehouseSettings) -> SparkSession:
    builder = SparkSession.builder
    if is_running():
        return builder.getOrCreate()
    options = _submitted_options(settings) if _SUBMITTED in os.environ else _options(settings)
    if _SUBMITTED not in os.environ:
        require_java()
        _require_jars(settings.spark)
    for name, value in options.items():
        builder = builder.config(name, value)
    try:
        with kept_interruption():
            if _SUBMITTED not in os.environ:
                start_java(options)
            return builder.getOrCreate()
    except (PySparkException, Py4JError) as error:
        hint = "Its own message is above; [warehouse] memory and [warehouse.spark] options start it"
        raise WarehouseError(settings.url, "Spark did not start", hint=hint) from error


def _submitted_options(settings: WarehouseSettings) -> dict[str, str]:
    return {"spark.sql.extensions": ICEBERG_EXTENSIONS} | settings.spark.options


def _options(settings: WarehouseSettings) -> dict[str, str]:
    spark = settings.spark
    options = {
        "spark.app.name": "seil",
        "spark.driver.memory": f"{_mebibytes(settings.memory)}m",
        "spark.master": spark.master or f"local[{settings.threads or '*'}]",
        "spark.sql.extensions": ICEBERG_EXTENSIONS,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Of Spark's own catalog, which makes the folder and is not used.
        "spark.sql.warehouse.dir": Path(gettempdir(), "seil-spark").as_uri(),
    }
    if options["spark.master"].startswith("local"):
        options |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    if spark.jars:
        options["spark.jars"] = ",".join(spark.jars)
    options |= spark.options
    # A plan of many columns is nested deeper than the default stack.
    java = f"-Dlog4j2.configurationFile={_LOG4J.as_uri()} -Xss4m"
    options[_JAVA_OPTIONS] = f"{java} {spark.options.get(_JAVA_OPTIONS, '')}".strip()
    return options


def _mebibytes(memory: str) -> int:
    """Of `[warehouse] memory`, such as 2GB or 512 MiB."""
    match = re.fullmatch(r"([\d.]+) ?([KMGT])i?B", memory, re.IGNORECASE)
    if match is None:
        raise ValueError(memory)
    return max(1, int(float(match[1]) * _UNITS[match[2].upper()]) // _MIB)


def _require_jars(settings: SparkSettings) -> None:
    missing = [jar for jar in settings.jars if "://" not in jar and not Path(jar).is_file()]
    if missing:
        cure = "docs/spark.md says where the jars come from"
        raise ConfigurationError(
            [Problem("warehouse.spark.jars", f"there is no file {jar}", cure) for jar in missing]
        )


def _require_iceberg(session: SparkSession, settings: WarehouseSettings) -> None:
    if not _has_class(session, _ICEBERG_CATALOG):
        reason = "Spark has no Iceberg"
        cure = f"add {_ICEBERG_JAR} (docs/spark.md says where from)"
        raise ConfigurationError([Problem("warehouse.spark.jars", reason, cure)])
    if ICEBERG_EXTENSIONS not in (session.conf.get("spark.sql.extensions", "") or ""):
        reason = "the running Spark session lacks Iceberg's extensions"
        cure = f"start it with --conf spark.sql.extensions={ICEBERG_EXTENSIONS}"
        raise ConfigurationError([Problem("warehouse.url", reason, cure)])


def _has_class(session: SparkSession, name: str) -> bool:
    try:
        java(session).org.apache.spark.util.Utils.classForName(name, False, False)  # noqa: FBT003
    except Py4JJavaError:
        return False
    return True


def _configure(session: SparkSession, settings: WarehouseSettings) -> None:
    spark = settings.spark
    options = {**_catalog_options(session, settings), **spark.options, **SEMANTICS}
    # Other programs write the tables, too: one that was dropped since it was cached, or written so
    # often that its old metadata is gone, could not be loaded.
    options[f"{_catalog_prefix(settings)}.cache-enabled"] = "false"
    for name, value in options.items():
        # Those of a process or of a context are of its start.
        with suppress(AnalysisException):
            session.conf.set(name, value)
    # Not before the start: its options stand on Java's command line, for all to read.
    hadoop = hadoop_configuration(session)
    for name, secret in spark.secrets.items():
        if name.startswith(_HADOOP):
            hadoop.set(name.removeprefix(_HADOOP), secret.reveal())
        else:
            session.conf.set(name, secret.reveal())


def _catalog_options(session: SparkSession, settings: WarehouseSettings) -> Mapping[str, str]:
    """Empty where whoever started Spark has defined the catalog."""
    prefix = _catalog_prefix(settings)
    if session.conf.get(prefix, ""):
        return {}
    spark = settings.spark
    options = {
        prefix: _ICEBERG_CATALOG,
        f"{prefix}.type": spark.catalog,
        f"{prefix}.uri": spark.uri,
        f"{prefix}.warehouse": spark.location,
    }
    return {name: value for name, value in options.items() if value}


def _catalog_prefix(settings: WarehouseSettings) -> str:
    return f"spark.sql.catalog.{catalog_name(settings)}"


def _use_catalog(session: SparkSession, settings: WarehouseSettings) -> None:
    name = catalog_name(settings)
    try:
        session.sql(f"USE {name}")
        if settings.spark.catalog != "hadoop":
            session.sql(f"SHOW NAMESPACES IN {name} LIKE 'seil'")
    except (PySparkException, Py4JError) as error:
        where = settings.spark.uri or settings.spark.location
        reason = f"the catalog at {where} does not answer: {_cause(error)}"
        hint = "Check [warehouse.spark]; docs/spark.md shows each catalog's settings"
        raise WarehouseError(settings.url, reason, hint=hint) from error


def _cause(error: Exception) -> str:
    """The innermost message, without the class."""
    origin = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    text = str(origin or error)
    while origin is not None and (cause := origin.getCause()) is not None:
        origin, text = cause, str(cause.toString())
    return re.sub(r"^(?:[a-z]\w*\.)+\w+: ", "", text.strip().split("\n", 1)[0])
