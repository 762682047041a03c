"""Who makes the tables from curated files: SEIL, and others that run the same SQL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Clock, peak_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession
    from sqlglot import exp

MEMORY = "4GB"
_NEWEST = """
SELECT * FROM {source}
QUALIFY row_number() OVER (
    PARTITION BY Id ORDER BY SystemModstamp DESC NULLS LAST, processed_ts DESC NULLS LAST
) = 1"""


def seil(
    clock: Clock,
    *,
    lake: str,
    url: str,
    full: bool,
    memory: str = MEMORY,
    threads: int | None = None,
    section: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Loads what is not loaded yet, and builds. `full` makes every table anew; `section` has
    further settings of the warehouse.
    """
    from seil.catalog import load_catalog
    from seil.lake import Lake
    from seil.modeling.build import build
    from seil.settings import WarehouseSettings
    from seil.sf_to_dw.load.loader import load
    from seil.sf_to_dw.site_models import site_models
    from seil.warehouse import open_warehouse, stored_bytes

    catalog = load_catalog()
    models = site_models(catalog)
    lakes = Lake.at(Path(lake).as_uri(), env="dev", project="seil")
    at = {"url": url, "memory": memory, "threads": threads, **(section or {})}
    settings = WarehouseSettings.model_validate(at)
    cpu = time.process_time()
    with clock, open_warehouse(settings) as opened:
        begun = time.perf_counter()
        loaded = load(opened, lakes, catalog)
        load_seconds = time.perf_counter() - begun
        built = build(opened, models, full=full)
    cpu = time.process_time() - cpu
    wrong = [error for entry in loaded.objects for error in entry.errors]
    wrong += [f"{table.table}: {table.message}" for table in built.tables if not table.is_built]
    if wrong:
        raise SystemExit("\n".join(wrong))
    modes = [table.mode for table in built.tables]
    return {
        "rows": loaded.outcome.rows,
        "load": load_seconds,
        "build": clock.seconds - load_seconds,
        "cpu": cpu,
        "bytes": stored_bytes(settings),
        "modes": {mode: modes.count(mode) for mode in sorted(set(modes))},
    }


def duckdb(clock: Clock, *, lake: str, warehouse: str, kept: bool) -> dict[str, Any]:
    """The models' own SQL, as somebody would run it by hand on the files.

    The newest row of each record is a view, or with `kept` a table.
    """
    import duckdb as engine

    selects = _selects(lake)
    rows = 0
    with clock, engine.connect(warehouse, config={"memory_limit": MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA salesforce")
        kind = "TABLE" if kept else "VIEW"
        for table, files in files_by_table(lake):
            newest = _NEWEST.format(source=f"read_parquet({files})")
            connection.execute(f"CREATE {kind} salesforce.{table} AS {newest}")
        for name, select in selects.items():
            connection.execute(f"CREATE TABLE {name} AS {select}")
        connection.execute("CHECKPOINT")
        clock_rows = connection.execute(_COUNT.format(files=_pattern(lake))).fetchall()
        rows = int(clock_rows[0][0])
    return {"rows": rows}


_COUNT = "SELECT sum(num_rows) FROM parquet_file_metadata('{files}')"


def spark(clock: Clock, *, lake: str, out: str) -> dict[str, Any]:
    """The same SQL, translated; tables become Parquet files. Starting the JVM does not count."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql.pandas.types import from_arrow_schema

    session = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", MEMORY.replace("GB", "g"))
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    refused: dict[str, str] = {}
    rows = 0
    selects = _selects(lake)
    with clock:
        for table, files in files_by_table(lake):
            known = from_arrow_schema(_without_times(files[0]))
            frame = session.read.schema(known).parquet(*files)
            frame.createOrReplaceTempView(f"files_{table}")
            newest = session.sql(_translated(_NEWEST.format(source=f"files_{table}")))
            newest.createOrReplaceTempView(f"salesforce_{table}")
        for name, select in selects.items():
            try:
                made = session.sql(_translated(select))
                made.write.mode("overwrite").parquet(f"{out}/{name}")
                session.read.parquet(f"{out}/{name}").createOrReplaceTempView(name)
            except PySparkException as error:
                refused[name] = str(error).split("\n", 1)[0][:200]
    for table, _ in files_by_table(lake):
        rows += session.table(f"files_{table}").count()
    peak = _peak_of_java(session)
    session.stop()
    return {"rows": rows, "refused": refused, "peak_beside": peak}


def _peak_of_java(session: SparkSession) -> int:
    """Bytes; the JVM outlives the process that started it, and so is not among its children."""
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001 (PySpark's only way to its JVM)
    return peak_bytes(jvm.java.lang.ProcessHandle.current().pid())


def _without_times(file: str) -> pa.Schema:
    """Spark cannot read a file with a time of day in it. No model reads one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa.schema([field for field in pq.read_schema(file) if not pa.types.is_time(field.type)])


def _translated(sql: str) -> str:
    import sqlglot
    from sqlglot import exp

    def flat(node: exp.Expression) -> exp.Expression:
        """Spark's views for a session have no schema."""
        if isinstance(node, exp.Table) and node.db.lower() == "salesforce":
            return exp.to_table(f"salesforce_{node.name}", alias=node.alias or node.name)
        return node

    parsed = sqlglot.parse_one(sql, read="duckdb")
    return parsed.transform(flat).sql(dialect="spark")


def _selects(lake: str) -> dict[str, str]:
    """Each model's SELECT in DuckDB's dialect, its business dates in plain SQL, in UTC."""
    import pyarrow.parquet as pq

    from seil.catalog import load_catalog
    from seil.modeling.business_date import expand
    from seil.sf_to_dw.site_models import site_models
    from seil.warehouse.tables import TableName

    types = {
        (table, field.name.lower()): field.type
        for table, files in files_by_table(lake)
        for field in pq.read_schema(files[0])
    }

    def type_of(table: TableName, column: str) -> pa.DataType | None:
        return types.get((table.name, column))

    selects = {}
    for name, model in site_models(load_catalog()).items():
        query = model.query
        expand(query, "UTC", type_of)
        selects[name] = query.sql("duckdb")
    return selects


def files_by_table(lake: str) -> Iterator[tuple[str, list[str]]]:
    """The curated ones of each raw table that has any."""
    from seil.catalog import load_catalog

    for obj in load_catalog().values():
        folder = f"Salesforce-{obj.landing_name}"
        found = sorted(str(file) for file in Path(lake).glob(f"*-curated/{folder}/**/*.parquet"))
        if found:
            yield obj.table, found


def _pattern(lake: str) -> str:
    return f"{lake}/*-curated/**/*.parquet"
