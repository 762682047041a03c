"""A real spark-submit runs the job of `seil.aws.spark_job` in the session that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from tests.sites import Site
from tests.spark import OPTIONS, iceberg_jar, spark_settings

from seil.warehouse import open_warehouse

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

COUNT = "SELECT count(*) AS n, max(systemmodstamp) AS newest FROM salesforce.account"


def submit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    job = folder / "job.py"
    job.write_text("from seil.aws.spark_job import main\n\nmain()\n")
    program = str(Path(sys.executable).with_name("spark-submit"))
    own = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", **OPTIONS}
    options = [word for name, text in own.items() for word in ("--conf", f"{name}={text}")]
    start = [program, "--master", "local[1]", "--jars", str(iceberg_jar()), *options, str(job)]
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return subprocess.run(
        [*start, *arguments],
        cwd=folder,
        env={**os.environ, **python},
        capture_output=True,
        text=True,
        check=False,
    )


def run_job(site: Site, location: Path, *arguments: str) -> None:
    done = submit(
        site.folder,
        *("--seil-config", str(site.folder / "seil.toml")),
        *("--SEIL_WAREHOUSE__URL", "spark://lakehouse"),
        *("--SEIL_WAREHOUSE__SPARK__LOCATION", location.as_uri()),
        *arguments,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.mark.many
def test_a_job_with_the_arguments_of_glue_loads_and_builds(spark: None, site: Site) -> None:
    location = site.folder / "iceberg"
    # Those that Glue adds: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
    own = ("--JOB_NAME", "nightly", "--JOB_RUN_ID", "jr_1", "--job-bookmark-option")
    run_job(site, location, *own, "job-bookmark-disable", "--enable-metrics")
    with open_warehouse(spark_settings(location), read_only=True) as warehouse:
        assert len(warehouse.tables()) == 16
        builds = warehouse.query("SELECT state FROM seil.builds")
        assert builds["state"].to_pylist() == ["built"] * 16
        assert warehouse.bookkeeping.positions()


def test_a_submitted_job_loads_what_curated_has(spark: None, site: Site) -> None:
    location = site.folder / "iceberg"
    run_job(site, location, "--seil-steps", "load")
    with duckdb.connect(str(site.warehouse_file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        expected = connection.execute(COUNT).to_arrow_table().to_pylist()
    with open_warehouse(spark_settings(location), read_only=True) as warehouse:
        assert warehouse.query(COUNT).to_pylist() == expected
