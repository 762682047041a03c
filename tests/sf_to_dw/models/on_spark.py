"""Runs rendered models over Parquet files, by whatever Spark runs this program."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession

OPTIONS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


def run(session: SparkSession, folder: Path) -> None:
    """`raw/<table>.parquet` are read as salesforce.<table>, `models/<name>.sql` written to
    `results/<name>`; a query over the models' tables, `query.sql`, to `results/query`.
    """
    for name, value in OPTIONS.items():
        session.conf.set(name, value)
    session.sql("USE spark_catalog")
    session.sql("CREATE DATABASE salesforce")
    try:
        for file in sorted(folder.glob("raw/*.parquet")):
            session.sql(f"CREATE TABLE salesforce.`{file.stem}` USING parquet LOCATION '{file}'")
        for file in sorted(folder.glob("models/*.sql")):
            place = str(folder / "results" / file.stem)
            session.sql(file.read_text("utf-8")).coalesce(1).write.parquet(place)
            session.read.parquet(place).createOrReplaceTempView(file.stem)
        rows = session.sql((folder / "query.sql").read_text("utf-8"))
        rows.coalesce(1).write.parquet(str(folder / "results/query"))
    finally:
        session.sql("DROP DATABASE salesforce CASCADE")


if __name__ == "__main__":
    started = (
        SparkSession.builder.master("local[1]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", f"{sys.argv[1]}/spark")
        .getOrCreate()
    )
    run(started, Path(sys.argv[1]))
    started.stop()
