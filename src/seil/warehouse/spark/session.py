"""A Spark session for `[warehouse] url`."""

from __future__ import annotations

import site
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings


def open_session(settings: WarehouseSettings) -> SparkSession:
    """With temporary views and settings of its own; the warehouse's catalog is the current one."""
    folder = settings.url.removeprefix("spark://")
    packages = Path(site.getsitepackages()[0])
    jars = sorted(map(str, packages.glob("snowpark_connect_deps_iceberg/jars/*_2.12-*.jar")))
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m",
        "spark.driver.memory": "1g",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.jars": ",".join(jars),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in options.items():
        builder = builder.config(name, value)
    base = builder.getOrCreate()
    base.sparkContext.setLogLevel("OFF")
    session = base.newSession()
    for name, value in {
        "spark.sql.catalog.seil": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.seil.type": "hadoop",
        "spark.sql.catalog.seil.warehouse": folder,
        "spark.sql.catalog.seil.cache-enabled": "false",
    }.items():
        session.conf.set(name, value)
    session.sql("USE seil")
    return session
