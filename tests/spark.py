"""Spark for tests: one session a run, tuned for few rows; each test has a warehouse of its own."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from seil.errors import ConfigurationError
from seil.settings import WarehouseSettings
from seil.warehouse.spark.java import require_java

_ICEBERG = "snowpark_connect_deps_iceberg"
# A statement takes 0.1 s, and the first of its kind 0.5 s; untuned, several times that.
OPTIONS = {
    "spark.default.parallelism": "1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


def require_spark() -> None:
    """Skips the test where Spark cannot run."""
    try:
        require_java()
    except ConfigurationError as error:
        pytest.skip(str(error.problems[0]))
    if find_spec(_ICEBERG) is None:
        pytest.skip(f"{_ICEBERG} is not for this Python")


def iceberg_jar() -> Path:
    spec = find_spec(_ICEBERG)
    assert spec
    assert spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    return Path(folder) / "jars/iceberg-spark-runtime-3.5_2.12-1.10.2.jar"


def aws_jars() -> list[str]:
    """Those that Iceberg's Glue catalog needs beside its runtime; none where `make spark` could not
    install them.
    """
    folder = ".venv-spark-jars/lib/python*/site-packages/bodo_iceberg_connector/jars/libs"
    names = ("*-2.29.26.jar", "eventstream-*.jar", "reactive-streams-*.jar")
    root = Path(__file__).parents[1]
    return sorted(str(jar) for name in names for jar in root.glob(f"{folder}/{name}"))


def spark_settings(folder: Path, **spark: Any) -> WarehouseSettings:
    """Of a warehouse in a folder."""
    tuned = {
        "location": folder.as_uri(),
        "jars": [str(iceberg_jar()), *aws_jars()],
        "options": OPTIONS,
        **spark,
    }
    values = {"url": "spark://lakehouse", "memory": "1GB", "threads": 1, "spark": tuned}
    return WarehouseSettings.model_validate(values)


def has_ended(process: int) -> bool:
    """Whether a process is gone, or nobody has asked for its exit code."""
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def spark_section(settings: WarehouseSettings) -> str:
    """`[warehouse.spark]` of a seil.toml."""
    spark = settings.spark
    values = {"location": spark.location, "jars": spark.jars}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value]
    options = (f"{json.dumps(name)} = {json.dumps(value)}" for name, value in spark.options.items())
    return "\n".join(["[warehouse.spark]", *lines, "[warehouse.spark.options]", *options, ""])
